SELECT type_id, name FROM subtask_type ORDER BY type_id;
