-- Event rows that this snapshot sees and the previous one did not; their entries are in no order.
-- The first row (entries NULL) carries this snapshot in `who`.
-- $1 xmax of the previous snapshot  $2 transactions that were running in it  $3 rows at most
SELECT clock_timestamp() AS at, pg_current_snapshot()::text AS who, NULL::text AS entries
UNION ALL
SELECT at, who, entries
  FROM (SELECT * FROM event_batch WHERE xid >= $1::text::xid8
        UNION ALL
        SELECT * FROM event_batch WHERE xid = ANY($2::text[]::xid8[])
        LIMIT $3::bigint) e;
