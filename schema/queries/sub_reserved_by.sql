-- Who has a host, since when, and how long the asking subtask has been trying.
-- $1 host id  $2 task id  $3 subtask id
SELECT r.task_id, r.service, r.at,
       (extract(epoch FROM clock_timestamp() - s.start_time) * 1000)::bigint AS tried_ms
  FROM host_reservation r, subtask s
 WHERE r.host_id = $1::bigint AND s.task_id = $2::bigint AND s.subtask_id = $3::bigint;
