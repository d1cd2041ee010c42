-- What subtasks on hosts keep: what they found, values drawn once, who has a host, exporters.

-- The undo record: what a step found before its first change. Written once, under the claim of the
-- attempt that looked; later attempts read it and never replace it.
CREATE TABLE undo_record (
  task_id bigint NOT NULL,
  subtask_id bigint NOT NULL,
  claim bigint NOT NULL,
  found text NOT NULL,              -- JSON
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (task_id, subtask_id)
);

-- Passwords that obpipe drew. PENDING: stored, perhaps set already; CURRENT: known to be set.
CREATE TABLE secret (
  owner text NOT NULL,              -- obproxy/ID, cluster/ID
  name text NOT NULL,               -- root@proxysys, proxyro
  value text NOT NULL,
  state text NOT NULL CHECK (state IN ('PENDING', 'CURRENT')),
  task_id bigint NOT NULL,          -- that drew it
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (owner, name)
);

-- The host is this task's until it ends; others wait.
CREATE TABLE host_reservation (
  host_id bigint PRIMARY KEY REFERENCES host,
  service text NOT NULL,            -- OB_PROXY
  task_id bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX host_reservation_task ON host_reservation (task_id);

-- What a monitoring system scrapes.
CREATE TABLE exporter_address (
  exporter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  obproxy_id bigint NOT NULL REFERENCES obproxy ON DELETE CASCADE,
  host_id bigint NOT NULL,
  url text NOT NULL UNIQUE,
  status text NOT NULL,             -- ONLINE, OFFLINE
  create_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz NOT NULL DEFAULT now()
);

-- True while the attempt of that claim has the subtask; holds the row until the transaction ends,
-- so that no verdict slips in between.
CREATE FUNCTION attempt_holds(task bigint, subtask bigint, attempt_claim bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM subtask s
    WHERE s.task_id = task AND s.subtask_id = subtask AND s.claim = attempt_claim AND s.state = 3
    FOR SHARE;
  RETURN FOUND;
END $$;

-- Inserts the obproxy row of a task, or finds the one it inserted before. The inventory's lock
-- comes first and each look after it sees what others committed: two tasks cannot both get the
-- host, nor give one cluster different ports. Returns '' or why not.
CREATE FUNCTION obproxy_add(task bigint, subtask bigint, attempt_claim bigint, id bigint,
                            cluster bigint, on_host bigint, sql integer, exporter integer,
                            package bigint, package_version text, package_architecture text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  other obproxy;
BEGIN
  UPDATE inventory_version SET version = version + 1;
  IF NOT attempt_holds(task, subtask, attempt_claim) THEN
    RETURN 'another attempt has taken over';
  END IF;
  SELECT * INTO other FROM obproxy WHERE host_id = on_host;
  IF FOUND THEN
    IF other.obproxy_id = id AND other.task_id = task THEN
      RETURN '';
    END IF;
    RETURN format('the host has OBProxy %s already (cluster %s, %s%s); one OBProxy a host',
                  other.obproxy_id, other.cluster_id, other.status,
                  CASE WHEN other.task_id IS NULL THEN '' ELSE ', task ' || other.task_id END);
  END IF;
  SELECT * INTO other FROM obproxy
    WHERE cluster_id = cluster AND (sql_port, exporter_port) <> (sql, exporter) LIMIT 1;
  IF FOUND THEN
    RETURN format('the cluster''s OBProxies use the ports %s and %s; ask for these',
                  other.sql_port, other.exporter_port);
  END IF;
  INSERT INTO obproxy (obproxy_id, cluster_id, host_id, task_id, sql_port, exporter_port,
                       package_id, version, architecture, status, operate_status)
  VALUES (id, cluster, on_host, task, sql, exporter, package, package_version,
          package_architecture, 'CREATING', 'OPERATING');
  RETURN '';
END $$;
