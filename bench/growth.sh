# shellcheck shell=bash
# The rates with many finished tasks stored. Sourced by bench/run.

export LOADED_FIRST=0 LOADED_LAST=-1 # ids of the finished tasks: their events are not on the topic

# Ids are taken from their counters; the ingress, started anew, goes on behind them.
load_finished() { # TASKS EVENTS-OF-HOW-MANY
  local first began page=200000 from last

  began=$SECONDS
  stop_producer
  first=$(sql -c "UPDATE id_counter SET next = next + CASE name WHEN 'task' THEN $1 ELSE 12 * $1 END
                   WHERE name IN ('task', 'subtask') RETURNING next - $1, name" |
    awk -F'|' '$2 == "task" {print $1}')
  LOADED_FIRST=$first LOADED_LAST=$((first + $1 - 1))
  for ((from = first; from < first + $1; from += page)); do
    last=$((from + page < first + $1 ? from + page : first + $1))
    sql -v from="$from" -v until="$last" -v with_events=$((first + $1 - $2)) -f bench/growth.sql
    say "bench: $((last - first)) of $1 finished tasks stored, $((SECONDS - began)) s"
  done
  # What autovacuum would have done in the weeks that so many tasks take.
  sql -c 'VACUUM (FREEZE, ANALYZE) task, task_info, subtask, event_batch, request, subtask_log'
  sql -c CHECKPOINT
  start_producer
  put growth_load_s $((SECONDS - began))
  put growth_gib "$(sql -c 'SELECT round(pg_database_size(current_database()) / 1073741824.0, 2)')"
}

# put_against NAME: what the rates after it are against those before.
put_against() {
  put "$1_ratio" "$(ratio "$(the "subtasks_per_s_$1")" "$(the "subtasks_per_s_$1_before")")"
  put "$1_chain_ratio" "$(ratio "$(the "chain_ms_p50_$1")" "$(the "chain_ms_p50_$1_before")")"
  put "$1_event_ratio" "$(ratio "$(the "event_ms_p50_$1")" "$(the "event_ms_p50_$1_before")")"
  put "$1_cpu_ratio" "$(ratio "$(the "cpu_us_per_subtask_$1")" "$(the "cpu_us_per_subtask_$1_before")")"
}

# copy_figures FROM-SUFFIX TO-SUFFIX: rates that were just measured are not measured again.
copy_figures() {
  local name

  for name in subtasks_per_s chain_ms_p50 chain_ms_p95 chain_ms_p99 event_ms_p50 event_ms_p95 \
    event_ms_p99 cpu_us_per_subtask; do
    put "$name$2" "$(the "$name$1")"
  done
}

# After rates with the suffix _growth_before are there.
measure_growth() { # TASKS EVENTS-OF-HOW-MANY
  put growth_tasks "$1"
  load_finished "$1" "$2"
  warm_up 1000
  measure_rates _growth
  put_against growth
}
