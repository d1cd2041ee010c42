-- Ends a batch of attempts: moves each subtask that is still RUNNING under its claim, lowers the
-- waiting count of its downstreams, makes READY those at zero (rule 20), ends tasks (120, 130).
-- $1 task ids  $2 subtask ids  $3 claims  $4 rules  $5 new states  $6 ms not to claim it again
-- (READY only)  $7 who. Rows: kind 0 = a result that was taken, kind 1 = a subtask that is READY.
WITH result AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::smallint[],
                       $6::integer[])
         AS r(task_id, subtask_id, claim, rule, to_state, delay_ms)
), done AS (
  UPDATE subtask s
     SET state = r.to_state,
         finish_time = CASE WHEN r.to_state > 4 THEN clock_timestamp() END,
         ready_at = CASE WHEN r.to_state = 2 THEN clock_timestamp() ELSE s.ready_at END,
         not_before = CASE WHEN r.delay_ms > 0
                           THEN clock_timestamp() + r.delay_ms * interval '1 millisecond' END,
         tries = s.tries + CASE WHEN r.rule = 54 THEN 1 ELSE 0 END,
         deaths = s.deaths + CASE WHEN r.rule IN (46, 50) THEN 1 ELSE 0 END
    FROM result r
   WHERE s.task_id = r.task_id AND s.subtask_id = r.subtask_id AND s.claim = r.claim
     AND s.state = 3
  RETURNING s.task_id, s.subtask_id, s.node, s.type_id, s.claim, r.rule, r.to_state, r.delay_ms
), sums AS (
  SELECT task_id, count(*)::integer AS n,
         count(*) FILTER (WHERE to_state = 5)::integer AS failed,
         count(*) FILTER (WHERE to_state = 6)::integer AS succeeded,
         count(*) FILTER (WHERE to_state = 2)::integer AS again,
         string_agg(rule || ':' || subtask_id || ':' || claim, ' ' ORDER BY subtask_id) AS moves
    FROM done GROUP BY task_id
), below AS (
  SELECT d.task_id, t.first_subtask_id + e.down AS subtask_id, count(*)::smallint AS n,
         bool_and(t.failed + s.failed = 0) AS free
    FROM done d JOIN sums s USING (task_id) JOIN task t USING (task_id)
    JOIN template_edge e ON e.template_id = t.template_id AND e.up = d.node
   WHERE d.to_state = 6
   GROUP BY d.task_id, t.first_subtask_id + e.down
), lowered AS (
  UPDATE subtask s
     SET waiting = s.waiting - b.n,
         state = CASE WHEN s.waiting = b.n AND b.free THEN 2 ELSE s.state END,
         ready_at = CASE WHEN s.waiting = b.n AND b.free THEN clock_timestamp() END
    FROM below b
   WHERE s.task_id = b.task_id AND s.subtask_id = b.subtask_id
  RETURNING s.task_id, s.subtask_id, s.type_id, s.state
), released AS (
  SELECT task_id, count(*)::integer AS n,
         string_agg(' 20:' || subtask_id || ':0', '' ORDER BY subtask_id) AS moves
    FROM lowered WHERE state = 2 GROUP BY task_id
), bumped AS (
  UPDATE task t
     SET active = t.active - s.failed - s.succeeded + coalesce(w.n, 0),
         ready = t.ready + s.again + coalesce(w.n, 0),
         failed = t.failed + s.failed,
         unfinished = t.unfinished - s.succeeded,
         state = CASE WHEN t.unfinished = s.succeeded THEN 3
                      WHEN t.failed + s.failed > 0
                           AND t.active - s.failed - s.succeeded + coalesce(w.n, 0) = 0 THEN 2
                      ELSE t.state END,
         finish_time = CASE WHEN t.unfinished = s.succeeded
                              OR (t.failed + s.failed > 0
                                  AND t.active - s.failed - s.succeeded + coalesce(w.n, 0) = 0)
                            THEN clock_timestamp() END,
         sequence = t.sequence + s.n + coalesce(w.n, 0)
                    + CASE WHEN t.unfinished = s.succeeded
                             OR (t.failed + s.failed > 0
                                 AND t.active - s.failed - s.succeeded + coalesce(w.n, 0) = 0)
                           THEN 1 ELSE 0 END
    FROM sums s LEFT JOIN released w USING (task_id)
   WHERE t.task_id = s.task_id
  RETURNING t.task_id, t.sequence,
            s.n + coalesce(w.n, 0) + CASE WHEN t.state > 1 THEN 1 ELSE 0 END AS n,
            s.moves || coalesce(w.moves, '')
              || CASE t.state WHEN 2 THEN ' 120:0:0' WHEN 3 THEN ' 130:0:0' ELSE '' END AS moves
), recorded AS (
  INSERT INTO event (task_id, first, sequence, at, who, moves)
  SELECT task_id, sequence - n + 1, sequence, clock_timestamp(), $7::text, moves FROM bumped
)
SELECT 0 AS kind, task_id, subtask_id, type_id, claim FROM done
UNION ALL
SELECT 1, task_id, subtask_id, type_id, 0 FROM lowered WHERE state = 2
UNION ALL
SELECT 1, task_id, subtask_id, type_id, 0 FROM done WHERE to_state = 2 AND delay_ms = 0;
