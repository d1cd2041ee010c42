-- Releases the OBProxy and the host of a task whose last subtask succeeded under this claim.
-- $1 task id  $2 subtask id  $3 claim
WITH done AS (
  SELECT 1 FROM subtask s
   WHERE s.task_id = $1::bigint AND s.subtask_id = $2::bigint AND s.claim = $3::bigint
     AND s.state = 6
), free_host AS (
  DELETE FROM host_reservation WHERE task_id = $1::bigint AND EXISTS (SELECT 1 FROM done)
), released AS (
  UPDATE obproxy SET operate_status = 'NORMAL', task_id = NULL
   WHERE task_id = $1::bigint AND EXISTS (SELECT 1 FROM done)
  RETURNING 1
)
UPDATE inventory_version SET version = version + 1 WHERE EXISTS (SELECT 1 FROM released);
