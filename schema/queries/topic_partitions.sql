-- $1 topic name
SELECT partitions FROM topic WHERE name = $1::text;
