-- What in an inventory file does not go with the rows there are. $1 the file. Returns place, fault.
WITH file AS MATERIALIZED (SELECT $1::text::jsonb AS f)
SELECT x.place || '.name', 'credential ' || c.credential_id || ' in the database has it'
  FROM file, jsonb_to_recordset(f->'credentials') AS x(place text, id bigint, name text)
  JOIN credential c ON c.name = x.name AND c.credential_id <> x.id
UNION ALL
SELECT x.place || '.name', 'cluster ' || c.cluster_id || ' in the database has it'
  FROM file, jsonb_to_recordset(f->'clusters') AS x(place text, id bigint, name text)
  JOIN obproxy_cluster c ON c.name = x.name AND c.cluster_id <> x.id
UNION ALL
SELECT x.place || '.address', 'host ' || h.host_id || ' in the database has it, and port'
  FROM file, jsonb_to_recordset(f->'hosts')
         AS x(place text, id bigint, address text, "sshPort" integer)
  JOIN host h ON h.address = x.address AND h.ssh_port = x."sshPort" AND h.host_id <> x.id
UNION ALL
SELECT x.place || '.credential', 'there is no credential "' || x.credential || '"'
  FROM file, jsonb_to_recordset(f->'hosts') AS x(place text, credential text)
 WHERE NOT EXISTS (SELECT FROM credential c WHERE c.name = x.credential)
   AND NOT EXISTS (SELECT FROM jsonb_to_recordset(f->'credentials') AS n(name text)
                    WHERE n.name = x.credential)
UNION ALL
SELECT x.place || '.id', 'package ' || p.package_id || ' in the database is ' || p.file_name
  FROM file, jsonb_to_recordset(f->'packages') AS x(place text, id bigint, "fileName" text)
  JOIN software_package p ON (p.package_id = x.id) <> (p.file_name = x."fileName");
