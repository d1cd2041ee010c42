-- $1 clusters of an inventory file with all their parameters: those that are not named go. A cluster
-- that had some and now has others gets the next parameter version.
WITH cluster AS (
  SELECT x.id, x."allParameters" AS list
    FROM jsonb_to_recordset($1::text::jsonb) AS x(id bigint, "allParameters" jsonb)
), named AS (
  SELECT c.id, p.* FROM cluster c,
         jsonb_to_recordset(c.list) AS p(name text, value text, startup boolean)
), had AS (
  SELECT DISTINCT cluster_id FROM obproxy_cluster_parameter
), gone AS (
  DELETE FROM obproxy_cluster_parameter d USING cluster c
   WHERE d.cluster_id = c.id
     AND NOT EXISTS (SELECT FROM named n WHERE n.id = d.cluster_id AND n.name = d.name)
  RETURNING d.cluster_id
), put AS (
  INSERT INTO obproxy_cluster_parameter AS p (cluster_id, name, value, startup)
  SELECT n.id, n.name, n.value, n.startup FROM named n
  ON CONFLICT (cluster_id, name) DO UPDATE SET value = excluded.value, startup = excluded.startup
   WHERE (p.value, p.startup) IS DISTINCT FROM (excluded.value, excluded.startup)
  RETURNING p.cluster_id
)
UPDATE obproxy_cluster SET parameter_version = parameter_version + 1
 WHERE cluster_id IN (SELECT cluster_id FROM gone UNION SELECT cluster_id FROM put)
   AND cluster_id IN (SELECT cluster_id FROM had);
