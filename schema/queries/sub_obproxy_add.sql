-- Inserts the obproxy row of the task, see obproxy_add in 0004_hosts.sql. One row: '' or why not.
-- $1 task id  $2 subtask id  $3 claim  $4 obproxy id  $5 cluster id  $6 host id  $7 sql port
-- $8 exporter port  $9 package id  $10 version  $11 architecture
SELECT obproxy_add($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint,
                   $7::integer, $8::integer, $9::bigint, $10::text, $11::text) AS refusal;
