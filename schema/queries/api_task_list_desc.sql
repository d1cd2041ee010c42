-- A page by id. $1 to $5 as api_task_count  $6 rows  $7 rows to pass over
SELECT t.task_id, t.first_subtask_id, t.template_id, t.state, t.operation, t.finish_time, i.name,
       i.task_type, i.creator, i.executor, coalesce(i.host_id, 0) AS host_id, i.start_time,
       i.create_time
  FROM task t JOIN task_info i USING (task_id)
 WHERE ($1::text IS NULL OR strpos(lower(i.name), lower($1)) > 0)
   AND ($2::smallint[] IS NULL OR t.state = ANY($2))
   AND ($3::text IS NULL OR i.task_type = $3)
   AND ($4::bigint IS NULL OR i.cluster_id = $4)
   AND ($5::bigint IS NULL OR i.host_id = $5)
 ORDER BY t.task_id desc LIMIT $6::bigint OFFSET $7::bigint;
