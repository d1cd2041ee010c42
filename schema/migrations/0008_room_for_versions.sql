-- While somebody holds a transaction open nothing old is pruned. With room on its page a new version
-- needs no other page and no index entry (HOT), and whoever looks for the row finds it at once. A
-- subtask has three versions: at 33 % a page takes 26 rows and has room for all versions of 24. A task has
-- two for each of its subtasks: at 15 % it moves every seventh time instead of every second.
-- Pages that are there already keep what they hold.
ALTER TABLE subtask SET (fillfactor = 33);
ALTER TABLE task SET (fillfactor = 15);
