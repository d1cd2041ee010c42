-- READY -> RUNNING for a batch (rule 30), with everything the runs need. No join of two CTEs: see
-- subtask_complete.
-- Locks the worker's row, then the subtasks, then their tasks, each in order of ids; nobody else moves
-- what is READY, so what it needs of the task row it sees under the lock of its update.
-- $1 task ids, ascending  $2 subtask ids, ascending within  $3 worker id  $4 who
WITH alive AS (
  -- Keeps the verdict on this worker waiting until the transaction ends: a claim is either seen by
  -- the sweep that follows the verdict, or it does not happen.
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
), per_task AS (
  SELECT task_id, count(*)::integer AS n,
         string_agg('30:' || subtask_id || ':' || claim, ' ') AS moves
    FROM (SELECT * FROM moved ORDER BY task_id, subtask_id) m GROUP BY task_id
), bumped AS (
  UPDATE task t SET sequence = t.sequence + p.n, ready = t.ready - p.n
    FROM per_task p WHERE t.task_id = p.task_id
  RETURNING t.task_id || ' ' || t.sequence - p.n + 1 || ' ' || p.moves AS entry
), recorded AS (
  INSERT INTO event_batch (who, entries)
  SELECT $4::text, string_agg(entry, E'\n')
    FROM (SELECT entry, row_number() OVER () AS place FROM bumped) e GROUP BY place / 32
)
SELECT m.task_id, m.subtask_id, m.claim, m.attempt, m.run_time, m.tries, m.node, m.type_id,
       m.operation, t.template_id, t.first_subtask_id, i.context,
       coalesce(i.host_id, 0) AS host_id, coalesce(i.cluster_id, 0) AS cluster_id,
       coalesce(i.obproxy_server_id, 0) AS obproxy_server_id, i.trace_id, i.traceparent
  FROM moved m JOIN task t USING (task_id) JOIN task_info i USING (task_id);
