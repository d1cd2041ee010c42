-- A large inventory, so that each batchAdd has a host of its own.
INSERT INTO obproxy_cluster (cluster_id, name, version, work_mode) VALUES (1, 'bench', '3.1.1', 'RS_LIST');
INSERT INTO credential VALUES (1, 'bench', 'root', '/nowhere');
INSERT INTO host (host_id, name, address, host_key, credential_id, status, architecture,
                  operating_system, operating_system_release)
SELECT i, 'host' || i, 'bench-' || i, 'none', 1, 'AVAILABLE', 'x86_64', 'Linux', 'el7'
  FROM generate_series(1, 200000) i;
INSERT INTO software_package (package_id, file_name, name, version, build_number, operating_system,
                              architecture, size, sha256, path)
VALUES (1, 'obproxy-1.9.1.1-1919579.el7.x86_64.rpm', 'obproxy', '1.9.1.1', '1919579', 'el7', 'x86_64',
        1, '', '');
UPDATE inventory_version SET version = version + 1;
