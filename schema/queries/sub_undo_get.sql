-- What the first attempt of a step found. $1 task id  $2 subtask id
SELECT found FROM undo_record WHERE task_id = $1::bigint AND subtask_id = $2::bigint;
