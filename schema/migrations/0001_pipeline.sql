-- The pipeline: templates, requests, tasks, subtasks, events, workers.
--
-- Hot rows (task, subtask) are narrow and HOT-updated: nothing indexes a column that moves, except
-- the task's state, which changes twice in a task's life. What people read (names, context, logs)
-- stands in tables of its own that are written once.

CREATE TABLE subtask_state (id smallint PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE task_state (id smallint PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE operation (id smallint PRIMARY KEY, name text NOT NULL UNIQUE);
-- Written by `obpipe migrate` from the one table in common/state.c.
CREATE TABLE state_rule (
  rule smallint PRIMARY KEY,
  object text NOT NULL,
  from_state smallint NOT NULL,
  to_state smallint NOT NULL,
  operation smallint NOT NULL,
  by text NOT NULL,
  reason text NOT NULL
);

CREATE TABLE subtask_type (
  type_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE
);

-- Immutable: a changed file is a new version.
CREATE TABLE template (
  template_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  version integer NOT NULL,
  sha256 text NOT NULL,
  task_name text NOT NULL,
  task_type text NOT NULL,
  node_count smallint NOT NULL,
  roots smallint NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (name, version)
);
CREATE TABLE template_node (
  template_id integer NOT NULL REFERENCES template,
  node smallint NOT NULL,
  type_id smallint NOT NULL REFERENCES subtask_type,
  waiting smallint NOT NULL,
  PRIMARY KEY (template_id, node)
);
CREATE TABLE template_edge (
  template_id integer NOT NULL REFERENCES template,
  up smallint NOT NULL,
  down smallint NOT NULL,
  PRIMARY KEY (template_id, up, down)
);

-- What became of each message of the request topic. Intake resumes behind the highest offset of a
-- partition, so a refused message has a row too. The generation rises when the topic was made anew
-- and its offsets start again.
CREATE TABLE request (
  generation integer NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  request_id text UNIQUE,           -- NULL: a message that could not be used
  outcome smallint NOT NULL,        -- 1 recorded, 2 copy of a recorded one, 3 dead letter
  user_name text,
  client text,
  trace_id text,
  traceparent text,
  cluster_id bigint,
  body text,
  accepted_at timestamptz,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (generation, partition, "offset")
);

CREATE TABLE task (
  task_id bigint PRIMARY KEY,
  first_subtask_id bigint NOT NULL, -- node n is subtask first_subtask_id + n
  sequence bigint NOT NULL,         -- number of the last move: per task 1, 2, 3, ...
  finish_time timestamptz,
  template_id integer NOT NULL,
  active integer NOT NULL,          -- subtasks READY, RUNNING or CANCELING
  ready integer NOT NULL,           -- subtasks READY
  failed integer NOT NULL,          -- subtasks FAILED
  unfinished integer NOT NULL,      -- subtasks not SUCCESSFUL
  state smallint NOT NULL,
  operation smallint NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
-- The tasks that somebody may still have to do something about.
CREATE INDEX task_running ON task (task_id) WHERE state = 1;

CREATE TABLE task_info (
  task_id bigint PRIMARY KEY,
  request_id text NOT NULL,
  host_id bigint,
  cluster_id bigint,
  obproxy_server_id bigint,
  name text NOT NULL,
  task_type text NOT NULL,
  creator text NOT NULL,
  executor text NOT NULL,
  trace_id text,
  traceparent text,
  context text NOT NULL,            -- JSON {stringMap, listMap, parallel, parallelIdx}
  start_time timestamptz NOT NULL,  -- accepted
  create_time timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (toast_tuple_target = 4096);
CREATE INDEX task_info_host ON task_info (host_id, task_id) WHERE host_id IS NOT NULL;
CREATE INDEX task_info_cluster ON task_info (cluster_id, task_id) WHERE cluster_id IS NOT NULL;

CREATE TABLE subtask (
  task_id bigint NOT NULL,
  subtask_id bigint NOT NULL,
  claim bigint NOT NULL DEFAULT 0,  -- fencing token of the latest attempt
  worker_id bigint NOT NULL DEFAULT 0,
  ready_at timestamptz,
  not_before timestamptz,           -- READY, but not to be claimed before
  claimed_at timestamptz,
  start_time timestamptz,           -- first claim, as OCP
  finish_time timestamptz,
  attempt integer NOT NULL DEFAULT 0,
  run_time integer NOT NULL DEFAULT 1,
  node smallint NOT NULL,
  type_id smallint NOT NULL,
  state smallint NOT NULL,
  operation smallint NOT NULL DEFAULT 1,
  waiting smallint NOT NULL,        -- upstreams that are not SUCCESSFUL
  tries smallint NOT NULL DEFAULT 0,  -- failures the retry policy has used up
  deaths smallint NOT NULL DEFAULT 0, -- workers that died while running it
  held boolean NOT NULL DEFAULT false,
  PRIMARY KEY (task_id, subtask_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

-- The fencing token: rising for the whole system.
CREATE SEQUENCE claim_number;

-- One row is what one transaction did to one task. Append only; read by the relay by xid.
CREATE TABLE event (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  task_id bigint NOT NULL,
  first bigint NOT NULL,
  sequence bigint NOT NULL,
  at timestamptz NOT NULL,
  who text NOT NULL,
  moves text NOT NULL               -- "rule:subtask_id:claim ...", subtask_id 0 is the task
);
CREATE INDEX event_xid ON event (xid);

-- Where the relay stands: every event visible in this snapshot is on the topic.
CREATE TABLE relay (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  snapshot text NOT NULL,
  saved_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE subtask_log (
  task_id bigint NOT NULL,
  subtask_id bigint NOT NULL,
  claim bigint NOT NULL,
  chunk integer NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  body text NOT NULL,
  PRIMARY KEY (task_id, subtask_id, claim, chunk)
);

-- A worker's identity is a number drawn at each process start, never its name.
CREATE SEQUENCE worker_number;
CREATE TABLE worker (
  worker_id bigint PRIMARY KEY,
  counter bigint NOT NULL DEFAULT 0, -- the heartbeat
  started_at timestamptz NOT NULL DEFAULT now(),
  died_at timestamptz,               -- verdict of a sweeper
  left_at timestamptz,               -- drained and went
  swept boolean NOT NULL DEFAULT false, -- its subtasks were made READY again
  name text NOT NULL,
  roles text NOT NULL,
  types text NOT NULL,
  backend_pid integer                -- of its maintainer connection while it is the leader
) WITH (fillfactor = 50);

-- What the topics were made with: the partition of a key is computed from this, for good.
CREATE TABLE topic (
  name text PRIMARY KEY,
  partitions integer NOT NULL
);
