-- Reserves a host for a task, unless another has it.
-- $1 task id  $2 subtask id  $3 claim  $4 host id  $5 service
INSERT INTO host_reservation (host_id, service, task_id)
SELECT $4::bigint, $5::text, $1::bigint
 WHERE attempt_holds($1::bigint, $2::bigint, $3::bigint)
ON CONFLICT DO NOTHING;
