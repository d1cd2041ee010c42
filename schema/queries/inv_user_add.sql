-- $1 name  $2 crypt(5) hash. Says whether the user is new.
INSERT INTO app_user (name, hash) VALUES ($1::text, $2::text)
ON CONFLICT (name) DO UPDATE SET hash = excluded.hash
RETURNING xmax = 0 AS added;
