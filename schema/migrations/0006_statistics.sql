-- Statistics of a table that is nearly empty make plans that read it whole for each row of a batch.
-- A statement is planned once, until the next statistics: such a plan would meet the first flood.
-- So a table has none until it is large enough for plans that suit every size from then on; without
-- any, PostgreSQL takes it for ten pages at least.
ALTER TABLE task SET (
  autovacuum_analyze_threshold = 2000, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_threshold = 2000);
ALTER TABLE task_info SET (
  autovacuum_analyze_threshold = 2000, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_threshold = 2000);
ALTER TABLE subtask SET (
  autovacuum_analyze_threshold = 20000, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_threshold = 20000);
