-- Ends the maintainer session of a leader whose heartbeat stands still (a stopped process keeps its
-- connection and with it the lock). $1 worker id
SELECT pg_terminate_backend(backend_pid) AS ended
  FROM worker w
 WHERE worker_id = $1::bigint AND backend_pid IS NOT NULL
   AND EXISTS (SELECT 1 FROM pg_stat_activity a
                WHERE a.pid = w.backend_pid AND a.application_name = 'obpipe-maintainer');
