-- The floor of the bench: the rows that one subtask's claim, completion and its downstream's
-- readiness change, in tables of the same shape, without looking at any condition. Each client has
-- 100 batches of 100 tasks and takes them in turn; a turn works on the rows the turn 100 before made.
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench_floor_task, bench_floor_subtask, bench_floor_event;
CREATE TABLE bench_floor_task (LIKE task INCLUDING ALL) WITH (fillfactor = 15);
CREATE TABLE bench_floor_subtask (LIKE subtask INCLUDING ALL) WITH (fillfactor = 33);
CREATE TABLE bench_floor_event (LIKE event_batch INCLUDING ALL);
CREATE SEQUENCE IF NOT EXISTS bench_floor_number;
INSERT INTO bench_floor_task (task_id, first_subtask_id, sequence, template_id, active, ready,
                              failed, unfinished, state, operation)
SELECT i, i, 1, 1, 1, 1, 0, 12, 1, 1 FROM generate_series(0, 19999) i;

-- Place i of batch `turn`: its task, and its subtask of that turn.
CREATE OR REPLACE FUNCTION bench_floor_rows(client bigint, turn bigint)
RETURNS TABLE (task_id bigint, subtask_id bigint) LANGUAGE sql IMMUTABLE AS $$
  SELECT client * 10000 + (turn + 100) % 100 * 100 + i,
         client * 1000000000 + (turn + 100) * 100 + i FROM generate_series(0, 99) AS i;
$$;
INSERT INTO bench_floor_subtask (task_id, subtask_id, node, type_id, state, waiting, ready_at)
SELECT r.task_id, r.subtask_id, 0, 1, 2, 0, clock_timestamp()
  FROM generate_series(0, 1) AS client, generate_series(-100, -1) AS turn,
       bench_floor_rows(client, turn) r;
ANALYZE bench_floor_task, bench_floor_subtask;

CREATE OR REPLACE FUNCTION bench_floor_claim(client bigint, turn bigint) RETURNS void
LANGUAGE sql AS $$
  UPDATE bench_floor_subtask s
     SET state = 3, claim = nextval('bench_floor_number'), attempt = s.attempt + 1, worker_id = 1,
         claimed_at = clock_timestamp(), start_time = clock_timestamp()
    FROM bench_floor_rows(client, turn - 100) w
   WHERE s.task_id = w.task_id AND s.subtask_id = w.subtask_id;
  UPDATE bench_floor_task t SET sequence = t.sequence + 1, ready = t.ready - 1
    FROM bench_floor_rows(client, turn) w WHERE t.task_id = w.task_id;
  INSERT INTO bench_floor_event (who, entries)
  SELECT 'worker/1', string_agg(w.task_id || ' 1 30:' || w.subtask_id || ':1000001', E'\n')
    FROM bench_floor_rows(client, turn - 100) w GROUP BY w.subtask_id % 100 / 32;
$$;
CREATE OR REPLACE FUNCTION bench_floor_complete(client bigint, turn bigint) RETURNS void
LANGUAGE sql AS $$
  UPDATE bench_floor_subtask s SET state = 6, finish_time = clock_timestamp()
    FROM bench_floor_rows(client, turn - 100) w
   WHERE s.task_id = w.task_id AND s.subtask_id = w.subtask_id;
  INSERT INTO bench_floor_subtask (task_id, subtask_id, node, type_id, state, waiting, ready_at)
  SELECT w.task_id, w.subtask_id, 0, 1, 2, 0, clock_timestamp()
    FROM bench_floor_rows(client, turn) w;
  UPDATE bench_floor_task t SET sequence = t.sequence + 2, unfinished = t.unfinished - 1
    FROM bench_floor_rows(client, turn) w WHERE t.task_id = w.task_id;
  INSERT INTO bench_floor_event (who, entries)
  SELECT 'worker/1', string_agg(w.task_id || ' 2 40:' || w.subtask_id - 10000 || ':1000001 20:'
                                || w.subtask_id || ':0', E'\n')
    FROM bench_floor_rows(client, turn) w GROUP BY w.subtask_id % 100 / 32;
$$;
