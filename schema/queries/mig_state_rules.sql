-- $1 rules  $2 objects  $3 from  $4 to  $5 operations  $6 by  $7 reasons. Returns what was new or
-- different.
INSERT INTO state_rule AS r (rule, object, from_state, to_state, operation, by, reason)
SELECT * FROM unnest($1::smallint[], $2::text[], $3::smallint[], $4::smallint[], $5::smallint[],
                     $6::text[], $7::text[])
ON CONFLICT (rule) DO UPDATE
   SET object = excluded.object, from_state = excluded.from_state, to_state = excluded.to_state,
       operation = excluded.operation, by = excluded.by, reason = excluded.reason
 WHERE (r.*) IS DISTINCT FROM (excluded.*)
RETURNING rule::text, xmax = 0 AS added;
