# shellcheck shell=bash
# The rates while somebody holds transactions open. Sourced by bench/run.

# hold_open DSN STATEMENT: a session that stays in a transaction until its input ends, with us.
hold_open() {
  local pipe

  pipe=$(mktemp -u)
  mkfifo -m 600 "$pipe"
  PGOPTIONS='-c idle_in_transaction_session_timeout=0' \
    psql -qAtX -v ON_ERROR_STOP=1 "$1" <"$pipe" >/dev/null &
  helpers+=($!)
  exec {holding}>"$pipe"
  rm "$pipe"
  printf '%s\n' "$2" >&"$holding"
}

open_transactions() {
  local other

  other=${OBPIPE_PG_DSN/%\/obpipe/\/obpipe_other}
  [[ $other != "$OBPIPE_PG_DSN" ]] || fail "no other database in \"$OBPIPE_PG_DSN\""
  sql -c 'CREATE DATABASE obpipe_other'
  hold_open "$OBPIPE_PG_DSN" 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM relay;'
  hold_open "$other" 'BEGIN; CREATE TABLE held (one integer); SELECT pg_current_xact_id();'
  wait_open
}

wait_open() {
  local i

  for ((i = 0; i < 50; i++)); do
    (($(open_count) < 2)) || return 0
    sleep 0.1
  done
  fail "the transactions to hold open did not start"
}

open_count() {
  sql -c "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'
             AND now() - xact_start < interval '1 day' AND application_name = 'psql'"
}

# Load at about half of what the machine does, for that long.
keep_busy() { # SECONDS
  local a_second r count times

  a_second=$(($(the subtasks_per_s_longtx_before) / 2 / 12)) times=$(($1 * 4))
  count=$((a_second / 4 + 1))
  r=$(bench submit noop-chain $count $times 250 0)
  wait_done "$(of "$r" first)" "$(of "$r" last)" $((count * times))
}

# After rates with the suffix _longtx_before are there.
measure_longtx() { # SECONDS
  open_transactions
  keep_busy "$1"
  put longtx_seconds "$1"
  measure_rates _longtx
  (($(open_count) == 2)) || fail "a transaction did not stay open"
  put longtx_dead_rows "$(sql -c "SELECT sum(n_dead_tup) FROM pg_stat_user_tables")"
  put_against longtx
}
