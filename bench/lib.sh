# shellcheck shell=bash
# What the parts of the bench share: SQL, figures, failing. Sourced by bench/run.

declare -A figures=() # what goes to the JSON file: name -> number

fail() {
  printf 'bench: %s\n' "$*" >&2
  exit 1
}

# Not Debian's wrapper: it is a Perl program, and its start would be load.
sql() { /usr/lib/postgresql/15/bin/psql -qAtX -v ON_ERROR_STOP=1 "$OBPIPE_PG_DSN" "$@"; }
bench() { "$BUILD/obpipe-bench" "$@"; }

# of JSON NAME: a member of one JSON object.
of() { jq -r ".$2" <<<"$1"; }

put() { # NAME VALUE
  [[ $2 =~ ^-?[0-9]*\.?[0-9]+$ ]] || fail "$1 is \"$2\", not a number"
  figures[$1]=$2
}
the() { printf '%s' "${figures[$1]:-0}"; }

calc() { awk "BEGIN {printf \"%.${2:-2f}\", $1}"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", b ? a / b : 0}'; }

now_us() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }

# machine_ticks: "all stolen" since boot; what a hypervisor gave to others is no time of ours.
machine_ticks() { awk '$1 == "cpu" {for (i = 2; i <= 9; i++) all += $i; print all, $9}' /proc/stat; }

# put_machine ALL STOLEN: what the machine was like since those ticks.
put_machine() {
  local all stolen

  read -r all stolen < <(machine_ticks)
  put stolen_percent "$(calc "100 * ($stolen - $2) / ($all - $1 + 1)" 1f)"
}

say() { printf '%s\n' "$*" >&2; }

# write_figures FILE [FIGURES-OF-ANOTHER-RUN...]: all figures and what they were measured on.
write_figures() {
  local name

  for name in "${!figures[@]}"; do
    printf '%s\t%s\n' "$name" "${figures[$name]}"
  done | sort | jq -Rn --argjson on "$(stated)" \
    '[inputs | split("\t") | {(.[0]): (.[1] | tonumber)}] | add + {measured_on: $on}' >"$1"
}

# What the figures depend on, as JSON.
stated() {
  jq -n --arg kernel "$(uname -sr)" --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
    --argjson cores "$(nproc)" --arg memory "$(awk '/^MemTotal/ {printf "%.1f GiB", $2 / 1048576}' /proc/meminfo)" \
    --arg folder "$(stat -f -c %T "$OBPIPE_RUN_DIR")" --arg commit "$(git rev-parse --short HEAD 2>/dev/null || true)" \
    --arg load "$(cut -d' ' -f1-3 /proc/loadavg)" --arg kafka "${KAFKA_VERSION:-4.3.1}" \
    --arg settings "$(env | grep '^OBPIPE_' | grep -vE 'DSN|PASSWORD|USER|URL|LISTEN|BROKERS|RUN_DIR' | sort | xargs)" \
    --argjson pg "$(pg_stated)" --arg at "$(date -u +%FT%TZ)" '$ARGS.named'
}

pg_stated() {
  sql -c "SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ('server_version',
            'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'wal_level',
            'max_wal_size', 'wal_compression', 'autovacuum', 'backend_flush_after')"
}
