-- $1 name  $2 version
SELECT sha256 FROM template WHERE name = $1::text AND version = $2::integer;
