-- The newest part of a subtask's log, oldest first. $1 task id  $2 subtask id
SELECT claim, at, body
  FROM (SELECT claim, chunk, at, body FROM subtask_log
         WHERE task_id = $1::bigint AND subtask_id = $2::bigint
         ORDER BY claim DESC, chunk DESC LIMIT 1000) newest
 ORDER BY claim, chunk;
