-- For people with psql: states by name.
CREATE VIEW task_view AS
SELECT t.task_id, i.name, s.name AS state, o.name AS operation, i.host_id, i.creator,
       t.sequence, t.active, t.failed, t.unfinished, i.start_time, t.finish_time
  FROM task t JOIN task_info i USING (task_id)
  JOIN task_state s ON s.id = t.state JOIN operation o ON o.id = t.operation;

CREATE VIEW subtask_view AS
SELECT s.task_id, s.subtask_id, y.name AS type, st.name AS state, o.name AS operation, s.waiting,
       s.claim, s.attempt, s.run_time, s.worker_id, s.ready_at, s.start_time, s.finish_time
  FROM subtask s JOIN subtask_type y USING (type_id)
  JOIN subtask_state st ON st.id = s.state JOIN operation o ON o.id = s.operation;
