-- Elects the maintainer: the lock lives as long as this session. $1 key
SELECT pg_try_advisory_lock($1::bigint) AS elected;
