SELECT package_id, file_name, name, version, build_number, operating_system, architecture, type,
       sha256, size, create_time
  FROM software_package ORDER BY package_id;
