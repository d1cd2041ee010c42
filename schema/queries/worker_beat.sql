-- The heartbeat. No row: declared dead. $1 worker id
UPDATE worker SET counter = counter + 1 WHERE worker_id = $1::bigint AND died_at IS NULL
RETURNING counter;
