# shellcheck shell=bash
# The figures as a table for people. Sourced by bench/run.

three() { printf '%s / %s / %s' "$(the "$1_p50$2")" "$(the "$1_p95$2")" "$(the "$1_p99$2")"; }

row() { # WHAT OBPIPE FLOOR RATIO GOAL
  printf '| %s | %s | %s | %s | %s |\n' "$@"
}

print_head() {
  printf '\n%s, %s cores, load %s, %s %% of the CPU taken by the hypervisor; PostgreSQL %s, fsync %s, synchronous_commit %s; Kafka %s, one broker\n\n' \
    "$(uname -sr)" "$(nproc)" "$(cut -d' ' -f1-3 /proc/loadavg)" "$(the stolen_percent)" "$(sql -c 'SHOW server_version')" \
    "$(sql -c 'SHOW fsync')" "$(sql -c 'SHOW synchronous_commit')" "${KAFKA_VERSION:-4.3.1}"
  row what obpipe 'floor on the same services' ratio goal
  row --- --- --- --- ---
}

print_rates() { # SUFFIX HOW CHAIN-GOAL RATE-GOAL
  local hops

  hops=$(calc "12 * $(the floor_kafka_ms_p50)")
  row "chain of 12 no-op subtasks, $2, p50 / p95 / p99 ms" "$(three chain_ms "$1")" \
    "$hops (12 hops of $(the floor_kafka_ms_p50))" "$(ratio "$(the "chain_ms_p50$1")" "$hops")" "$3"
  row "subtasks/s, $TASKS chains in flight, $2" "$(the "subtasks_per_s$1")" \
    "$(the floor_sql_subtasks_per_s) (same row changes, plain SQL)" \
    "$(ratio "$(the "subtasks_per_s$1")" "$(the floor_sql_subtasks_per_s)")" "$4"
  row "one of these chains, p50 / p95 / p99 ms" "$(three task_ms "$1")" '' '' ''
  row "CPU us a subtask in producer, worker, PostgreSQL, Kafka; all" \
    "$(the "cpu_us_per_subtask_producer$1"), $(the "cpu_us_per_subtask_worker$1"), $(the "cpu_us_per_subtask_postgres$1"), $(the "cpu_us_per_subtask_kafka$1"); $(the "cpu_us_per_subtask$1")" '' '' ''
  row 'WAL bytes a subtask' "$(the "wal_bytes_per_subtask$1")" '' '' 1500
}

print_table() {
  print_head
  print_rates '' 'by messages' 18 15000
  print_rates _handoff 'with handoff' 8 30000
  row 'event on its topic, half load, p50 / p95 / p99 ms' "$(three event_ms '')" \
    "$(three floor_kafka_ms '') (one hop)" \
    "$(ratio "$(the event_ms_p50)" "$(the floor_kafka_ms_p50)")" '5 / - / 20'
  print_ingress
  row "MiB resident of worker and producer, $(the tasks_in_flight) tasks in flight" \
    "$(the rss_mib_worker) and $(the rss_mib_producer)" '' '' '64 and 64'
  row 'tasks/s recorded by intake meanwhile' "$(the intake_tasks_per_s)" '' '' ''
  row 'start of a worker to its first claim, ms' "$(the start_ms)" '' '' 1500
  row "CPU of an idle worker, % of a core over $IDLE_SECONDS s" "$(the idle_cpu_percent)" '' '' 1
  print_against growth "after $(the growth_tasks) finished tasks"
  print_against longtx "after $(the longtx_seconds) s of open transactions"
  printf '\nKafka alone: %s messages/s of a hint; batches of 100 in plain SQL take %s ms (p50 / p95 / p99)\n' \
    "$(the floor_kafka_per_s)" "$(three floor_sql_ms '')"
}

post_cpu() { # NAME
  printf '%s, %s, %s, %s, %s' "$(the "$1_cpu_us_producer")" "$(the "$1_cpu_us_worker")" \
    "$(the "$1_cpu_us_postgres")" "$(the "$1_cpu_us_kafka")" "$(the "$1_cpu_us_load")"
}

post_rows() { # NAME CONNECTIONS FLOOR GOAL
  row "accepted POST/s, one ingress thread, intake beside it, $2 connections" "$(the "$1_per_s")" \
    "$(the "$3_per_s") (its messages, produced alone)" "$(ratio "$(the "$1_per_s")" "$(the "$3_per_s")")" "$4"
  row "the same, p50 / p95 / p99 ms" "$(three "$1_ms" '')" '' '' ''
  row 'CPU us a POST in producer, worker, PostgreSQL, Kafka, load' "$(post_cpu "$1")" '' '' ''
  row "intake's lag at the end of the load, s; all recorded after, s" \
    "$(the "$1_intake_lag_s"); $(the "$1_recorded_after_s")" '' '' ''
}

print_ingress() {
  post_rows post "$POST_CONNECTIONS" floor_produce 20000
  post_rows post64 64 floor_produce64 ''
  row 'a request answered at once, requests/s, 64 connections' '' "$(the floor_http_per_s)" '' ''
  row "POSTs at half the rate ($(the post_half_per_s)/s), p50 / p95 / p99 ms" "$(three post_half_ms '')" \
    '' '' '- / - / 20'
  row 'MiB resident of the ingress before and after' \
    "$(the post_half_rss_mib_before) and $(the post_half_rss_mib_after)" '' '' ''
  row 'GET of a task/s (p50 / p95 / p99 ms)' "$(the get_per_s) ($(three get_ms ''))" '' '' 5000
  row "idle connections held beside $(the idle_post_per_s) POST/s (p50 / p99 ms; peak MiB)" \
    "$(the idle_held) ($(the idle_post_ms_p50) / $(the idle_post_ms_p99); $(the idle_peak_mib_producer))" \
    '' '' "$IDLE_CONNECTIONS"
  row "overload, $OVERLOAD_CONNECTIONS connections: accepted/s (p50 / p99 ms; peak MiB)" \
    "$(the overload_accepted_per_s) ($(the overload_ms_p50) / $(the overload_ms_p99); $(the overload_peak_mib_producer))" \
    '' '' ''
  row "$(the overload_refused) refused with 503 meanwhile, p50 / p99 / most ms" \
    "$(the overload_refused_ms_p50) / $(the overload_refused_ms_p99) / $(the overload_refused_ms_max)" \
    '' '' '50'
}

# print_against NAME WHEN: rates after something against those before.
print_against() {
  [[ ${figures[$1_ratio]:-} ]] || return 0
  row "subtasks/s $2" "$(the "subtasks_per_s_$1")" \
    "$(the "subtasks_per_s_$1_before") (before)" "$(the "$1_ratio")" '0.90'
  row "chain $2, p50 / p95 / p99 ms" "$(three chain_ms "_$1")" "$(three chain_ms "_$1_before")" \
    "$(the "$1_chain_ratio")" '1.10'
  row "event $2, p50 / p95 / p99 ms" "$(three event_ms "_$1")" "$(three event_ms "_$1_before")" \
    "$(the "$1_event_ratio")" '1.10'
  row "CPU us a subtask $2" "$(the "cpu_us_per_subtask_$1")" \
    "$(the "cpu_us_per_subtask_$1_before")" "$(the "$1_cpu_ratio")" '1.10'
}
