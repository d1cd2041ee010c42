-- $1 numbers  $2 names
INSERT INTO subtask_state (id, name) SELECT * FROM unnest($1::smallint[], $2::text[])
ON CONFLICT (id) DO UPDATE SET name = excluded.name;
