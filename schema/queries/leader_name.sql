-- The elected one says which worker it is and which session holds the lock. $1 worker id
WITH gone AS (
  UPDATE worker SET backend_pid = NULL
   WHERE backend_pid IS NOT NULL AND worker_id <> $1::bigint
)
UPDATE worker SET backend_pid = pg_backend_pid() WHERE worker_id = $1::bigint;
