-- One migration at a time; the lock goes with the session.
SELECT pg_advisory_lock(x'6f62706970650002'::bigint);
