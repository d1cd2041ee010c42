-- $1 clusters of an inventory file. Returns a row for each that was added or changed.
INSERT INTO obproxy_cluster AS c (cluster_id, name, version, work_mode, config_url, rs_list,
                                  address, port, sql_port, exporter_port)
SELECT x.id, x.name, x.version, x."workMode", x."configUrl", x."rsList", x.address, x.port,
       x."sqlPort", x."exporterPort"
  FROM jsonb_to_recordset($1::text::jsonb)
         AS x(id bigint, name text, version text, "workMode" text, "configUrl" text,
              "rsList" text, address text, port integer, "sqlPort" integer,
              "exporterPort" integer)
ON CONFLICT (cluster_id) DO UPDATE
   SET name = excluded.name, version = excluded.version, work_mode = excluded.work_mode,
       config_url = excluded.config_url, rs_list = excluded.rs_list, address = excluded.address,
       port = excluded.port, sql_port = excluded.sql_port, exporter_port = excluded.exporter_port
 WHERE (c.name, c.version, c.work_mode, c.config_url, c.rs_list, c.address, c.port, c.sql_port,
        c.exporter_port)
       IS DISTINCT FROM
       (excluded.name, excluded.version, excluded.work_mode, excluded.config_url,
        excluded.rs_list, excluded.address, excluded.port, excluded.sql_port,
        excluded.exporter_port)
RETURNING xmax = 0 AS added;
