-- FAILED -> READY (70) of one subtask or of all ($2 NULL), PENDING ones that wait for nothing are
-- released (22) when none is FAILED any more, the task goes on (140). Only while it is FAILED.
-- $1 task id  $2 subtask id  $3 who. Rows: subtasks that are READY now.
WITH t AS (
  SELECT task_id, failed FROM task WHERE task_id = $1::bigint AND state = 2
), again AS (
  UPDATE subtask s
     SET state = 2, operation = 2, run_time = s.run_time + 1, ready_at = clock_timestamp(),
         finish_time = NULL, not_before = NULL, tries = 0, deaths = 0
    FROM t
   WHERE s.task_id = t.task_id AND s.state = 5
     AND ($2::bigint IS NULL OR s.subtask_id = $2::bigint)
  RETURNING s.task_id, s.subtask_id, s.type_id
), released AS (
  UPDATE subtask s SET state = 2, ready_at = clock_timestamp()
    FROM t
   WHERE s.task_id = t.task_id AND s.state = 1 AND s.waiting = 0
     AND t.failed = (SELECT count(*) FROM again)
  RETURNING s.task_id, s.subtask_id, s.type_id
), ready AS (
  SELECT 70 AS rule, * FROM again UNION ALL SELECT 22, * FROM released
), bumped AS (
  UPDATE task k
     SET state = 1, operation = 2, finish_time = NULL,
         active = k.active + r.n, ready = k.ready + r.n,
         failed = k.failed - r.again, sequence = k.sequence + r.n + 1
    FROM (SELECT count(*)::integer AS n, count(*) FILTER (WHERE rule = 70)::integer AS again,
                 string_agg(rule || ':' || subtask_id || ':0', ' ' ORDER BY rule DESC, subtask_id)
                   AS moves
            FROM ready) r
   WHERE k.task_id = (SELECT task_id FROM t) AND r.again > 0
  RETURNING k.task_id, k.sequence, r.n, r.moves
), recorded AS (
  INSERT INTO event_batch (who, entries)
  SELECT $3::text, task_id || ' ' || sequence - n || ' ' || moves || ' 140:0:0' FROM bumped
)
SELECT r.subtask_id, y.name AS type FROM ready r JOIN subtask_type y USING (type_id);
