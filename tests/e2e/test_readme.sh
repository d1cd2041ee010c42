#!/usr/bin/env bash
# The README's worked example, done word for word in a copy of the sources: a new subtask type and a
# new template run to SUCCESSFUL. And the README's generated parts are those of the programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${OBPIPE_PG_DSN:?tests/run e2e sets it}" "${OBPIPE_KAFKA_BROKERS:?tests/run e2e sets it}"
passed=0 failed=0 programs=()
copy=$(mktemp -d)
name=readme_$$

cleanup() {
  local pid
  for pid in "${programs[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${programs[@]}"; do wait "$pid" 2>/dev/null || true; done
  psql -qX "$admin_dsn" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" >/dev/null 2>&1 || true
  rm -rf "$copy"
}
admin_dsn=$OBPIPE_PG_DSN
trap cleanup EXIT

check() { # NAME COMMAND...
  local what=$1
  shift
  if "$@" >"$copy/log" 2>&1; then
    passed=$((passed + 1))
    echo "ok $((passed + failed)) - $what"
  else
    failed=$((failed + 1))
    echo "not ok $((passed + failed)) - $what"
    tail -n 40 "$copy/log" | sed 's/^/# /'
  fi
}

# The first fenced block of a language behind a line that holds a text, without its indentation.
block() { # LANGUAGE TEXT
  awk -v fence="\`\`\`$1" -v text="$2" '
    index($0, text) {near = 1}
    near && index($0, fence) {inside = 1; next}
    inside && /^ *```$/ {exit}
    inside {sub(/^   /, ""); print}' README.md
}

with_database() {
  case $OBPIPE_PG_DSN in
  *://*) sed -E "s|/[^/?]*(\?.*)?$|/$name\1|" <<<"$admin_dsn" ;;
  *) echo "$admin_dsn dbname=$name" ;;
  esac
}

follow_readme() {
  git ls-files -z | xargs -0 tar cf - --ignore-failed-read | tar xf - -C "$copy"
  block c workers/subtasks/hello.c >"$copy/workers/subtasks/hello.c"
  block json schema/templates/greet.json >"$copy/schema/templates/greet.json"
  grep -o 'SUBTASK_TYPE(hello, "hello")' README.md >>"$copy/workers/subtasks/registry.def"
  make -s -C "$copy" BUILD=build -j2 all
}

# Runs COMMAND until it succeeds, for 30 s.
wait_until() {
  local end=$((SECONDS + 30))
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

start() { # PROGRAM: its port goes to $port
  "$copy/build/$1" 2>"$copy/$1.log" &
  programs+=($!)
  wait_until grep -q '"listening"' "$copy/$1.log"
  port=$(grep '"listening"' "$copy/$1.log" | grep -oE '[0-9]+"?}' | tail -n 1 | tr -dc 0-9)
}

greet() {
  local task
  start obpipe-producer
  export OBPIPE_URL=http://127.0.0.1:$port OBPIPE_USER=admin OBPIPE_PASSWORD=readme-password
  wait_until curl -sf -o /dev/null "$OBPIPE_URL/readyz"
  start obpipe-worker
  "$copy/build/obpipe" submit template greet --watch
  task=$("$copy/build/obpipe" tasks --json | jq '.contents[0].id')
  "$copy/build/obpipe" log "$task" | grep 'hello from host'
}

prepare() {
  psql -qX "$admin_dsn" -c "CREATE DATABASE $name"
  OBPIPE_PG_DSN=$(with_database)
  export OBPIPE_PG_DSN OBPIPE_TOPIC_PREFIX=$name. OBPIPE_HTTP_LISTEN=127.0.0.1:0
  export OBPIPE_WORKER_HTTP_LISTEN=127.0.0.1:0
  "$copy/build/obpipe" migrate
  "$copy/build/obpipe" topics
  echo readme-password | "$copy/build/obpipe" user add admin
}

settings_are_current() {
  diff <("$copy/build/obpipe" config --markdown) <(sed -n '/^| setting /,/^$/p' README.md | sed '/^$/d')
}

check 'the worked example compiles' follow_readme
check 'database and topics are made' prepare
check 'the new type runs' greet
check 'the settings table is that of the programs' settings_are_current
echo "$passed passed, $failed failed"
((failed == 0))
