-- The OBProxy has its cluster's parameters of that version.
-- $1 task id  $2 subtask id  $3 claim  $4 obproxy id  $5 parameter version
WITH changed AS (
  UPDATE obproxy SET parameter_version = $5::bigint
   WHERE obproxy_id = $4::bigint AND task_id = $1::bigint
     AND EXISTS (SELECT 1 FROM subtask s
                  WHERE s.task_id = $1::bigint AND s.subtask_id = $2::bigint
                    AND s.claim = $3::bigint AND s.state = 6)
  RETURNING 1
)
UPDATE inventory_version SET version = version + 1 WHERE EXISTS (SELECT 1 FROM changed);
