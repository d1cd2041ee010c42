-- $1 part of the name  $2 states  $3 type  $4 cluster id  $5 host id; NULL: any
SELECT count(*)::bigint
  FROM task t JOIN task_info i USING (task_id)
 WHERE ($1::text IS NULL OR strpos(lower(i.name), lower($1)) > 0)
   AND ($2::smallint[] IS NULL OR t.state = ANY($2))
   AND ($3::text IS NULL OR i.task_type = $3)
   AND ($4::bigint IS NULL OR i.cluster_id = $4)
   AND ($5::bigint IS NULL OR i.host_id = $5);
