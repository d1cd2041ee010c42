-- As relay_read, for more events than a relay keeps in memory: an entry a row, in order of each
-- task's numbers, so that they can be sent as they come. Same parameters.
SELECT clock_timestamp() AS at, pg_current_snapshot()::text AS who, NULL::text AS entries
UNION ALL
(SELECT e.at, e.who, e.entry
   FROM (SELECT b.at, b.who, entry, split_part(entry, ' ', 1)::bigint AS task_id,
                split_part(entry, ' ', 2)::bigint AS first
           FROM (SELECT * FROM event_batch WHERE xid >= $1::text::xid8
                 UNION ALL
                 SELECT * FROM event_batch WHERE xid = ANY($2::text[]::xid8[])) b,
                string_to_table(b.entries, E'\n') AS entry) e
  WHERE $3::bigint > 0
  ORDER BY e.task_id, e.first);
