-- The passwords of an owner are set, once the subtask has succeeded under this claim.
-- $1 task id  $2 subtask id  $3 claim  $4 owner  $5 name
UPDATE secret SET state = 'CURRENT', at = clock_timestamp()
 WHERE owner = $4::text AND name = $5::text AND state = 'PENDING'
   AND EXISTS (SELECT 1 FROM subtask s
                WHERE s.task_id = $1::bigint AND s.subtask_id = $2::bigint
                  AND s.claim = $3::bigint AND s.state = 6);
