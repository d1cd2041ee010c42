-- What a worker is running, by the rows. $1 worker id  $2 task id to start behind  $3 rows at most
SELECT s.task_id, s.subtask_id, s.claim, s.state, s.deaths, s.type_id
  FROM task t JOIN subtask s USING (task_id)
 WHERE t.state = 1 AND t.task_id > $2::bigint AND s.worker_id = $1::bigint AND s.state IN (3, 4)
 ORDER BY s.task_id LIMIT $3::integer;
