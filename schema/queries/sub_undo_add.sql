-- Stores what a step found, unless an earlier attempt did.
-- $1 task id  $2 subtask id  $3 claim  $4 found (JSON)
INSERT INTO undo_record (task_id, subtask_id, claim, found)
SELECT $1::bigint, $2::bigint, $3::bigint, $4::text
 WHERE attempt_holds($1::bigint, $2::bigint, $3::bigint)
ON CONFLICT DO NOTHING;
