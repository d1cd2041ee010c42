-- subtask_claim for a batch whose subtasks are all of different tasks, as most are: without sums by
-- task, a statement for the locks (task_lock), and another look at each task row.
-- A task row is locked before its subtask is touched. What a row became while this waited for it, it
-- sees (PostgreSQL, "Read Committed Isolation Level"), except that what was no row to be moved
-- before stays none: what becomes READY meanwhile has its own hint behind it.
-- $1 task ids  $2 subtask ids (same length)  $3 worker id  $4 who
WITH locked AS (
  SELECT t.task_id, w.subtask_id, t.template_id, t.first_subtask_id
    FROM unnest($1::bigint[], $2::bigint[]) AS w(task_id, subtask_id) JOIN task t USING (task_id)
   ORDER BY t.task_id FOR NO KEY UPDATE OF t
), moved AS (
  UPDATE subtask s
     SET state = 3, claim = nextval('claim_number'), attempt = s.attempt + 1,
         worker_id = $3::bigint, claimed_at = clock_timestamp(), not_before = NULL,
         start_time = coalesce(s.start_time, clock_timestamp())
    FROM locked l
   WHERE s.task_id = l.task_id AND s.subtask_id = l.subtask_id AND s.state = 2 AND NOT s.held
     AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
     AND EXISTS (SELECT 1 FROM worker k WHERE k.worker_id = $3::bigint AND k.died_at IS NULL)
  RETURNING s.task_id, s.subtask_id, s.claim, s.attempt, s.run_time, s.tries, s.node, s.type_id,
            s.operation, l.template_id, l.first_subtask_id
), bumped AS (
  UPDATE task t SET sequence = t.sequence + 1, ready = t.ready - 1
    FROM moved m WHERE t.task_id = m.task_id
  RETURNING t.task_id || ' ' || t.sequence || ' 30:' || m.subtask_id || ':' || m.claim AS entry
), recorded AS (
  INSERT INTO event_batch (who, entries)
  SELECT $4::text, string_agg(entry, E'\n')
    FROM (SELECT entry, row_number() OVER () AS place FROM bumped) e GROUP BY place / 32
)
SELECT m.task_id, m.subtask_id, m.claim, m.attempt, m.run_time, m.tries, m.node, m.type_id,
       m.operation, m.template_id, m.first_subtask_id, i.context,
       coalesce(i.host_id, 0) AS host_id, coalesce(i.cluster_id, 0) AS cluster_id,
       coalesce(i.obproxy_server_id, 0) AS obproxy_server_id, i.trace_id, i.traceparent
  FROM moved m JOIN task_info i USING (task_id);
