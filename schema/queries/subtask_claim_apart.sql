-- subtask_claim for a batch whose subtasks are all of different tasks, as most are: nothing is summed
-- by task, and what a run needs of the task row comes from its update.
-- $1 task ids, ascending  $2 subtask ids (same length)  $3 worker id  $4 who
WITH alive AS (
  SELECT 1 FROM worker k WHERE k.worker_id = $3::bigint AND k.died_at IS NULL FOR KEY SHARE
), moved AS (
  UPDATE subtask s
     SET state = 3, claim = nextval('claim_number'), attempt = s.attempt + 1,
         worker_id = $3::bigint, claimed_at = clock_timestamp(), not_before = NULL,
         start_time = coalesce(s.start_time, clock_timestamp())
    FROM unnest($1::bigint[], $2::bigint[]) AS w(task_id, subtask_id)
   WHERE s.task_id = w.task_id AND s.subtask_id = w.subtask_id AND s.state = 2 AND NOT s.held
     AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
     AND EXISTS (SELECT 1 FROM alive)
  RETURNING s.task_id, s.subtask_id, s.claim, s.attempt, s.run_time, s.tries, s.node, s.type_id,
            s.operation
), bumped AS (
  -- All subtasks are moved before the first task row is waited for, as subtask_claim does it.
  UPDATE task t SET sequence = t.sequence + 1, ready = t.ready - 1
    FROM (SELECT * FROM moved ORDER BY task_id) m WHERE t.task_id = m.task_id
  RETURNING m.*, t.template_id, t.first_subtask_id,
            t.task_id || ' ' || t.sequence || ' 30:' || m.subtask_id || ':' || m.claim AS entry
), recorded AS (
  INSERT INTO event_batch (who, entries)
  SELECT $4::text, string_agg(entry, E'\n')
    FROM (SELECT entry, row_number() OVER () AS place FROM bumped) e GROUP BY place / 32
)
SELECT b.task_id, b.subtask_id, b.claim, b.attempt, b.run_time, b.tries, b.node, b.type_id,
       b.operation, b.template_id, b.first_subtask_id, i.context,
       coalesce(i.host_id, 0) AS host_id, coalesce(i.cluster_id, 0) AS cluster_id,
       coalesce(i.obproxy_server_id, 0) AS obproxy_server_id, i.trace_id, i.traceparent
  FROM bumped b JOIN task_info i USING (task_id);
