-- Ends a batch of attempts: moves each subtask that is still RUNNING under its claim, lowers the
-- waiting count of its downstreams, makes READY those at zero (rule 20), ends tasks (120, 130).
-- The planner takes every CTE for one row: nothing here joins two of them, or it would be a nested
-- loop of batch size squared.
-- $1 task ids  $2 subtask ids  $3 claims  $4 rules  $5 new states  $6 ms not to claim it again
-- (READY only)  $7 $8 first and last place of its downstreams in  $9 downstream subtask ids
-- $10 who. Rows: kind 0 = a result that was taken, kind 1 = a subtask that is READY.
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
  SELECT d.task_id, x.subtask_id, count(*)::smallint AS n
    FROM done d, unnest(($9::bigint[])[d.down_first:d.down_last]) AS x(subtask_id)
   WHERE d.to_state = 6
   GROUP BY d.task_id, x.subtask_id
), failing AS (
  SELECT array_agg(task_id) AS task_ids FROM done WHERE to_state = 5
), lowered AS (
  UPDATE subtask s
     SET waiting = s.waiting - b.n,
         state = CASE WHEN s.waiting = b.n AND t.failed = 0
                           AND (t.task_id = ANY ((SELECT task_ids FROM failing)::bigint[]))
                               IS NOT TRUE
                      THEN 2 ELSE s.state END,
         ready_at = clock_timestamp()
    FROM below b JOIN task t USING (task_id)
   WHERE s.task_id = b.task_id AND s.subtask_id = b.subtask_id
  RETURNING s.task_id, s.subtask_id, s.type_id, s.state
), move AS (
  SELECT task_id, subtask_id, claim, rule, to_state, 0 AS released FROM done
  UNION ALL
  SELECT task_id, subtask_id, 0, 20, 2, 1 FROM lowered WHERE state = 2
), sums AS (
  SELECT task_id, count(*)::integer AS n,
         count(*) FILTER (WHERE to_state = 5)::integer AS failed,
         count(*) FILTER (WHERE to_state = 6)::integer AS succeeded,
         count(*) FILTER (WHERE to_state = 2)::integer AS ready,
         sum(released)::integer AS released,
         string_agg(rule || ':' || subtask_id || ':' || claim, ' ' ORDER BY released, subtask_id)
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
SELECT 0 AS kind, task_id, subtask_id, type_id, claim FROM done
UNION ALL
SELECT 1, task_id, subtask_id, type_id, 0 FROM lowered WHERE state = 2
UNION ALL
SELECT 1, task_id, subtask_id, type_id, 0 FROM done WHERE to_state = 2 AND delay_ms = 0;
