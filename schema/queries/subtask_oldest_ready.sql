-- Age of the oldest READY subtask of each type, among the first $1 running tasks.
SELECT y.name, (extract(epoch FROM clock_timestamp() - min(s.ready_at)))::bigint AS seconds
  FROM (SELECT task_id FROM task WHERE state = 1 AND ready > 0
         ORDER BY task_id LIMIT $1::integer) t
  JOIN subtask s USING (task_id) JOIN subtask_type y USING (type_id)
 WHERE s.state = 2 AND NOT s.held AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
 GROUP BY y.name;
