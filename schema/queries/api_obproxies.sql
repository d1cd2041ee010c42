SELECT obproxy_id, cluster_id, host_id, sql_port, exporter_port, version, architecture, status,
       operate_status, parameter_version, last_active_time
  FROM obproxy ORDER BY host_id;
