-- Ends a batch of attempts: moves each subtask that is still RUNNING under its claim, lowers the
-- waiting count of its downstreams, makes READY those at zero (rule 20), ends tasks (120, 130).
-- The planner takes every CTE for one row: nothing here joins two of them, or it would be a nested
-- loop of batch size squared.
-- $1 task ids  $2 subtask ids  $3 claims  $4 rules  $5 new states  $6 ms not to claim it again
-- (READY only)  $7 $8 first and last place of its downstreams in  $9 downstream subtask ids
-- $10 who  $11 of each of $9: 1 = claimed at once when it becomes READY (handoff, rule 30)
-- $12 the worker that claims it; its row is locked before (worker_share).
-- $13 $14 $15 node, type and count of upstreams of each of $9, for those that have no row yet
-- Rows: kind 0 = a result that was taken, kind 1 = a subtask that is READY, kind 2 = one handed on.
WITH done AS (
  UPDATE subtask s
     SET state = r.to_state,
         finish_time = CASE WHEN r.to_state > 4 THEN clock_timestamp() END,
         ready_at = CASE WHEN r.to_state = 2 THEN clock_timestamp() ELSE s.ready_at END,
         not_before = CASE WHEN r.delay_ms > 0
                           THEN clock_timestamp() + r.delay_ms * interval '1 millisecond' END,
         tries = s.tries + CASE WHEN r.rule = 54 THEN 1 ELSE 0 END,
         deaths = s.deaths + CASE WHEN r.rule IN (46, 50) THEN 1 ELSE 0 END
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::smallint[],
                $6::integer[], $7::integer[], $8::integer[])
         AS r(task_id, subtask_id, claim, rule, to_state, delay_ms, down_first, down_last)
   WHERE s.task_id = r.task_id AND s.subtask_id = r.subtask_id AND s.claim = r.claim
     AND s.state = 3
  RETURNING s.task_id, s.subtask_id, s.type_id, s.claim, r.rule, r.to_state, r.delay_ms,
            r.down_first, r.down_last
), below AS (
  SELECT task_id, ($9::bigint[])[place] AS subtask_id, count(*)::smallint AS n,
         min(place) AS place, bool_or(($11::smallint[])[place] = 1) AS take
    FROM (SELECT task_id, generate_series(down_first, down_last) AS place
            FROM done WHERE to_state = 6) e
   GROUP BY 1, 2
), failing AS (
  SELECT array_agg(task_id) AS task_ids FROM done WHERE to_state = 5
), alive AS (
  SELECT EXISTS (SELECT 1 FROM worker k WHERE k.worker_id = $12::bigint AND k.died_at IS NULL)
         AS alive
), next AS (
  -- What becomes of each downstream. The task's lock keeps its rows as they are seen here.
  SELECT b.task_id, b.subtask_id, b.place, s.task_id IS NOT NULL AS stored, w.waiting,
         w.is_ready AND b.take AND a.alive AND s.held IS NOT TRUE AS taken,
         CASE WHEN NOT w.is_ready THEN 1
              WHEN b.take AND a.alive AND s.held IS NOT TRUE THEN 3 ELSE 2 END AS state
    FROM below b JOIN task t USING (task_id)
    LEFT JOIN subtask s ON s.task_id = b.task_id AND s.subtask_id = b.subtask_id,
         LATERAL (SELECT (coalesce(s.waiting, ($15::smallint[])[b.place]) - b.n)::smallint AS waiting,
                         coalesce(s.waiting, ($15::smallint[])[b.place]) = b.n AND t.failed = 0
                           AND (t.task_id = ANY ((SELECT task_ids FROM failing)::bigint[]))
                               IS NOT TRUE AS is_ready) w,
         alive a
), made AS (
  INSERT INTO subtask (task_id, subtask_id, node, type_id, waiting, state, ready_at, claim, attempt,
                       worker_id, claimed_at, start_time)
  SELECT task_id, subtask_id, ($13::smallint[])[place], ($14::smallint[])[place], waiting, state,
         CASE WHEN state > 1 THEN clock_timestamp() END,
         CASE WHEN taken THEN nextval('claim_number') ELSE 0 END, taken::integer,
         CASE WHEN taken THEN $12::bigint ELSE 0 END,
         CASE WHEN taken THEN clock_timestamp() END, CASE WHEN taken THEN clock_timestamp() END
    FROM next WHERE NOT stored
  RETURNING task_id, subtask_id, type_id, state, claim, attempt, run_time, tries, node
), released AS (
  UPDATE subtask s
     SET waiting = n.waiting, state = n.state, ready_at = clock_timestamp(),
         claim = CASE WHEN n.taken THEN nextval('claim_number') ELSE s.claim END,
         attempt = s.attempt + n.taken::integer,
         worker_id = CASE WHEN n.taken THEN $12::bigint ELSE s.worker_id END,
         claimed_at = CASE WHEN n.taken THEN clock_timestamp() ELSE s.claimed_at END,
         start_time = CASE WHEN n.taken THEN coalesce(s.start_time, clock_timestamp())
                           ELSE s.start_time END
    FROM next n
   WHERE n.stored AND s.task_id = n.task_id AND s.subtask_id = n.subtask_id
  RETURNING s.task_id, s.subtask_id, s.type_id, s.state, s.claim, s.attempt, s.run_time, s.tries,
            s.node
), lowered AS (
  SELECT * FROM made UNION ALL SELECT * FROM released
), move AS (
  SELECT task_id, subtask_id, claim, rule, to_state, 0 AS step FROM done
  UNION ALL
  SELECT task_id, subtask_id, 0, 20, 2, 1 FROM lowered WHERE state IN (2, 3)
  UNION ALL
  SELECT task_id, subtask_id, claim, 30, 3, 2 FROM lowered WHERE state = 3
), sums AS (
  SELECT task_id, count(*)::integer AS n,
         count(*) FILTER (WHERE to_state = 5)::integer AS failed,
         count(*) FILTER (WHERE to_state = 6)::integer AS succeeded,
         (count(*) FILTER (WHERE to_state = 2) - count(*) FILTER (WHERE step = 2))::integer
           AS ready,
         count(*) FILTER (WHERE step = 1)::integer AS released,
         string_agg(rule || ':' || subtask_id || ':' || claim, ' ') AS moves
    -- One sort of all, not one a task.
    FROM (SELECT * FROM move ORDER BY task_id, step, subtask_id) m GROUP BY task_id
), bumped AS (
  UPDATE task t
     SET active = t.active - s.failed - s.succeeded + s.released,
         ready = t.ready + s.ready,
         failed = t.failed + s.failed,
         unfinished = t.unfinished - s.succeeded,
         state = CASE WHEN t.unfinished = s.succeeded THEN 3
                      WHEN t.failed + s.failed > 0
                           AND t.active - s.failed - s.succeeded + s.released = 0 THEN 2
                      ELSE t.state END,
         finish_time = CASE WHEN t.unfinished = s.succeeded
                              OR (t.failed + s.failed > 0
                                  AND t.active - s.failed - s.succeeded + s.released = 0)
                            THEN clock_timestamp() END,
         sequence = t.sequence + s.n
                    + CASE WHEN t.unfinished = s.succeeded
                             OR (t.failed + s.failed > 0
                                 AND t.active - s.failed - s.succeeded + s.released = 0)
                           THEN 1 ELSE 0 END
    FROM sums s
   WHERE t.task_id = s.task_id
  RETURNING t.task_id || ' ' || t.sequence - s.n + CASE WHEN t.state > 1 THEN 0 ELSE 1 END || ' '
            || s.moves || CASE t.state WHEN 2 THEN ' 120:0:0' WHEN 3 THEN ' 130:0:0' ELSE '' END
              AS entry
), recorded AS (
  INSERT INTO event_batch (who, entries)
  SELECT $10::text, string_agg(entry, E'\n')
    FROM (SELECT entry, row_number() OVER () AS place FROM bumped) e GROUP BY place / 32
)
SELECT 0 AS kind, task_id, subtask_id, type_id, claim, 0::smallint AS node, 0 AS attempt,
       0 AS run_time, 0::smallint AS tries FROM done
UNION ALL
SELECT state - 1, task_id, subtask_id, type_id, claim, node, attempt, run_time, tries
  FROM lowered WHERE state IN (2, 3)
UNION ALL
SELECT 1, task_id, subtask_id, type_id, 0, 0::smallint, 0, 0, 0::smallint
  FROM done WHERE to_state = 2 AND delay_ms = 0;
