# shellcheck shell=bash
# What a load costs: CPU of each process, resident memory, log bytes. Sourced by bench/run.

export TICK_US=$((1000000 / $(getconf CLK_TCK))) # one tick of /proc

# ticks PID...: user and system time of these, children they waited for included.
ticks() {
  local pid line fields total=0

  for pid in "$@"; do
    { read -r line; } 2>/dev/null <"/proc/$pid/stat" || continue
    read -ra fields <<<"${line##*) }"
    total=$((total + fields[11] + fields[12] + fields[13] + fields[14]))
  done
  printf '%s' "$total"
}

service_pid() { cut -d' ' -f1 "$OBPIPE_RUN_DIR/pid/$1"; }

postgres_ticks() {
  local main

  main=$(service_pid pg)
  # shellcheck disable=SC2046 # one word a pid
  ticks "$main" $(pgrep -P "$main")
}

# cpu_us: "producer worker postgres kafka", us since they started.
cpu_us() {
  printf '%s %s %s %s\n' $(($(ticks "$PRODUCER") * TICK_US)) $(($(ticks "$WORKER") * TICK_US)) \
    $(($(postgres_ticks) * TICK_US)) $(($(ticks "$(service_pid kafka)") * TICK_US))
}

# put_cpu SUFFIX BEFORE AFTER SUBTASKS: the four, a subtask.
put_cpu() {
  local suffix=$1 subtasks=$4 name i=0
  local -a before after

  read -ra before <<<"$2"
  read -ra after <<<"$3"
  for name in producer worker postgres kafka; do
    put "cpu_us_per_subtask_$name$suffix" \
      "$(calc "(${after[i]} - ${before[i]}) / $subtasks" 1f)"
    i=$((i + 1))
  done
  put "cpu_us_per_subtask$suffix" "$(calc "$(the "cpu_us_per_subtask_producer$suffix") + \
    $(the "cpu_us_per_subtask_worker$suffix") + $(the "cpu_us_per_subtask_postgres$suffix") + \
    $(the "cpu_us_per_subtask_kafka$suffix")" 1f)"
}

rss_mib() { awk '/^VmRSS/ {printf "%.1f", $2 / 1024}' "/proc/$1/status"; }
peak_mib() { awk '/^VmHWM/ {printf "%.1f", $2 / 1024}' "/proc/$1/status"; }

# The worker with nothing to do, all its threads, in percent of one core.
measure_idle() {
  local before

  before=$(ticks "$WORKER")
  sleep "$IDLE_SECONDS"
  put idle_cpu_percent "$(calc "($(ticks "$WORKER") - $before) * $TICK_US / $IDLE_SECONDS / 10000")"
}

# From the start of a worker to its first claim, of a task that waits since before.
measure_start() {
  local r started

  r=$(bench submit noop-chain 1 1 0 0)
  wait_done "$(of "$r" first)" "$(of "$r" last)" 1
  stop_worker
  r=$(bench submit noop-chain 1 1 0 0)
  started=$(now_us)
  start_worker
  wait_done "$(of "$r" first)" "$(of "$r" last)" 1
  put start_ms "$(sql -c "SELECT round(extract(epoch FROM min(claimed_at)) * 1000 - $started / 1000.0)
                            FROM subtask WHERE task_id = $(of "$r" first)")"
}

# Memory with many tasks in flight. They hardly move on, and are thrown away with the stack.
measure_memory() {
  local began r recorded=0 i

  began=$(now_us)
  # More than asked for: some end meanwhile.
  r=$(bench submit noop-chain 1000 $((IN_FLIGHT / 1000 + 1)) 0 2000)
  for ((i = 0; i < 600; i++)); do
    recorded=$(sql -c "SELECT count(*) FROM task WHERE state = 1 AND task_id >= $(of "$r" first)")
    ((recorded < IN_FLIGHT)) || break
    sleep 0.2
  done
  ((recorded >= IN_FLIGHT)) || fail "only $recorded of $IN_FLIGHT tasks are in flight"
  put intake_tasks_per_s "$(calc "$recorded * 1000000 / ($(now_us) - $began)" 0f)"
  sleep 3 # hints go on coming in
  put tasks_in_flight "$(sql -c 'SELECT count(*) FROM task WHERE state = 1')"
  put rss_mib_worker "$(rss_mib "$WORKER")"
  put rss_mib_producer "$(rss_mib "$PRODUCER")"
  put peak_mib_worker "$(peak_mib "$WORKER")"
  put peak_mib_producer "$(peak_mib "$PRODUCER")"
}
