-- $1 credentials of an inventory file. Returns a row for each that was added or changed.
INSERT INTO credential AS c (credential_id, name, user_name, key_file)
SELECT x.id, x.name, x."userName", x."keyFile"
  FROM jsonb_to_recordset($1::text::jsonb)
         AS x(id bigint, name text, "userName" text, "keyFile" text)
ON CONFLICT (credential_id) DO UPDATE
   SET name = excluded.name, user_name = excluded.user_name, key_file = excluded.key_file
 WHERE (c.*) IS DISTINCT FROM (excluded.*)
RETURNING xmax = 0 AS added;
