-- READY subtasks whose hint did not come: looks at $3 running tasks from id $2 on (no index on the
-- subtasks' state: it would cost every move a non-HOT update). The last row, kind 1, tells how far
-- it came: task_id = last task looked at, subtask_id = tasks looked at.
-- $1 type ids  $2 first task id  $3 tasks to look at  $4 rows at most  $5 ms it must have waited
WITH looked AS MATERIALIZED (
  SELECT task_id, ready FROM task WHERE state = 1 AND task_id >= $2::bigint
   ORDER BY task_id LIMIT $3::integer
), found AS (
  SELECT s.task_id, s.subtask_id, s.type_id
    FROM looked l JOIN subtask s USING (task_id)
   WHERE l.ready > 0 AND s.state = 2 AND s.type_id = ANY($1::smallint[]) AND NOT s.held
     AND s.ready_at <= clock_timestamp() - $5::integer * interval '1 millisecond'
     AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
   LIMIT $4::integer
)
SELECT 0 AS kind, task_id, subtask_id, type_id FROM found
UNION ALL
SELECT 1, coalesce(max(task_id), 0), count(*)::bigint, 0::smallint FROM looked;
