-- $1 task id  $2 subtask id
SELECT s.node, s.state, s.operation, s.run_time, s.start_time, s.finish_time, w.name AS executor,
       t.template_id, t.first_subtask_id, s.claim, s.claimed_at
  FROM subtask s JOIN task t USING (task_id) LEFT JOIN worker w ON w.worker_id = s.worker_id
 WHERE s.task_id = $1::bigint AND s.subtask_id = $2::bigint;
