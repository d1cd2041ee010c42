-- subtask_complete for a batch of attempts that succeeded (rule 40), each of a task of its own, each
-- with no downstream or one that waits for nothing else and has no row yet: without sums by task, a
-- statement for the locks (task_lock), and looks at what downstreams wait for.
-- A row of a downstream that is there already fails the whole batch with 23505; the caller then
-- uses subtask_complete. Of locks see subtask_claim_apart.
-- $1 task ids  $2 subtask ids  $3 claims  $4 $5 $6 id (0: none), node and type of the downstream
-- $7 1 = claimed at once when it becomes READY (handoff, rule 30)
-- $8 the worker that claims it; its row is locked before (worker_share)  $9 who
-- Rows: as of subtask_complete.
WITH locked AS (
  SELECT t.task_id, r.subtask_id, r.claim, r.down, r.node, r.down_type,
         CASE WHEN r.down = 0 THEN 0
              WHEN t.failed > 0 THEN 1
              WHEN r.take = 1 AND EXISTS (SELECT 1 FROM worker k WHERE k.worker_id = $8::bigint
                                             AND k.died_at IS NULL) THEN 3
              ELSE 2 END AS down_state
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[],
                $6::smallint[], $7::smallint[])
         AS r(task_id, subtask_id, claim, down, node, down_type, take)
    JOIN task t USING (task_id)
   ORDER BY t.task_id FOR NO KEY UPDATE OF t
), done AS (
  UPDATE subtask s SET state = 6, finish_time = clock_timestamp()
    FROM locked l
   WHERE s.task_id = l.task_id AND s.subtask_id = l.subtask_id AND s.claim = l.claim
     AND s.state = 3
  RETURNING s.task_id, s.subtask_id, s.type_id, s.claim, l.down, l.node, l.down_type, l.down_state,
            CASE l.down_state WHEN 3 THEN nextval('claim_number') ELSE 0 END AS down_claim
), made AS (
  INSERT INTO subtask (task_id, subtask_id, node, type_id, waiting, state, ready_at, claim, attempt,
                       worker_id, claimed_at, start_time)
  SELECT task_id, down, node, down_type, 0, down_state,
         CASE WHEN down_state > 1 THEN clock_timestamp() END, down_claim,
         (down_state = 3)::integer, CASE down_state WHEN 3 THEN $8::bigint ELSE 0 END,
         CASE down_state WHEN 3 THEN clock_timestamp() END,
         CASE down_state WHEN 3 THEN clock_timestamp() END
    FROM done WHERE down > 0
), bumped AS (
  UPDATE task t
     SET active = t.active - (d.down_state < 2)::integer,
         ready = t.ready + (d.down_state = 2)::integer,
         unfinished = t.unfinished - 1,
         state = CASE WHEN t.unfinished = 1 THEN 3
                      WHEN t.failed > 0 AND t.active = 1 THEN 2 ELSE t.state END,
         finish_time = CASE WHEN t.unfinished = 1 OR (t.failed > 0 AND t.active = 1)
                            THEN clock_timestamp() END,
         sequence = t.sequence + greatest(d.down_state, 1)
                    + (t.unfinished = 1 OR (t.failed > 0 AND t.active = 1))::integer
    FROM done d WHERE t.task_id = d.task_id
  RETURNING t.task_id || ' '
            || t.sequence + 1 - greatest(d.down_state, 1) - (t.state > 1)::integer
            || ' 40:' || d.subtask_id || ':' || d.claim
            || CASE WHEN d.down_state > 1 THEN ' 20:' || d.down || ':0' ELSE '' END
            || CASE d.down_state WHEN 3 THEN ' 30:' || d.down || ':' || d.down_claim ELSE '' END
            || CASE t.state WHEN 2 THEN ' 120:0:0' WHEN 3 THEN ' 130:0:0' ELSE '' END AS entry
), recorded AS (
  INSERT INTO event_batch (who, entries)
  SELECT $9::text, string_agg(entry, E'\n')
    FROM (SELECT entry, row_number() OVER () AS place FROM bumped) e GROUP BY place / 32
)
SELECT 0 AS kind, task_id, subtask_id, type_id, claim, 0::smallint AS node, 0 AS attempt,
       0 AS run_time, 0::smallint AS tries FROM done
UNION ALL
SELECT down_state - 1, task_id, down, down_type, down_claim, node, (down_state = 3)::integer, 1,
       0::smallint
  FROM done WHERE down_state > 1;
