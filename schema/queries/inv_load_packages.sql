-- $1 packages of an inventory file. One without an id keeps that of its file name, or gets the next
-- free one. Returns a row for each that was added or changed.
WITH named AS (
  SELECT x.*, coalesce(x.id, p.package_id) AS known
    FROM jsonb_to_recordset($1::text::jsonb)
           AS x(id bigint, "fileName" text, name text, version text, "buildNumber" text,
                "operatingSystem" text, architecture text, type text, size bigint, sha256 text,
                path text)
    LEFT JOIN software_package p ON p.file_name = x."fileName"
), free AS (
  SELECT greatest((SELECT max(package_id) FROM software_package),
                  (SELECT max(known) FROM named), 0) AS highest
)
INSERT INTO software_package AS s (package_id, file_name, name, version, build_number,
                                   operating_system, architecture, type, size, sha256, path)
SELECT coalesce(n.known, free.highest + row_number() OVER (PARTITION BY n.known IS NULL
                                                            ORDER BY n."fileName")),
       n."fileName", n.name, n.version, n."buildNumber", n."operatingSystem", n.architecture,
       n.type, n.size, n.sha256, n.path
  FROM named n, free
ON CONFLICT (file_name) DO UPDATE
   SET type = excluded.type, size = excluded.size, sha256 = excluded.sha256, path = excluded.path
 WHERE (s.type, s.size, s.sha256, s.path)
       IS DISTINCT FROM (excluded.type, excluded.size, excluded.sha256, excluded.path)
RETURNING xmax = 0 AS added;
