-- What is left of the logs of a batch of attempts, with their completion.
-- $1 task ids  $2 subtask ids  $3 claims  $4 chunks  $5 texts
INSERT INTO subtask_log (task_id, subtask_id, claim, chunk, body)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[])
ON CONFLICT DO NOTHING;
