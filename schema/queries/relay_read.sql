-- Event rows that this snapshot sees and the previous one did not, in order of each task's numbers.
-- The first row (task_id 0) carries this snapshot in `who`.
-- $1 xmax of the previous snapshot  $2 transactions that were running in it
SELECT 0::bigint AS task_id, 0::bigint AS first, 0::bigint AS sequence, clock_timestamp() AS at,
       pg_current_snapshot()::text AS who, ''::text AS moves,
       NULL::text AS template, 0 AS version, NULL::text AS traceparent
UNION ALL
SELECT e.task_id, e.first, e.sequence, e.at, e.who, e.moves,
       CASE WHEN e.first = 1 THEN
         (SELECT p.name FROM task t JOIN template p USING (template_id)
           WHERE t.task_id = e.task_id) END,
       CASE WHEN e.first = 1 THEN
         (SELECT p.version FROM task t JOIN template p USING (template_id)
           WHERE t.task_id = e.task_id) ELSE 0 END,
       CASE WHEN e.first = 1 THEN
         (SELECT i.traceparent FROM task_info i WHERE i.task_id = e.task_id) END
  FROM (SELECT * FROM event WHERE xid >= $1::text::xid8
        UNION ALL
        SELECT * FROM event WHERE xid = ANY($2::text[]::xid8[])) e
 ORDER BY task_id, sequence;
