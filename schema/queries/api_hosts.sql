SELECT host_id, name, address, status, kind, architecture, operating_system,
       operating_system_release, idc_name, region_name, type_name, ssh_port, create_time
  FROM host ORDER BY host_id;
