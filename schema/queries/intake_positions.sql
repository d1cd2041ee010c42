-- The next request offset intake has not recorded, of each partition asked for; 0: none recorded.
-- Looked up one by one, newest first: the table is long. $1 partitions
SELECT p.partition, g.generation,
       coalesce((SELECT max(r."offset") + 1 FROM request r
                  WHERE r.generation = g.generation AND r.partition = p.partition), 0)::bigint
         AS next
  FROM unnest($1::integer[]) AS p(partition),
       (SELECT coalesce(max(generation), 1) AS generation FROM request) g;
