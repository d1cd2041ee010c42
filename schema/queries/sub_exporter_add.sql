-- Registers an exporter of an OBProxy.
-- $1 task id  $2 subtask id  $3 claim  $4 obproxy id  $5 host id  $6 URL
INSERT INTO exporter_address (obproxy_id, host_id, url, status)
SELECT $4::bigint, $5::bigint, $6::text, 'ONLINE'
 WHERE EXISTS (SELECT 1 FROM subtask s
                WHERE s.task_id = $1::bigint AND s.subtask_id = $2::bigint
                  AND s.claim = $3::bigint AND s.state = 6)
ON CONFLICT (url) DO UPDATE
   SET obproxy_id = excluded.obproxy_id, host_id = excluded.host_id, status = 'ONLINE',
       update_time = now();
