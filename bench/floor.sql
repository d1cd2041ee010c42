-- The floor of the bench: the rows that one subtask's claim, completion and its downstream's
-- readiness change, in tables of the same shape, without looking at any condition.
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench_floor_task, bench_floor_subtask, bench_floor_event;
CREATE TABLE bench_floor_task (LIKE task INCLUDING ALL) WITH (fillfactor = 60);
CREATE TABLE bench_floor_subtask (LIKE subtask INCLUDING DEFAULTS) WITH (fillfactor = 60);
CREATE TABLE bench_floor_event (LIKE event INCLUDING ALL);
CREATE SEQUENCE IF NOT EXISTS bench_floor_number;
INSERT INTO bench_floor_task (task_id, first_subtask_id, sequence, template_id, active, ready,
                              failed, unfinished, state, operation)
SELECT i, i, 1, 1, 1, 1, 0, 12, 1, 1 FROM generate_series(1, 20000) i;
INSERT INTO bench_floor_subtask (task_id, subtask_id, node, type_id, state, waiting)
SELECT i, i + k * 1000000, 0, 1, 2, 0 FROM generate_series(1, 20000) i, generate_series(0, 1) k;
CREATE UNIQUE INDEX bench_floor_subtask_key ON bench_floor_subtask (subtask_id);
ANALYZE bench_floor_task, bench_floor_subtask;

CREATE OR REPLACE FUNCTION bench_floor_claim(first bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE bench_floor_subtask s
     SET state = 3, claim = nextval('bench_floor_number'), attempt = s.attempt + 1, worker_id = 1,
         claimed_at = clock_timestamp(), start_time = clock_timestamp()
    FROM generate_series(first, first + 99) AS w(id) WHERE s.subtask_id = w.id;
  UPDATE bench_floor_task t SET sequence = t.sequence + 1, ready = t.ready - 1
    FROM generate_series(first, first + 99) AS w(id) WHERE t.task_id = w.id;
  INSERT INTO bench_floor_event (task_id, first, sequence, at, who, moves)
  SELECT id, 1, 1, clock_timestamp(), 'worker/1', '30:1000001:1000001'
    FROM generate_series(first, first + 99) AS w(id);
$$;
CREATE OR REPLACE FUNCTION bench_floor_complete(first bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE bench_floor_subtask s SET state = 6, finish_time = clock_timestamp()
    FROM generate_series(first, first + 99) AS w(id) WHERE s.subtask_id = w.id;
  UPDATE bench_floor_subtask s SET waiting = 0, state = 2, ready_at = clock_timestamp()
    FROM generate_series(first, first + 99) AS w(id) WHERE s.subtask_id = w.id + 1000000;
  UPDATE bench_floor_task t SET sequence = t.sequence + 2, unfinished = t.unfinished - 1
    FROM generate_series(first, first + 99) AS w(id) WHERE t.task_id = w.id;
  INSERT INTO bench_floor_event (task_id, first, sequence, at, who, moves)
  SELECT id, 1, 2, clock_timestamp(), 'worker/1', '40:1000001:1000001 20:1000002:0'
    FROM generate_series(first, first + 99) AS w(id);
$$;
