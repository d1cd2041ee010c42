-- Stores a drawn password, unless there is one.
-- $1 task id  $2 subtask id  $3 claim  $4 owner  $5 name  $6 value
INSERT INTO secret (owner, name, value, state, task_id)
SELECT $4::text, $5::text, $6::text, 'PENDING', $1::bigint
 WHERE attempt_holds($1::bigint, $2::bigint, $3::bigint)
ON CONFLICT DO NOTHING;
