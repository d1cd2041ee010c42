# shellcheck shell=bash
# The loads through obpipe and what they took. Each puts figures named with the suffix it is given.
# Sourced by bench/run.

# wait_done FIRST LAST COUNT: ids may have gaps, where one reserved block ends. All must succeed.
wait_done() {
  local i ended failed

  # Rarely, and first of the last task only: the question is load, and the rates are from the rows.
  for ((i = 0; i < 300; i++)); do
    [[ $(sql -c "SELECT state > 1 FROM task WHERE task_id = $2") != t ]] || break
    sleep 0.4
  done
  for ((i = 0; i < 300; i++)); do
    IFS='|' read -r ended failed < <(sql -c "SELECT count(*) FILTER (WHERE state = 3),
      count(*) FILTER (WHERE state = 2) FROM task WHERE task_id BETWEEN $1 AND $2")
    ((failed == 0)) || fail "$failed tasks in $1..$2 FAILED"
    ((ended < $3)) || return 0
    sleep 0.4
  done
  fail "$ended of the $3 tasks in $1..$2 ended SUCCESSFUL"
}

# The broker compiles its hot paths while it works: too little and its start is what is measured.
warm_up() { # TASKS
  local r

  r=$(bench submit noop-chain 500 $(($1 / 500)) 150 0)
  wait_done "$(of "$r" first)" "$(of "$r" last)" $(($1 / 500 * 500))
  bench chain noop-chain 100 >/dev/null
}

# put_task_ms NAME SUFFIX FIRST LAST: acceptance to end of these tasks.
put_task_ms() {
  local p50 p95 p99

  IFS='|' read -r p50 p95 p99 < <(sql -c "
    SELECT round(p[1]::numeric, 2), round(p[2]::numeric, 2), round(p[3]::numeric, 2)
      FROM (SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY
                     extract(epoch FROM t.finish_time - i.start_time) * 1000) AS p
              FROM task t JOIN task_info i USING (task_id)
             WHERE task_id BETWEEN $3 AND $4) c")
  put "$1_p50$2" "$p50"
  put "$1_p95$2" "$p95"
  put "$1_p99$2" "$p99"
}

# One chain after the other.
measure_chain() { # SUFFIX
  local r

  r=$(bench chain noop-chain "$CHAINS")
  wait_done "$(of "$r" first)" "$(of "$r" last)" "$CHAINS"
  put_task_ms chain_ms "$1" "$(of "$r" first)" "$(of "$r" last)"
}

# All are submitted at once; the rate is from the first acceptance to the last end.
measure_many() { # SUFFIX
  local before cpu r first last count=$((TASKS / 1000 * 1000)) rate wal

  before=$(sql -c 'SELECT pg_current_wal_lsn()')
  cpu=$(cpu_us)
  r=$(bench submit noop-chain 1000 $((TASKS / 1000)) 0 0)
  first=$(of "$r" first) last=$(of "$r" last)
  wait_done "$first" "$last" "$count"
  wait_relayed
  put_cpu "$1" "$cpu" "$(cpu_us)" $((count * 12))
  IFS='|' read -r rate wal < <(sql -c "
    SELECT round(12 * count(*) / extract(epoch FROM max(t.finish_time) - min(i.start_time))),
           round((pg_current_wal_lsn() - '$before') / (12 * count(*)))
      FROM task t JOIN task_info i USING (task_id) WHERE task_id BETWEEN $first AND $last")
  put "subtasks_per_s$1" "$rate"
  put "wal_bytes_per_subtask$1" "$wal"
  put_task_ms task_ms "$1" "$first" "$last"
}

# Delay of events at about half of the rate measured.
measure_events() { # SUFFIX
  local r out a_second listener times count

  a_second=$(($(the "subtasks_per_s$1") / 2 / 12))
  out=$(mktemp)
  bench events "$SECONDS_EACH" >"$out" &
  listener=$!
  sleep 0.5
  times=$(((${SECONDS_EACH%.*} - 1) * 20)) count=$((a_second / 20 + 1))
  r=$(bench submit noop-chain $count $times 50 0)
  wait "$listener"
  wait_done "$(of "$r" first)" "$(of "$r" last)" $((count * times))
  r=$(<"$out")
  rm "$out"
  put "event_ms_p50$1" "$(of "$r" p50_ms)"
  put "event_ms_p95$1" "$(of "$r" p95_ms)"
  put "event_ms_p99$1" "$(of "$r" p99_ms)"
}

# The rates that growth and open transactions are held against.
measure_rates() { # SUFFIX
  measure_chain "$1"
  measure_many "$1"
  measure_events "$1"
}

# The same with local handoff.
measure_handoff() {
  stop_worker
  start_worker OBPIPE_HANDOFF=true
  warm_up 2000
  measure_chain _handoff
  measure_many _handoff
  stop_worker
  start_worker
}
