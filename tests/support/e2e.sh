# shellcheck shell=bash
# What end-to-end scripts share: a folder, a database and a topic prefix of their own, programs that
# end with the script, TAP lines. Sourced; sets $work and $name.

: "${OBPIPE_PG_DSN:?tests/run e2e sets it}" "${OBPIPE_KAFKA_BROKERS:?tests/run e2e sets it}"
: "${OBPIPE_BUILD:?tests/run e2e sets it}"
passed=0 tap_failed=0 checking="" programs=()
work=$(mktemp -d)
name=e2e_$$_$EPOCHSECONDS # process ids come round again
admin_dsn=$OBPIPE_PG_DSN

# Says which check ended the script, ends what start() started, and cleans up.
e2e_end() {
	local status=$? pid

	trap - EXIT
	if [[ $checking ]]; then
		echo "not ok $((passed + 1)) - $checking" >&3
		tail -n 40 "$work/log" | sed 's/^/# /' >&3
		status=1
	fi
	for pid in "${programs[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${programs[@]}"; do wait "$pid" 2>/dev/null || true; done
	psql -qX "$admin_dsn" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" >/dev/null 2>&1 || true
	rm -rf "$work"
	exit "$status"
}
trap e2e_end EXIT
exec 3>&1

# check NAME COMMAND...: the first command within that fails ends the script, with its output: not
# called from a condition, a function stops at its first failure.
check() {
	checking=$1
	shift
	"$@" >"$work/log" 2>&1
	passed=$((passed + 1))
	echo "ok $passed - $checking"
	checking=
}

# A program that prints TAP lines of its own.
run_tap() { # COMMAND...
	"$@" || tap_failed=1
}

finish() { ((tap_failed == 0)); }

# Runs COMMAND until it succeeds, for 30 s.
wait_until() {
	local end=$((SECONDS + 60))

	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# The administrator's DSN with another database.
dsn_of_database() { # NAME
	case $admin_dsn in
	*://*) sed -E "s|/[^/?]*(\?.*)?$|/$1\1|" <<<"$admin_dsn" ;;
	*) echo "$admin_dsn dbname=$1" ;;
	esac
}

# An empty database and a topic prefix; exported to what is started from here on.
own_database() {
	psql -qX "$admin_dsn" -c "CREATE DATABASE $name"
	OBPIPE_PG_DSN=$(dsn_of_database "$name")
	export OBPIPE_PG_DSN OBPIPE_TOPIC_PREFIX=$name.
}

# start LABEL COMMAND...: in the background, its log in $work/LABEL.log. Once it listens its port is
# in $port, its process id in $started.
start() {
	local label=$1

	shift
	: >"$work/$label.log" # of an earlier start
	"$@" >"$work/$label.log" 2>&1 3>&- &
	started=$!
	programs+=("$started")
	wait_until grep -q '"listening"' "$work/$label.log"
	# shellcheck disable=SC2034 # the caller's
	port=$(grep '"listening"' "$work/$label.log" | grep -oE '[0-9]+"?}' | tail -n 1 | tr -dc 0-9)
}
