-- A worker that drained says so, so that nobody waits for its verdict. $1 worker id
UPDATE worker SET left_at = now() WHERE worker_id = $1::bigint AND died_at IS NULL;
