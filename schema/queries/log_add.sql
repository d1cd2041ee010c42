-- $1 task id  $2 subtask id  $3 claim  $4 chunk  $5 text
INSERT INTO subtask_log (task_id, subtask_id, claim, chunk, body)
VALUES ($1::bigint, $2::bigint, $3::bigint, $4::integer, $5::text) ON CONFLICT DO NOTHING;
