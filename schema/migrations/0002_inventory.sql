-- The inventory: what the ingress validates against and subtasks act on. A change locks the one
-- row of inventory_version and raises it, so that no reader misses a change.

CREATE TABLE inventory_version (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  version bigint NOT NULL
);
INSERT INTO inventory_version VALUES (true, 1);

-- Blocks of ids that ingresses reserve ahead.
CREATE TABLE id_counter (
  name text PRIMARY KEY,            -- task, subtask, obproxy
  next bigint NOT NULL
);
INSERT INTO id_counter VALUES ('task', 1), ('subtask', 1), ('obproxy', 1);

CREATE TABLE app_user (
  name text PRIMARY KEY,
  hash text NOT NULL,               -- crypt(5), yescrypt
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE credential (
  credential_id bigint PRIMARY KEY,
  name text NOT NULL UNIQUE,
  user_name text NOT NULL,
  key_file text NOT NULL            -- a path on the workers, never the key
);

CREATE TABLE obproxy_cluster (
  cluster_id bigint PRIMARY KEY,
  name text NOT NULL UNIQUE,
  version text NOT NULL,            -- OceanBase version it serves, "3.1.1"
  work_mode text NOT NULL,          -- CONFIG_URL or RS_LIST
  config_url text,
  rs_list text,
  address text,
  port integer,
  sql_port integer,                 -- NULL: taken from the first OBProxy
  exporter_port integer,
  parameter_version bigint NOT NULL DEFAULT 1,
  create_time timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE obproxy_cluster_parameter (
  cluster_id bigint NOT NULL REFERENCES obproxy_cluster,
  name text NOT NULL,
  value text NOT NULL,
  startup boolean NOT NULL DEFAULT false, -- given on the command line, not by ALTER
  PRIMARY KEY (cluster_id, name)
);

CREATE TABLE host (
  host_id bigint PRIMARY KEY,
  name text NOT NULL,
  address text NOT NULL,
  ssh_port integer NOT NULL DEFAULT 22,
  host_key text NOT NULL,           -- "ssh-ed25519 AAAA..."
  credential_id bigint NOT NULL REFERENCES credential,
  status text NOT NULL,             -- AVAILABLE, ONLINE, OFFLINE, NEW, DELETING
  kind text NOT NULL DEFAULT 'DEDICATED_PHYSICAL_MACHINE',
  architecture text NOT NULL,
  operating_system text NOT NULL,
  operating_system_release text NOT NULL,
  idc_name text,
  region_name text,
  type_name text,
  create_time timestamptz NOT NULL DEFAULT now(),
  UNIQUE (address, ssh_port)
);

CREATE TABLE software_package (
  package_id bigint PRIMARY KEY,
  file_name text NOT NULL UNIQUE,
  name text NOT NULL,
  version text NOT NULL,
  build_number text NOT NULL,       -- release without the distribution tag
  operating_system text NOT NULL,   -- el7
  architecture text NOT NULL,
  type text NOT NULL DEFAULT 'OBPROXY_INSTALL_PACKAGE',
  size bigint NOT NULL,
  sha256 text NOT NULL,
  path text NOT NULL,               -- where workers find the file
  create_time timestamptz NOT NULL DEFAULT now()
);

-- One OBProxy a host. Inserted by the first subtask of add-obproxy with the id drawn at the door.
CREATE TABLE obproxy (
  obproxy_id bigint PRIMARY KEY,
  cluster_id bigint NOT NULL REFERENCES obproxy_cluster,
  host_id bigint NOT NULL UNIQUE REFERENCES host,
  task_id bigint,                   -- the task that owns it while OPERATING
  sql_port integer NOT NULL,
  exporter_port integer NOT NULL,
  package_id bigint REFERENCES software_package,
  version text NOT NULL,            -- "1.9.1.1-1919579"
  architecture text NOT NULL,
  status text NOT NULL,             -- CREATING, RUNNING, ...
  operate_status text NOT NULL,     -- NORMAL, OPERATING
  parameter_version bigint NOT NULL DEFAULT 0,
  last_active_time timestamptz,
  create_time timestamptz NOT NULL DEFAULT now()
);
