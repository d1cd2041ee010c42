-- Nothing of this worker is RUNNING any more. $1 worker id
UPDATE worker SET swept = true WHERE worker_id = $1::bigint;
