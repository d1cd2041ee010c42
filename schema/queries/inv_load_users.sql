-- $1 users of an inventory file. Returns a row for each that was added or changed.
INSERT INTO app_user AS u (name, hash)
SELECT x.name, x."passwordHash"
  FROM jsonb_to_recordset($1::text::jsonb) AS x(name text, "passwordHash" text)
ON CONFLICT (name) DO UPDATE SET hash = excluded.hash WHERE u.hash <> excluded.hash
RETURNING xmax = 0 AS added;
