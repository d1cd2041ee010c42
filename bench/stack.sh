# shellcheck shell=bash
# The bench's own stack: services, ingress and worker. Sourced by bench/run.

WORKER=0 PRODUCER=0 # pids

cleanup() {
  local pid

  for pid in "$WORKER" "$PRODUCER" "${helpers[@]}"; do
    ((pid == 0)) || kill "$pid" 2>/dev/null || true
  done
  for pid in "$WORKER" "$PRODUCER" "${helpers[@]}"; do
    ((pid == 0)) || wait "$pid" 2>/dev/null || true
  done
  deploy/stack/services stop >/dev/null 2>&1 || true
  [[ ${KEEP:-} ]] || rm -rf "$OBPIPE_RUN_DIR"
}
helpers=() # other processes of this bench

wait_ready() { # URL
  local i

  for ((i = 0; i < 600; i++)); do
    curl -sf -o /dev/null "$1" && return 0
    sleep 0.05
  done
  fail "$1 is never ready; see $OBPIPE_RUN_DIR"
}

free_port() {
  python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'
}

start_stack() {
  rm -rf "$OBPIPE_RUN_DIR"
  mkdir -p "$OBPIPE_RUN_DIR"
  chmod 711 "$(dirname "$OBPIPE_RUN_DIR")" "$OBPIPE_RUN_DIR"
  deploy/stack/services start >&2
  # shellcheck disable=SC1091 # written by the line above
  . "$OBPIPE_RUN_DIR/env"
  OBPIPE_HTTP_LISTEN=127.0.0.1:$(free_port)
  OBPIPE_WORKER_HTTP_LISTEN=127.0.0.1:$(free_port)
  export OBPIPE_HTTP_LISTEN OBPIPE_URL=http://$OBPIPE_HTTP_LISTEN OBPIPE_WORKER_HTTP_LISTEN
  export OBPIPE_USER=bench OBPIPE_PASSWORD=bench-password
  "$BUILD/obpipe" migrate >/dev/null
  "$BUILD/obpipe" topics >/dev/null
  echo "$OBPIPE_PASSWORD" | "$BUILD/obpipe" user add "$OBPIPE_USER" >/dev/null
  sql -f bench/inventory.sql
  start_worker
  start_producer
}

start_producer() {
  "$BUILD/obpipe-producer" 2>>"$OBPIPE_RUN_DIR/producer.log" &
  PRODUCER=$!
  wait_ready "$OBPIPE_URL/readyz"
}

stop_producer() {
  kill "$PRODUCER"
  wait "$PRODUCER" 2>/dev/null || true
  PRODUCER=0
}

# shellcheck disable=SC2120 # other parts pass settings
start_worker() { # [NAME=VALUE...]
  env "$@" "$BUILD/obpipe-worker" 2>>"$OBPIPE_RUN_DIR/worker.log" &
  WORKER=$!
  wait_ready "http://$OBPIPE_WORKER_HTTP_LISTEN/readyz"
}

stop_worker() {
  kill "$WORKER"
  wait "$WORKER" 2>/dev/null || true
  WORKER=0
}

worker_metric() { # NAME
  curl -sf "http://$OBPIPE_WORKER_HTTP_LISTEN/metrics" | awk -v name="$1" '$1 == name {print $2}'
}
