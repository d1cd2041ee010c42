-- Keeps the verdict on this worker waiting until the transaction ends: a claim is either seen by
-- the sweep that follows the verdict, or it does not happen. For subtask_complete with handoff; the
-- others do it themselves. Who holds the row for update (worker_hold) waits for nothing else.
-- $1 worker id
SELECT worker_id FROM worker WHERE worker_id = $1::bigint AND died_at IS NULL FOR KEY SHARE;
