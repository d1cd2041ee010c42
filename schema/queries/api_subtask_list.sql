-- $1 task ids
SELECT s.task_id, s.subtask_id, s.node, s.state, s.operation, s.run_time, s.start_time,
       s.finish_time, w.name AS executor
  FROM subtask s LEFT JOIN worker w ON w.worker_id = s.worker_id
 WHERE s.task_id = ANY($1::bigint[]) ORDER BY s.task_id, s.node;
