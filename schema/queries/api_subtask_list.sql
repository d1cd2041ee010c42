-- All subtasks of tasks: those without a row are PENDING (migration 0005). $1 task ids
SELECT t.task_id, t.first_subtask_id + n.node AS subtask_id, n.node,
       coalesce(s.state, 1::smallint) AS state, coalesce(s.operation, 1::smallint) AS operation,
       coalesce(s.run_time, 1) AS run_time, s.start_time, s.finish_time, w.name AS executor
  FROM task t JOIN template_node n USING (template_id)
  LEFT JOIN subtask s ON s.task_id = t.task_id AND s.subtask_id = t.first_subtask_id + n.node
  LEFT JOIN worker w ON w.worker_id = s.worker_id
 WHERE t.task_id = ANY($1::bigint[]) ORDER BY t.task_id, n.node;
