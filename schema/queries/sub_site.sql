-- The OBProxy a task works on. No row: it is none of its (any more). $1 task id  $2 obproxy id
SELECT o.cluster_id, o.host_id, o.sql_port, o.exporter_port, o.version, o.architecture, o.status,
       c.name AS cluster_name, c.work_mode, c.config_url, c.rs_list, c.parameter_version,
       p.file_name, p.size, p.sha256, p.path
  FROM obproxy o
  JOIN obproxy_cluster c USING (cluster_id)
  JOIN software_package p USING (package_id)
 WHERE o.obproxy_id = $2::bigint AND o.task_id = $1::bigint;
