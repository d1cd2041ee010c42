-- What the task was asked for, and what the inventory has of it. One row; columns of what is
-- missing are NULL. $1 task id
SELECT b.body->>'version' AS file_name,
       (b.body->>'sqlPort')::integer AS sql_port, (b.body->>'exporterPort')::integer AS exporter_port,
       c.name AS cluster_name, c.version AS cluster_version, c.sql_port AS cluster_sql_port,
       c.exporter_port AS cluster_exporter_port,
       h.name AS host_name, h.address, h.status AS host_status, h.architecture AS host_architecture,
       p.package_id, p.version AS package_version, p.build_number,
       p.architecture AS package_architecture
  FROM task_info i
  JOIN LATERAL (SELECT r.body::jsonb AS body FROM request r WHERE r.request_id = i.request_id) b
    ON true
  LEFT JOIN obproxy_cluster c ON c.cluster_id = i.cluster_id
  LEFT JOIN host h ON h.host_id = i.host_id
  LEFT JOIN software_package p ON p.file_name = b.body->>'version'
 WHERE i.task_id = $1::bigint;
