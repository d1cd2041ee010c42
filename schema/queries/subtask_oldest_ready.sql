-- Age of the oldest READY subtask of each type, of the running tasks from $1 to $2 - 1 (kind 0). The
-- last rows tell about the look as in subtask_steal: kind 1 the last task and how many, kind 2 the
-- first one and the highest task id there is, kind 3 the us it took.
-- $1 $2 task ids  $3 tasks to look at
WITH looked AS MATERIALIZED (
  SELECT task_id, ready FROM task
   WHERE state = 1 AND task_id >= $1::bigint AND task_id < $2::bigint
   ORDER BY task_id LIMIT $3::integer
), oldest AS (
  SELECT s.type_id, min(s.ready_at) AS ready_at
    FROM looked l,
         LATERAL (SELECT type_id, ready_at FROM subtask r
                   WHERE r.task_id = l.task_id AND r.state = 2 AND NOT r.held
                     AND (r.not_before IS NULL OR r.not_before <= clock_timestamp())
                  OFFSET 0) s -- a fence: no join that reads all subtasks
   WHERE l.ready > 0
   GROUP BY s.type_id
)
SELECT 0 AS kind, (extract(epoch FROM clock_timestamp() - ready_at))::bigint AS value,
       0::bigint AS more, type_id
  FROM oldest
UNION ALL
SELECT 1, coalesce(max(task_id), 0), count(*)::bigint, 0::smallint FROM looked
UNION ALL
SELECT 2, coalesce(min(task_id), 0), (SELECT coalesce(max(task_id), 0) FROM task), 0::smallint
  FROM looked
UNION ALL
SELECT 3, 0::bigint,
       (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000000)::bigint,
       0::smallint;
