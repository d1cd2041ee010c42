-- Waits for claims under way of this worker and keeps new ones out until the transaction ends
-- (see worker_share). A verdict belongs into that same transaction: only then does a claim that waited
-- look at the row again. $1 worker id
SELECT counter FROM worker WHERE worker_id = $1::bigint AND died_at IS NULL FOR UPDATE;
