-- Declares a worker dead if its counter has not moved. $1 worker id  $2 counter seen
UPDATE worker SET died_at = now()
 WHERE worker_id = $1::bigint AND counter = $2::bigint AND died_at IS NULL
RETURNING worker_id;
