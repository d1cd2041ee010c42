-- The OBProxy serves. $1 task id  $2 subtask id  $3 claim  $4 obproxy id
WITH changed AS (
  UPDATE obproxy SET status = 'RUNNING', last_active_time = now()
   WHERE obproxy_id = $4::bigint AND task_id = $1::bigint AND status IN ('CREATING', 'RUNNING')
     AND EXISTS (SELECT 1 FROM subtask s
                  WHERE s.task_id = $1::bigint AND s.subtask_id = $2::bigint
                    AND s.claim = $3::bigint AND s.state = 6)
  RETURNING 1
)
UPDATE inventory_version SET version = version + 1 WHERE EXISTS (SELECT 1 FROM changed);
