-- $1 name without prefix  $2 partitions
INSERT INTO topic (name, partitions) VALUES ($1::text, $2::integer)
ON CONFLICT (name) DO UPDATE SET partitions = excluded.partitions;
