-- Ends a batch of attempts: moves each subtask that is still RUNNING under its claim, lowers the
-- waiting count of its downstreams, makes READY those at zero (rule 20), ends tasks (120, 130).
-- The planner takes every CTE for one row: nothing here joins two of them, or it would be a nested
-- loop of batch size squared.
-- $1 task ids  $2 subtask ids  $3 claims  $4 rules  $5 new states  $6 ms not to claim it again
-- (READY only)  $7 $8 first and last place of its downstreams in  $9 downstream subtask ids
-- $10 who  $11 of each of $9: 1 = claimed at once when it becomes READY (handoff, rule 30)
-- $12 the worker that claims it; its row is locked before (worker_share).
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
  SELECT d.task_id, x.subtask_id, count(*)::smallint AS n, bool_or(x.take = 1) AS take
    FROM done d, unnest(($9::bigint[])[d.down_first:d.down_last],
                        ($11::smallint[])[d.down_first:d.down_last]) AS x(subtask_id, take)
   WHERE d.to_state = 6
   GROUP BY d.task_id, x.subtask_id
), failing AS (
  SELECT array_agg(task_id) AS task_ids FROM done WHERE to_state = 5
), alive AS (
  SELECT EXISTS (SELECT 1 FROM worker k WHERE k.worker_id = $12::bigint AND k.died_at IS NULL)
         AS alive
), lowered AS (
  UPDATE subtask s
     SET waiting = s.waiting - b.n,
         state = CASE WHEN s.waiting = b.n AND b.open THEN
                        CASE WHEN b.take AND NOT s.held THEN 3 ELSE 2 END
                      ELSE s.state END,
         ready_at = clock_timestamp(),
         claim = CASE WHEN s.waiting = b.n AND b.take AND NOT s.held
                      THEN nextval('claim_number') ELSE s.claim END,
         attempt = CASE WHEN s.waiting = b.n AND b.take AND NOT s.held
                        THEN s.attempt + 1 ELSE s.attempt END,
         worker_id = CASE WHEN s.waiting = b.n AND b.take AND NOT s.held
                          THEN $12::bigint ELSE s.worker_id END,
         claimed_at = CASE WHEN s.waiting = b.n AND b.take AND NOT s.held
                           THEN clock_timestamp() ELSE s.claimed_at END,
         start_time = CASE WHEN s.waiting = b.n AND b.take AND NOT s.held
                           THEN coalesce(s.start_time, clock_timestamp()) ELSE s.start_time END
    FROM (SELECT g.task_id, g.subtask_id, g.n, o.open, g.take AND o.open AND a.alive AS take
            FROM below g JOIN task t USING (task_id),
                 LATERAL (SELECT t.failed = 0
                                 AND (t.task_id = ANY ((SELECT task_ids FROM failing)::bigint[]))
                                     IS NOT TRUE AS open) o,
                 alive a
          OFFSET 0) b -- a fence: the planner would write these out in each CASE above
   WHERE s.task_id = b.task_id AND s.subtask_id = b.subtask_id
  RETURNING s.task_id, s.subtask_id, s.type_id, s.state, s.claim, s.attempt, s.run_time, s.tries,
            s.node
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
         string_agg(rule || ':' || subtask_id || ':' || claim, ' ' ORDER BY step, subtask_id)
           AS moves
    FROM move GROUP BY task_id
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
  RETURNING t.task_id, t.sequence, s.n + CASE WHEN t.state > 1 THEN 1 ELSE 0 END AS n,
            s.moves || CASE t.state WHEN 2 THEN ' 120:0:0' WHEN 3 THEN ' 130:0:0' ELSE '' END
              AS moves
), recorded AS (
  INSERT INTO event (task_id, first, sequence, at, who, moves)
  SELECT task_id, sequence - n + 1, sequence, clock_timestamp(), $10::text, moves FROM bumped
)
SELECT 0 AS kind, task_id, subtask_id, type_id, claim, 0::smallint AS node, 0 AS attempt,
       0 AS run_time, 0::smallint AS tries FROM done
UNION ALL
SELECT state - 1, task_id, subtask_id, type_id, claim, node, attempt, run_time, tries
  FROM lowered WHERE state IN (2, 3)
UNION ALL
SELECT 1, task_id, subtask_id, type_id, 0, 0::smallint, 0, 0, 0::smallint
  FROM done WHERE to_state = 2 AND delay_ms = 0;
