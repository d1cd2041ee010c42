-- The inventory as a file that can be loaded, without users.
SELECT json_build_object(
  'credentials', (SELECT coalesce(json_agg(json_build_object('id', credential_id, 'name', name,
      'userName', user_name, 'keyFile', key_file) ORDER BY credential_id), '[]') FROM credential),
  'clusters', (SELECT coalesce(json_agg(json_strip_nulls(json_build_object('id', c.cluster_id,
      'name', c.name, 'version', c.version, 'workMode', c.work_mode, 'rsList', c.rs_list,
      'configUrl', c.config_url, 'address', c.address, 'port', c.port, 'sqlPort', c.sql_port,
      'exporterPort', c.exporter_port,
      'parameters', (SELECT coalesce(json_agg(json_build_object('name', p.name, 'value', p.value)
          ORDER BY p.name), '[]') FROM obproxy_cluster_parameter p
        WHERE p.cluster_id = c.cluster_id AND NOT p.startup),
      'startupParameters', (SELECT coalesce(json_agg(json_build_object('name', p.name,
          'value', p.value) ORDER BY p.name), '[]') FROM obproxy_cluster_parameter p
        WHERE p.cluster_id = c.cluster_id AND p.startup))) ORDER BY c.cluster_id), '[]')
    FROM obproxy_cluster c),
  'hosts', (SELECT coalesce(json_agg(json_strip_nulls(json_build_object('id', h.host_id,
      'name', h.name, 'address', h.address, 'sshPort', h.ssh_port, 'hostKey', h.host_key,
      'credential', c.name, 'architecture', h.architecture, 'operatingSystem', h.operating_system,
      'operatingSystemRelease', h.operating_system_release, 'status', h.status, 'kind', h.kind,
      'idcName', h.idc_name, 'regionName', h.region_name, 'typeName', h.type_name))
      ORDER BY h.host_id), '[]') FROM host h JOIN credential c USING (credential_id)),
  'packages', (SELECT coalesce(json_agg(json_build_object('id', package_id, 'path', path,
      'type', type) ORDER BY package_id), '[]') FROM software_package))::text;
