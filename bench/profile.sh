# shellcheck shell=bash
# Where the time goes under load: threads, statements, log records and, where perf is installed,
# functions. Sourced by bench/run.

# threads PID...: "ticks name" of each thread, numbers cut off pooled names.
threads() {
  local pid stat

  for pid in "$@"; do
    for stat in "/proc/$pid/task"/*/stat; do
      { cat "$stat"; } 2>/dev/null || true
    done
  done | awk '{
    match($0, /\(.*\)/)
    name = substr($0, RSTART + 1, RLENGTH - 2)
    sub(/[-#0-9 ]+$/, "", name)
    split(substr($0, RSTART + RLENGTH + 1), f, " ")
    print f[12] + f[13] "\t" name
  }'
}

# PostgreSQL's processes by what they are.
postgres_threads() {
  local main pid title

  main=$(service_pid pg)
  for pid in $(pgrep -P "$main"); do
    title=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || continue
    printf '%s\t%s\n' "$(ticks "$pid")" "$(pg_name "$pid" "$title")"
  done
}

pg_name() { # PID TITLE
  local name

  name=$(sql -c "SELECT application_name FROM pg_stat_activity WHERE pid = $1 AND application_name <> ''")
  printf '%s' "${name:-$(sed 's/^postgres: *//; s/ *$//' <<<"$2")}"
}

all_threads() {
  threads "$PRODUCER" | sed 's/\t/\tproducer: /'
  threads "$WORKER" | sed 's/\t/\tworker: /'
  postgres_threads | sed 's/\t/\tPostgreSQL: /'
  threads "$(service_pid kafka)" | sed 's/\t/\tKafka: /'
}

# print_threads BEFORE AFTER SUBTASKS: files of all_threads().
print_threads() {
  printf '\n| thread or process | CPU us a subtask |\n| --- | --- |\n'
  # shellcheck disable=SC2154 # TICK_US: bench/cost.sh
  awk -F'\t' -v tick="$TICK_US" -v n="$3" '
    NR == FNR {was[$2] += $1; next}
    {now[$2] += $1}
    END {for (t in now) {us = (now[t] - was[t]) * tick / n
                         if (us >= 0.3) printf "| %s | %.1f |\n", t, us}}' "$1" "$2" | sort -t'|' -k3,3nr
}

print_statements() { # SUBTASKS
  printf '\n| statement | calls | us a call | us a subtask | WAL bytes a subtask |\n| --- | --- | --- | --- | --- |\n'
  sql -F' | ' -c "
    SELECT '| ' || trim(regexp_replace(left(query, 60), '[\s|]+', ' ', 'g')), calls, round(mean_exec_time * 1000),
           round((total_exec_time * 1000 / $1)::numeric, 1), round(wal_bytes / $1) || ' |'
      FROM pg_stat_statements WHERE total_exec_time * 1000 / $1 >= 0.1
     ORDER BY total_exec_time DESC LIMIT 12"
}

print_wal() { # FROM SUBTASKS
  printf '\n| WAL record | records a subtask | bytes a subtask |\n| --- | --- | --- |\n'
  # pg_waldump ends with an error at the end of the log that is being written.
  { /usr/lib/postgresql/15/bin/pg_waldump -p "$OBPIPE_RUN_DIR/pg/data/pg_wal" -s "$1" \
    -e "$(sql -c 'SELECT pg_current_wal_flush_lsn()')" --stats=record 2>/dev/null || true; } |
    awk -v n="$2" '$1 ~ /\// {gsub(/[()%]/, " ")
      if ($4 / n >= 1) printf "| %s | %.2f | %.0f |\n", $1, $2 / n, $4 / n}'
}

print_functions() {
  command -v perf >/dev/null || return 0
  printf '%s\n' '' 'perf, samples of the CPU clock:' '' '| process | library | % |' '| --- | --- | --- |'
  perf report -i "$1" --no-children --sort comm,dso --percent-limit 1 2>/dev/null |
    awk '$1 ~ /%$/ {p = $1; lib = $NF; $1 = $NF = ""; gsub(/^ +| +$/, ""); print "| " $0 " | " lib " | " p " |"}'
  printf '%s\n' '' '| function | % |' '| --- | --- |'
  perf report -i "$1" --no-children --sort dso,symbol --percent-limit 0.7 2>/dev/null |
    awk '$1 ~ /%$/ && $NF !~ /^0x/ {p = $1; $1 = ""; sub(/ +\[[.k]\] /, ": "); gsub(/ +- +- *$/, ""); print "|" $0 " | " p " |"}'
}

# The load by messages, looked at. TASKS are whole thousands.
measure_profile() {
  local dir from subtasks=$((TASKS * 12)) sampler=0

  dir=$(mktemp -d)
  sql -c 'SELECT pg_stat_statements_reset()' >/dev/null
  from=$(sql -c 'SELECT pg_current_wal_flush_lsn()')
  all_threads >"$dir/before"
  if command -v perf >/dev/null; then
    perf record -q -F 499 -e cpu-clock -a -o "$dir/perf" >/dev/null 2>&1 &
    sampler=$!
  fi
  measure_many ''
  if ((sampler)); then
    kill -INT "$sampler"
    wait "$sampler" || true
  fi
  all_threads >"$dir/after"
  printf '\n%s subtasks/s; %s us of CPU and %s bytes of WAL a subtask\n' "$(the subtasks_per_s)" \
    "$(the cpu_us_per_subtask)" "$(the wal_bytes_per_subtask)"
  print_threads "$dir/before" "$dir/after" "$subtasks"
  print_statements "$subtasks"
  print_wal "$from" "$subtasks"
  ((sampler == 0)) || print_functions "$dir/perf"
  rm -rf "$dir"
}
