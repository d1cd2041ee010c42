-- subtask_complete for a batch of attempts that succeeded (rule 40), each of a task of its own, each
-- with no downstream or one that waits for nothing else and has no row yet: nothing is summed by
-- task, no downstream is looked up, and no lock is taken ahead (task_lock): only the update of its
-- upstream makes that downstream, and it learns of a failure beside it (t.failed) under the lock of
-- the task row.
-- A row of a downstream that is there already fails the whole batch with 23505; the caller then
-- uses subtask_complete.
-- $1 task ids, ascending  $2 subtask ids  $3 claims  $4 $5 $6 id (0: none), node and type of the
-- downstream  $7 1 = claimed at once when it becomes READY (handoff, rule 30)
-- $8 the worker that claims it; 0: none  $9 who
-- Rows: as of subtask_complete.
WITH alive AS (
  SELECT 1 FROM worker k WHERE k.worker_id = $8::bigint AND k.died_at IS NULL FOR KEY SHARE
), done AS (
  UPDATE subtask s SET state = 6, finish_time = clock_timestamp()
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[],
                $6::smallint[], $7::smallint[])
         AS r(task_id, subtask_id, claim, down, node, down_type, take)
   WHERE s.task_id = r.task_id AND s.subtask_id = r.subtask_id AND s.claim = r.claim
     AND s.state = 3
  RETURNING s.task_id, s.subtask_id, s.type_id, s.claim, r.down, r.node, r.down_type,
            CASE WHEN r.take = 1 AND EXISTS (SELECT 1 FROM alive) THEN nextval('claim_number')
                 ELSE 0 END AS down_claim
), bumped AS (
  UPDATE task t
     SET active = t.active - (d.down = 0 OR t.failed > 0)::integer,
         ready = t.ready + (d.down > 0 AND t.failed = 0 AND d.down_claim = 0)::integer,
         unfinished = t.unfinished - 1,
         state = CASE WHEN t.unfinished = 1 THEN 3
                      WHEN t.failed > 0 AND t.active = 1 THEN 2 ELSE t.state END,
         finish_time = CASE WHEN t.unfinished = 1 OR (t.failed > 0 AND t.active = 1)
                            THEN clock_timestamp() END,
         sequence = t.sequence + 1 + (t.unfinished = 1 OR (t.failed > 0 AND t.active = 1))::integer
                    + CASE WHEN d.down = 0 OR t.failed > 0 THEN 0
                           WHEN d.down_claim = 0 THEN 1 ELSE 2 END
    FROM done d WHERE t.task_id = d.task_id
  RETURNING d.*, t.sequence, t.state AS task_state,
            CASE WHEN d.down = 0 THEN 0 WHEN t.failed > 0 THEN 1
                 WHEN d.down_claim = 0 THEN 2 ELSE 3 END AS down_state
), made AS (
  INSERT INTO subtask (task_id, subtask_id, node, type_id, waiting, state, ready_at, claim, attempt,
                       worker_id, claimed_at, start_time)
  SELECT task_id, down, node, down_type, 0, down_state,
         CASE WHEN down_state > 1 THEN clock_timestamp() END,
         CASE down_state WHEN 3 THEN down_claim ELSE 0 END, (down_state = 3)::integer,
         CASE down_state WHEN 3 THEN $8::bigint ELSE 0 END,
         CASE down_state WHEN 3 THEN clock_timestamp() END,
         CASE down_state WHEN 3 THEN clock_timestamp() END
    FROM bumped WHERE down > 0
), recorded AS (
  INSERT INTO event_batch (who, entries)
  SELECT $9::text, string_agg(entry, E'\n')
    FROM (SELECT task_id || ' ' || sequence + 1 - greatest(down_state, 1) - (task_state > 1)::integer
                 || ' 40:' || subtask_id || ':' || claim
                 || CASE WHEN down_state > 1 THEN ' 20:' || down || ':0' ELSE '' END
                 || CASE down_state WHEN 3 THEN ' 30:' || down || ':' || down_claim ELSE '' END
                 || CASE task_state WHEN 2 THEN ' 120:0:0' WHEN 3 THEN ' 130:0:0' ELSE '' END
                 AS entry, row_number() OVER () AS place
            FROM bumped) e
   GROUP BY place / 32
)
SELECT 0 AS kind, task_id, subtask_id, type_id, claim, 0::smallint AS node, 0 AS attempt,
       0 AS run_time, 0::smallint AS tries FROM bumped
UNION ALL
SELECT down_state - 1, task_id, down, down_type, CASE down_state WHEN 3 THEN down_claim ELSE 0 END,
       node, (down_state = 3)::integer, 1, 0::smallint
  FROM bumped WHERE down_state > 1;
