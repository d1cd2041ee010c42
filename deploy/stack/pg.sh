# shellcheck shell=bash
# PostgreSQL 15 of one run folder, sourced by services.
# Runs as the user `postgres` when we are root (PostgreSQL refuses root), else as ourselves.

pg_bin=/usr/lib/postgresql/15/bin
pg_log=$RUN/log/pg.log
pg_home=/var/lib/postgresql # where the data folder is mounted when `postgres` cannot get to it
pg_prefix=()                # command words put before a PostgreSQL program
pg_data=

# Finds out how to run PostgreSQL's programs: sets pg_prefix, and pg_data as those see it.
pg_prepare() {
	[[ -x $pg_bin/postgres ]] || die "PostgreSQL 15 is not installed; run: make deps"
	(umask 077 && mkdir -p "$RUN/pg")
	pg_data=$RUN/pg/data
	pg_prefix=(env -C / LC_ALL=C.UTF-8)
	((EUID == 0)) || return 0
	id postgres >/dev/null 2>&1 || die "there is no user postgres; run: make deps"
	chown postgres: "$RUN/pg"
	local as_postgres=(setpriv --reuid postgres --regid postgres --init-groups --)
	if "${pg_prefix[@]}" "${as_postgres[@]}" test -w "$RUN/pg" 2>/dev/null; then
		pg_prefix+=("${as_postgres[@]}")
		return 0
	fi
	# Some folder above is closed to postgres (/root is 0700): show it the data folder at a
	# place it can reach, in a mount namespace that only this program sees.
	pg_data=$pg_home/data
	# shellcheck disable=SC2016 # expanded by the inner shell
	pg_prefix+=(unshare --mount --propagation private -- bash -c
		'mount --bind "$1" "$2" && cd / && shift 2 && exec "$@"' - "$RUN/pg" "$pg_home"
		"${as_postgres[@]}")
	"${pg_prefix[@]}" test -w "$pg_home" 2>/dev/null ||
		die "the user postgres cannot reach $RUN/pg, and no mount namespace can be made here;" \
			"set OBPIPE_RUN_DIR to a folder that others may enter, for example /var/tmp/obpipe"
}

# Processes that work on this data folder, whoever started them. The folder's inode is compared,
# not its name, which differs from one mount namespace to another.
pg_holders() {
	local inode pid

	inode=$(stat -Lc %d:%i "$RUN/pg/data" 2>/dev/null) || return 0
	for pid in $(pgrep -x postgres || true); do
		if [[ $(stat -Lc %d:%i "/proc/$pid/cwd" 2>/dev/null) == "$inode" ]]; then
			printf '%s\n' "$pid"
		fi
	done
}
pg_unheld() { [[ -z $(pg_holders) ]]; }

# A server of this folder whose pid file got lost is still ours; children of a killed one end by
# themselves within moments, and must have ended before a new server starts.
pg_repair() {
	local pid=

	{ read -r pid; } 2>/dev/null <"$RUN/pg/data/postmaster.pid" || return 0
	if [[ $pid && $'\n'$(pg_holders)$'\n' == *$'\n'$pid$'\n'* ]]; then
		pid_write pg "$pid"
		return 0
	fi
	if ! wait_until 5 pg_unheld; then
		# shellcheck disable=SC2046 # one word a pid
		kill -s KILL $(pg_holders) 2>/dev/null || true
		wait_until 5 pg_unheld || die "processes $(pg_holders | xargs) hold $RUN/pg/data and do not end"
	fi
	rm -f "$RUN/pg/data/postmaster.pid"
}

# Makes the data folder with role and database obpipe. The superuser has no password and there is
# no socket: only single-user mode gets in as superuser. A half-made folder is made again.
pg_init() {
	local out=$RUN/log/pg-init.log

	[[ ! -e $RUN/pg/ready ]] || return 0
	rm -rf "$RUN/pg/data"
	"${pg_prefix[@]}" "$pg_bin/initdb" -D "$pg_data" -U postgres -A reject -E UTF8 \
		--locale=C --lc-ctype=C.UTF-8 --no-instructions >"$out" 2>&1 || pg_init_failed "$out"
	printf "\ninclude 'obpipe.conf'\n" >>"$RUN/pg/data/postgresql.conf"
	printf 'host all all 127.0.0.1/32 scram-sha-256\n' >"$RUN/pg/data/pg_hba.conf"
	pg_configure
	pg_single postgres "$out" <<-SQL || pg_init_failed "$out"
		CREATE ROLE obpipe LOGIN CREATEDB PASSWORD '$(secret pg)'
		GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO obpipe
		CREATE DATABASE obpipe OWNER obpipe
	SQL
	if [[ $(pg_preload) ]]; then
		pg_single obpipe "$out" <<-SQL || pg_init_failed "$out"
			CREATE EXTENSION pg_stat_statements
			GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO obpipe
		SQL
	fi
	touch "$RUN/pg/ready"
}

# pg_single DATABASE LOG: one statement a line from stdin.
pg_single() {
	"${pg_prefix[@]}" "$pg_bin/postgres" --single -D "$pg_data" -c exit_on_error=on "$1" \
		>>"$2" 2>&1
}

pg_init_failed() {
	log_tail "$1"
	die "PostgreSQL's data folder could not be made; the end of $1 stands above"
}

pg_preload() {
	[[ ! -e /usr/share/postgresql/15/extension/pg_stat_statements.control ]] ||
		printf pg_stat_statements
}

pg_configure() {
	fill PORT="$(port_of pg)" PRELOAD="$(pg_preload)" <"$REPO/deploy/stack/postgresql.conf.in" |
		write_file "$RUN/pg/data/obpipe.conf" 600
	((EUID != 0)) || chown postgres: "$RUN/pg/data/obpipe.conf"
}

pg_answers() {
	local pid port

	pid=$(pid_of pg) && port=$(port_of pg) && listens "$pid" "$port" &&
		[[ $(PGPASSWORD=$(secret pg) PGCONNECT_TIMEOUT=2 psql -X -w -h 127.0.0.1 -p "$port" \
			-U obpipe -d obpipe -Atc 'SELECT 1' 2>/dev/null) == 1 ]]
}

pg_port() {
	settle pg pg_answers
	pg_repair
	is_alive pg || port_choose pg "${OBPIPE_PG_PORT:-}"
}

pg_start() {
	local began

	began=$(now_ms)
	pg_repair
	if ! is_alive pg; then
		pg_prepare
		pg_init
		pg_configure
		spawn pg "$pg_log" "${pg_prefix[@]}" "$pg_bin/postgres" -D "$pg_data"
		wait_until 5 is_alive pg || true
	fi
	wait_ready pg 120 "$pg_log" pg_answers
	say "$(printf '%-10s ready on 127.0.0.1:%s (%s s)' pg "$(port_of pg)" "$(seconds_since "$began")")"
}

# INT is PostgreSQL's fast shutdown; TERM would wait for every client to leave.
pg_stop() { stop_process pg INT 60; }

# All of it at once, as by a power cut: the server first, so that it does not restart its children.
pg_kill() {
	local pid children

	pid=$(pid_of pg) || return 0
	children=$(pgrep -P "$pid" || true)
	# shellcheck disable=SC2086 # one word a pid
	kill -s KILL "$pid" $children 2>/dev/null || true
	wait_until 10 pg_unheld || die "processes $(pg_holders | xargs) of PostgreSQL outlive SIGKILL"
}
