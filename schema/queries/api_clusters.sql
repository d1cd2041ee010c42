SELECT cluster_id, name, version, work_mode, config_url, address, coalesce(port, 0) AS port,
       coalesce(sql_port, 0) AS sql_port, coalesce(exporter_port, 0) AS exporter_port,
       parameter_version, create_time
  FROM obproxy_cluster ORDER BY cluster_id;
