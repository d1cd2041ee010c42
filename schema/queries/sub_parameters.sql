-- The parameters of a cluster's OBProxies: those of the command line, or the others.
-- $1 cluster id  $2 startup
SELECT name, value FROM obproxy_cluster_parameter
 WHERE cluster_id = $1::bigint AND startup = $2::boolean
 ORDER BY name;
