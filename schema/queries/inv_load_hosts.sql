-- $1 hosts of an inventory file. A status that is not given stays. Returns a row for each that was
-- added or changed.
INSERT INTO host AS h (host_id, name, address, ssh_port, host_key, credential_id, status, kind,
                       architecture, operating_system, operating_system_release, idc_name,
                       region_name, type_name)
SELECT x.id, x.name, x.address, x."sshPort", x."hostKey", c.credential_id,
       coalesce(x.status, (SELECT o.status FROM host o WHERE o.host_id = x.id), 'AVAILABLE'),
       x.kind, x.architecture, x."operatingSystem", x."operatingSystemRelease", x."idcName",
       x."regionName", x."typeName"
  FROM jsonb_to_recordset($1::text::jsonb)
         AS x(id bigint, name text, address text, "sshPort" integer, "hostKey" text,
              credential text, status text, kind text, architecture text, "operatingSystem" text,
              "operatingSystemRelease" text, "idcName" text, "regionName" text, "typeName" text)
  JOIN credential c ON c.name = x.credential
ON CONFLICT (host_id) DO UPDATE
   SET name = excluded.name, address = excluded.address, ssh_port = excluded.ssh_port,
       host_key = excluded.host_key, credential_id = excluded.credential_id,
       status = excluded.status, kind = excluded.kind, architecture = excluded.architecture,
       operating_system = excluded.operating_system,
       operating_system_release = excluded.operating_system_release,
       idc_name = excluded.idc_name, region_name = excluded.region_name,
       type_name = excluded.type_name
 WHERE (h.name, h.address, h.ssh_port, h.host_key, h.credential_id, h.status, h.kind,
        h.architecture, h.operating_system, h.operating_system_release, h.idc_name,
        h.region_name, h.type_name)
       IS DISTINCT FROM
       (excluded.name, excluded.address, excluded.ssh_port, excluded.host_key,
        excluded.credential_id, excluded.status, excluded.kind, excluded.architecture,
        excluded.operating_system, excluded.operating_system_release, excluded.idc_name,
        excluded.region_name, excluded.type_name)
RETURNING xmax = 0 AS added;
