-- $1 owner  $2 name
SELECT value, state FROM secret WHERE owner = $1::text AND name = $2::text;
