-- Draws a worker's number. $1 name  $2 roles  $3 types
INSERT INTO worker (worker_id, name, roles, types)
VALUES (nextval('worker_number'), $1::text, $2::text, $3::text) RETURNING worker_id;
