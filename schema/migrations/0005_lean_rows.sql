-- Fewer rows a subtask.
--
-- A subtask has a row from the moment there is something to say of it: it is READY, an upstream of it
-- is done, it is held. Before that it is PENDING as its template says (template_node), and intake
-- writes the roots of a task only. Rows of tasks recorded before are as good.
-- Rows of one batch lie side by side and are claimed together: half of a page is kept for their
-- next versions, or these would go to other pages and into the index.
ALTER TABLE subtask SET (fillfactor = 45);
ALTER TABLE task SET (fillfactor = 45);

-- Events are stored by transaction, not by task: one row holds what the transaction did to up to 32
-- tasks, a line a task: "task first moves", or "task 1 @template/version@traceparent moves" for a
-- creation. Moves are "rule:subtask_id:claim ...", subtask_id 0 is the task. View event shows an
-- event a row.
CREATE TABLE event_batch (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  who text NOT NULL,
  entries text NOT NULL
) WITH (toast_tuple_target = 8160);  -- a page; no use in looking a second place up
INSERT INTO event_batch (xid, at, who, entries)
SELECT e.xid, e.at, e.who,
       e.task_id || ' ' || e.first || ' '
       || CASE WHEN e.first = 1
               THEN '@' || p.name || '/' || p.version || '@' || coalesce(i.traceparent, '') || ' '
               ELSE '' END
       || e.moves
  FROM event e LEFT JOIN task t USING (task_id) LEFT JOIN template p USING (template_id)
  LEFT JOIN task_info i USING (task_id);
DROP TABLE event;
CREATE INDEX event_batch_xid ON event_batch (xid);

CREATE VIEW event AS
SELECT b.xid, split_part(line, ' ', 1)::bigint AS task_id, split_part(line, ' ', 2)::bigint AS first,
       split_part(line, ' ', 2)::bigint + length(moves) - length(replace(moves, ' ', ''))
         AS sequence,
       b.at, b.who, moves, nullif(split_part(made, '/', 1), '') AS template,
       nullif(split_part(split_part(made, '@', 1), '/', 2), '')::integer AS version,
       nullif(split_part(made, '@', 2), '') AS traceparent
  FROM event_batch b, string_to_table(b.entries, E'\n') AS line,
       LATERAL (SELECT coalesce(substring(line FROM '^\d+ \d+ @(\S*) '), '') AS made) m,
       LATERAL (SELECT regexp_replace(line, '^\d+ \d+ (@\S* )?', '') AS moves) r;

DROP VIEW subtask_view;
CREATE VIEW subtask_view AS
SELECT t.task_id, t.first_subtask_id + n.node AS subtask_id, y.name AS type, st.name AS state,
       o.name AS operation, coalesce(s.waiting, n.waiting) AS waiting, coalesce(s.claim, 0) AS claim,
       coalesce(s.attempt, 0) AS attempt, coalesce(s.run_time, 1) AS run_time, s.worker_id,
       s.ready_at, s.start_time, s.finish_time
  FROM task t JOIN template_node n USING (template_id)
  LEFT JOIN subtask s ON s.task_id = t.task_id AND s.subtask_id = t.first_subtask_id + n.node
  JOIN subtask_type y ON y.type_id = n.type_id
  JOIN subtask_state st ON st.id = coalesce(s.state, 1)
  JOIN operation o ON o.id = coalesce(s.operation, 1);
