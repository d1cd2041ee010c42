-- $1 task id
SELECT t.task_id, t.first_subtask_id, t.template_id, t.state, t.operation, t.finish_time, i.name,
       i.task_type, i.creator, i.executor, coalesce(i.host_id, 0) AS host_id, i.start_time,
       i.create_time
  FROM task t JOIN task_info i USING (task_id) WHERE t.task_id = $1::bigint;
