-- $1 name
DELETE FROM app_user WHERE name = $1::text RETURNING name;
