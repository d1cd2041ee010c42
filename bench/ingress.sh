# shellcheck shell=bash
# The ingress: what it accepts while intake records it, beside the floors of its parts. A worker of
# roles intake and maintainer runs; no executor, since no host of the bench exists. Sourced by
# bench/run.

POST_CONNECTIONS=256       # of the figure that is quoted; 64 as well
IDLE_CONNECTIONS=10000     # kept beside a load
OVERLOAD_CONNECTIONS=2000  # four times as many as may wait by default (OBPIPE_HTTP_IN_FLIGHT)
POST_SECONDS=4
NEXT_HOST=1                # each POST is for another one

# An ingress that has accepted nothing yet: every host is free, memory is what the inventory takes.
fresh_ingress() {
  stop_producer
  start_producer
  bench get /api/v2/software-packages 1 0.1 >/dev/null # the password is verified, once
  NEXT_HOST=1
}

start_intake() {
  stop_worker
  start_worker OBPIPE_ROLES=intake,maintainer
}

recorded() { worker_metric obpipe_intake_requests_total; }

wait_recorded() { # COUNT
  local i

  for ((i = 0; i < 3000; i++)); do
    (($(recorded) < $1)) || return 0
    sleep 0.1
  done
  fail "intake recorded $(recorded) of $1 requests"
}

none_refused() { # RESULT
  (($(of "$1" refused) == 0)) || fail "POSTs were refused: $1"
  NEXT_HOST=$((NEXT_HOST + $(of "$1" sent)))
  ((NEXT_HOST <= $(sql -c 'SELECT max(host_id) FROM host'))) ||
    fail 'bench/inventory.sql has too few hosts for these POSTs'
}

# put_post_cpu NAME BEFORE AFTER RESULT: CPU of each process a request.
put_post_cpu() {
  local name i=0 requests
  local -a before after

  read -ra before <<<"$2"
  read -ra after <<<"$3"
  requests=$(of "$4" sent)
  for name in producer worker postgres kafka; do
    put "$1_cpu_us_$name" "$(calc "(${after[i]} - ${before[i]}) / $requests" 1f)"
    i=$((i + 1))
  done
  put "$1_cpu_us_load" "$(of "$4" cpu_us)"
}

put_ms() { # NAME RESULT
  put "$1_ms_p50" "$(of "$2" p50_ms)"
  put "$1_ms_p95" "$(of "$2" p95_ms)"
  put "$1_ms_p99" "$(of "$2" p99_ms)"
}

# As many POSTs as these connections get answered one after the other; then intake catches up.
closed_loop() { # NAME CONNECTIONS
  local post before cpu ended

  fresh_ingress
  before=$(recorded)
  cpu=$(cpu_us)
  post=$(bench post "$NEXT_HOST" 200000 "$2" "$POST_SECONDS")
  put_post_cpu "$1" "$cpu" "$(cpu_us)" "$post"
  ended=$(now_us)
  put "$1_intake_lag_s" "$(worker_metric obpipe_intake_lag_seconds)"
  none_refused "$post"
  put "$1_per_s" "$(of "$post" per_s)"
  put_ms "$1" "$post"
  wait_recorded $((before + $(of "$post" sent)))
  put "$1_recorded_after_s" "$(calc "($(now_us) - $ended) / 1000000" 1f)"
}

# A rate, whether or not the answers come.
half_rate() {
  local post before

  fresh_ingress
  before=$(recorded)
  put post_half_rss_mib_before "$(rss_mib "$PRODUCER")"
  post=$(bench rate "$NEXT_HOST" $(($(the post_per_s) / 2)) "$POST_CONNECTIONS" "$POST_SECONDS" 0)
  put post_half_rss_mib_after "$(rss_mib "$PRODUCER")"
  put post_half_intake_lag_s "$(worker_metric obpipe_intake_lag_seconds)"
  none_refused "$post"
  put post_half_per_s "$(of "$post" per_s)"
  put_ms post_half "$post"
  wait_recorded $((before + $(of "$post" sent)))
}

idle_connections() {
  local post before

  fresh_ingress
  before=$(recorded)
  post=$(bench idle "$IDLE_CONNECTIONS" "$NEXT_HOST" $(($(the post_per_s) / 4)) 64 3)
  none_refused "$post"
  put idle_held "$(of "$post" held)"
  put idle_post_per_s "$(of "$post" per_s)"
  put idle_post_ms_p50 "$(of "$post" p50_ms)"
  put idle_post_ms_p99 "$(of "$post" p99_ms)"
  put idle_peak_mib_producer "$(peak_mib "$PRODUCER")"
  wait_recorded $((before + $(of "$post" sent)))
}

# All begin at once; those that were refused wait for 1 to 2 s: Retry-After says 1.
overload() {
  local post before

  fresh_ingress
  before=$(recorded)
  post=$(bench rate "$NEXT_HOST" 0 "$OVERLOAD_CONNECTIONS" 4 1000)
  (($(of "$post" refused) == $(of "$post" unavailable))) ||
    fail "refused with something else than 503 and Retry-After: $post"
  put overload_accepted_per_s "$(calc "$(of "$post" per_s) * \
    ($(of "$post" sent) - $(of "$post" refused)) / $(of "$post" sent)" 0f)"
  put overload_refused "$(of "$post" refused)"
  put overload_ms_p50 "$(of "$post" p50_ms)"
  put overload_ms_p99 "$(of "$post" p99_ms)"
  put overload_refused_ms_p50 "$(of "$post" refused_p50_ms)"
  put overload_refused_ms_p99 "$(of "$post" refused_p99_ms)"
  put overload_refused_ms_max "$(of "$post" refused_max_ms)"
  put overload_peak_mib_producer "$(peak_mib "$PRODUCER")"
  wait_recorded $((before + $(of "$post" sent) - $(of "$post" refused)))
}

get_task() {
  local get

  get=$(bench get "/api/v2/tasks/instances/$(sql -c 'SELECT max(task_id) FROM task')" 64 3)
  (($(of "$get" refused) == 0)) || fail "GETs were refused: $get"
  put get_per_s "$(of "$get" per_s)"
  put_ms get "$get"
}

# The newest request's bytes, as many under way as connections above.
floor_produce() {
  local r

  r=$(bench produce 64 2)
  put floor_produce64_per_s "$(of "$r" per_s)"
  r=$(bench produce "$POST_CONNECTIONS" 2)
  put floor_produce_per_s "$(of "$r" per_s)"
  put_ms floor_produce "$r"
}

# The broker compiles what it does often. Nothing of it waits to be recorded when others begin.
warm_up_post() {
  local post before

  before=$(recorded)
  post=$(bench post 2 100000 "$POST_CONNECTIONS" 8)
  wait_recorded $((before + $(of "$post" sent) - $(of "$post" refused)))
}

measure_post() {
  start_intake
  warm_up_post
  closed_loop post64 64
  closed_loop post "$POST_CONNECTIONS"
  floor_produce
  half_rate
  idle_connections
  get_task
  overload
}
