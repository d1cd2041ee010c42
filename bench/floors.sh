# shellcheck shell=bash
# What the services alone can do, without obpipe between. Sourced by bench/run.

floor_http() {
  local get

  get=$(bench get /healthz 64 "$SECONDS_EACH")
  put floor_http_per_s "$(of "$get" per_s)"
  put floor_http_ms_p50 "$(of "$get" p50_ms)"
  put floor_http_ms_p95 "$(of "$get" p95_ms)"
  put floor_http_ms_p99 "$(of "$get" p99_ms)"
}

floor_kafka() {
  local hops

  hops=$(bench kafka 2000 200000)
  put floor_kafka_ms_p50 "$(of "$hops" p50_ms)"
  put floor_kafka_ms_p95 "$(of "$hops" p95_ms)"
  put floor_kafka_ms_p99 "$(of "$hops" p99_ms)"
  put floor_kafka_per_s "$(of "$hops" per_s)"
}

# The same row changes in batches of 100, two connections. A line of the log is one batch, in us.
floor_sql() {
  local folder

  sql -f bench/floor.sql
  folder=$(mktemp -d)
  /usr/lib/postgresql/15/bin/pgbench -n -M prepared -T "$SECONDS_EACH" -c 2 -j 1 -l -D turn=0 \
    --log-prefix="$folder/log" -f bench/floor.pgbench "$OBPIPE_PG_DSN" 2>/dev/null |
    awk '/^tps/ {printf "%.0f", $3 * 100}' >"$folder/rate"
  put floor_sql_subtasks_per_s "$(<"$folder/rate")"
  cat "$folder"/log.* | awk '{print $3 / 1000}' | sort -g >"$folder/sorted"
  put floor_sql_ms_p50 "$(line_at "$folder/sorted" 50)"
  put floor_sql_ms_p95 "$(line_at "$folder/sorted" 95)"
  put floor_sql_ms_p99 "$(line_at "$folder/sorted" 99)"
  rm -r "$folder"
  sql -c 'DROP TABLE bench_floor_task, bench_floor_subtask, bench_floor_event'
}

line_at() { # FILE PERCENT
  awk -v share="$2" '{v[NR] = $1} END {printf "%.3f", v[int((NR - 1) * share / 100) + 1]}' "$1"
}
