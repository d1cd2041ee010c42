-- READY subtasks whose hint did not come, of the running tasks from $2 to $3 - 1 (no index on the
-- subtasks' state: it would cost every move a non-HOT update). The last rows tell about the look:
-- kind 1: task_id = last task looked at, subtask_id = tasks looked at; kind 2: task_id = first task
-- looked at, subtask_id = highest task id there is; kind 3: subtask_id = us it took. See
-- workers/id_scan.h.
-- $1 type ids  $2 $3 task ids  $4 tasks to look at  $5 rows at most  $6 ms it must have waited
WITH looked AS MATERIALIZED (
  SELECT task_id, ready FROM task
   WHERE state = 1 AND task_id >= $2::bigint AND task_id < $3::bigint
   ORDER BY task_id LIMIT $4::integer
), found AS (
  SELECT l.task_id, s.subtask_id, s.type_id
    FROM looked l,
         LATERAL (SELECT subtask_id, type_id FROM subtask r
                   WHERE r.task_id = l.task_id AND r.state = 2
                     AND r.type_id = ANY($1::smallint[]) AND NOT r.held
                     AND r.ready_at <= clock_timestamp() - $6::integer * interval '1 millisecond'
                     AND (r.not_before IS NULL OR r.not_before <= clock_timestamp())
                  OFFSET 0) s -- a fence: no join that reads all subtasks
   WHERE l.ready > 0
   LIMIT $5::integer
)
SELECT 0 AS kind, task_id, subtask_id, type_id FROM found
UNION ALL
SELECT 1, coalesce(max(task_id), 0), count(*)::bigint, 0::smallint FROM looked
UNION ALL
SELECT 2, coalesce(min(task_id), 0), (SELECT coalesce(max(task_id), 0) FROM task), 0::smallint
  FROM looked
UNION ALL
SELECT 3, 0::bigint,
       (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000000)::bigint,
       0::smallint;
