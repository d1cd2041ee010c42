-- Event rows that this snapshot sees and the previous one did not, in order of each task's numbers.
-- The first row (task_id 0) carries this snapshot in `who`.
-- $1 xmax of the previous snapshot  $2 transactions that were running in it
SELECT 0::bigint AS task_id, 0::bigint AS first, 0::bigint AS sequence, clock_timestamp() AS at,
       pg_current_snapshot()::text AS who, ''::text AS moves,
       NULL::text AS template, 0 AS version, NULL::text AS traceparent
UNION ALL
SELECT e.task_id, e.first, e.sequence, e.at, e.who, e.moves, p.name, coalesce(p.version, 0),
       i.traceparent
  FROM (SELECT * FROM event WHERE xid >= $1::text::xid8
        UNION ALL
        SELECT * FROM event WHERE xid = ANY($2::text[]::xid8[])) e
  LEFT JOIN task t ON e.first = 1 AND t.task_id = e.task_id
  LEFT JOIN template p ON p.template_id = t.template_id
  LEFT JOIN task_info i ON e.first = 1 AND i.task_id = e.task_id
 ORDER BY task_id, sequence;
