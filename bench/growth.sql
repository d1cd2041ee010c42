-- Finished tasks :from to :until - 1, in every table that one occupies. Their subtask ids are twelve
-- each from 12 * task id on. Tasks from :with_events on have their events too; older ones' events
-- are what retention has removed. Their xids are old ones: the relay looks at new ones only.
BEGIN;
INSERT INTO request (generation, partition, "offset", request_id, outcome, user_name, client, trace_id,
                     cluster_id, body, accepted_at)
SELECT 0, 0, i, md5(i::text), 1, 'bench', '127.0.0.1', left(md5(i::text), 16), NULL,
       '{"template":"noop-chain","count":1}', now() - interval '1 day'
  FROM generate_series(:from, :until - 1) i;
INSERT INTO task (task_id, first_subtask_id, sequence, finish_time, template_id, active, ready, failed,
                  unfinished, state, operation)
SELECT i, 12 * i, 49, now() - interval '1 day', p.template_id, 0, 0, 0, 0, 3, 1
  FROM generate_series(:from, :until - 1) i, template p WHERE p.name = 'noop-chain';
INSERT INTO task_info (task_id, request_id, name, task_type, creator, executor, trace_id, context,
                       start_time)
SELECT i, md5(i::text), p.task_name, p.task_type, 'bench', '127.0.0.1:8080',
       left(md5(i::text), 16), '{"stringMap":{},"listMap":{},"parallel":false,"parallelIdx":-1}',
       now() - interval '1 day'
  FROM generate_series(:from, :until - 1) i, template p WHERE p.name = 'noop-chain';
INSERT INTO subtask (task_id, subtask_id, claim, worker_id, ready_at, claimed_at, start_time,
                     finish_time, attempt, node, type_id, state, waiting)
SELECT i, 12 * i + n.node, nextval('claim_number'), 1, now() - interval '1 day',
       now() - interval '1 day', now() - interval '1 day', now() - interval '1 day', 1, n.node,
       n.type_id, 6, 0
  FROM generate_series(:from, :until - 1) i,
       template_node n JOIN template p USING (template_id) WHERE p.name = 'noop-chain';
INSERT INTO event_batch (xid, at, who, entries)
SELECT (3 + i / 32 % 500)::text::xid8, now() - interval '1 day', 'worker/1',
       string_agg(i || ' ' || CASE WHEN k = 0 THEN 1 ELSE 12 + k / 2 * 3 + k % 2 * 2 END
                  || ' 40:' || 12 * i || ':1000001 20:' || 12 * i + 1 || ':0', E'\n')
  FROM generate_series(greatest(:from, :with_events), :until - 1) i, generate_series(0, 24) k
 GROUP BY i / 32, k;
COMMIT;
