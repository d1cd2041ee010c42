-- The next request offset intake has not recorded, per partition.
SELECT partition, max("offset") + 1 AS next FROM request GROUP BY partition;
