-- $1 numbers  $2 names. Returns what was new or had another name.
INSERT INTO task_state AS t (id, name) SELECT * FROM unnest($1::smallint[], $2::text[])
ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE t.name <> excluded.name
RETURNING name, xmax = 0 AS added;
