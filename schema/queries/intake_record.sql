-- Records a batch of request messages: the request rows, and of those that are new their tasks,
-- roots (rule 12; the rest is PENDING by the template), creation events. A task id that exists already fails the
-- whole batch with 23505; the caller then finds the one request by halving.
-- Messages: $1 partitions $2 offsets $3 request ids $4 outcomes (1 use it, 3 dead letter) $5 users
-- $6 clients $7 trace ids $8 traceparents $9 cluster ids $10 bodies $11 accepted at
-- Tasks: $12 task ids $13 first subtask ids $14 template ids $15 host ids $16 obproxy server ids
-- $17 contexts $18 place of its message in the arrays above $19 executors (by message)
-- $20 who  $21 generation of the topic  $22 entry of the creation in event_batch (by task)
-- Rows: kind 0 = a task recorded; kind 1 = task_id requests recorded, tasks how many tasks. What of a
-- task became READY the caller knows from its template: subtasks are inserted without RETURNING.
WITH fresh AS (
  INSERT INTO request (generation, partition, "offset", request_id, outcome, user_name, client,
                       trace_id, traceparent, cluster_id, body, accepted_at)
  SELECT $21::integer, partition, at_offset, request_id, 1, user_name, client, trace_id,
         traceparent, nullif(cluster_id, 0), body, to_timestamp(accepted_us / 1e6)
    FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::smallint[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::bigint[], $10::text[], $11::bigint[])
         AS m(partition, at_offset, request_id, outcome, user_name, client, trace_id, traceparent,
              cluster_id, body, accepted_us)
   WHERE outcome = 1
  ON CONFLICT DO NOTHING
  RETURNING request_id
), rest AS (
  INSERT INTO request (generation, partition, "offset", outcome)
  SELECT $21::integer, partition, at_offset, CASE WHEN outcome = 1 THEN 2 ELSE outcome END
    FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::smallint[])
         AS m(partition, at_offset, request_id, outcome)
   WHERE outcome <> 1 OR request_id NOT IN (SELECT request_id FROM fresh)
  ON CONFLICT DO NOTHING
), work AS (
  SELECT w.*, ($3::text[])[w.place] AS request_id
    FROM unnest($12::bigint[], $13::bigint[], $14::integer[], $15::bigint[], $16::bigint[],
                $17::text[], $18::integer[], $22::text[])
         AS w(task_id, first_subtask_id, template_id, host_id, obproxy_server_id, context, place,
              entry)
   -- "IS TRUE" keeps it a hashed lookup instead of a join.
   WHERE (($3::text[])[w.place] IN (SELECT request_id FROM fresh)) IS TRUE
), new_task AS (
  INSERT INTO task (task_id, first_subtask_id, sequence, template_id, active, ready, failed,
                    unfinished, state, operation)
  SELECT w.task_id, w.first_subtask_id, p.node_count + 1, w.template_id, p.roots, p.roots, 0,
         p.node_count, 1, 1
    FROM work w JOIN template p USING (template_id)
  RETURNING task_id, first_subtask_id, template_id
), info AS (
  INSERT INTO task_info (task_id, request_id, host_id, cluster_id, obproxy_server_id, name,
                         task_type, creator, executor, trace_id, traceparent, context, start_time)
  SELECT w.task_id, w.request_id, nullif(w.host_id, 0), nullif(($9::bigint[])[w.place], 0),
         nullif(w.obproxy_server_id, 0), p.task_name, p.task_type, ($5::text[])[w.place],
         ($19::text[])[w.place], ($7::text[])[w.place], ($8::text[])[w.place], w.context,
         to_timestamp(($11::bigint[])[w.place] / 1e6)
    FROM work w JOIN template p USING (template_id)
), made AS (
  INSERT INTO subtask (task_id, subtask_id, node, type_id, waiting, state, ready_at)
  SELECT t.task_id, t.first_subtask_id + n.node, n.node, n.type_id, 0, 2, clock_timestamp()
    FROM new_task t JOIN template_node n USING (template_id) WHERE n.waiting = 0
), recorded AS (
  INSERT INTO event_batch (who, entries)
  SELECT $20::text, string_agg(entry, E'\n')
    FROM (SELECT entry, row_number() OVER () AS place FROM work) e GROUP BY place / 32
)
SELECT 0 AS kind, task_id, 0::bigint AS tasks FROM new_task
UNION ALL
SELECT 1, (SELECT count(*) FROM fresh), (SELECT count(*) FROM new_task);
