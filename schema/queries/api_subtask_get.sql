-- One subtask, whether it has a row or not. $1 task id  $2 subtask id
SELECT n.node, coalesce(s.state, 1::smallint) AS state, coalesce(s.operation, 1::smallint) AS operation,
       coalesce(s.run_time, 1) AS run_time, s.start_time, s.finish_time, w.name AS executor,
       t.template_id, t.first_subtask_id, coalesce(s.claim, 0::bigint) AS claim, s.claimed_at
  FROM task t JOIN template_node n USING (template_id)
  LEFT JOIN subtask s ON s.task_id = t.task_id AND s.subtask_id = t.first_subtask_id + n.node
  LEFT JOIN worker w ON w.worker_id = s.worker_id
 WHERE t.task_id = $1::bigint AND t.first_subtask_id + n.node = $2::bigint;
