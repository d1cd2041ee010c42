-- Locks task rows, in id order, before anybody moves one of their subtasks. A statement of its own:
-- the statement behind it then sees what the transaction waited for.
-- $1 task ids
SELECT count(*)::bigint
  FROM (SELECT 1 FROM task WHERE task_id = ANY($1::bigint[]) ORDER BY task_id
           FOR NO KEY UPDATE) locked;
