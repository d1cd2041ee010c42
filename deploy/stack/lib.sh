# shellcheck shell=bash
# What the stack scripts share: the run folder, process identity, ports, secrets, waiting.
# Source it first; it sets REPO and RUN and turns strict mode on.
#
# A run folder holds everything one stack writes:
#   pg/ kafka/    data          log/   one log a program     pid/   "pid starttime" a program
#   port/ address/  where they listen                        secret/ random passwords
#   lock/         one start or stop at a time
#   env           shell exports for whoever wants to talk to the stack (0600)
set -euo pipefail
unset "${!PG@}" # a stray PGOPTIONS or PGSERVICE would bend every client below

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
RUN=${OBPIPE_RUN_DIR:-$REPO/.run}
[[ $RUN == /* ]] || RUN=$PWD/$RUN

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
	warn "$@"
	exit 1
}

# Makes the run folder. Others may pass through it (PostgreSQL may run as another user) but not
# look into it.
run_folder_make() {
	[[ $RUN != *[$',\\\n']* ]] || die "Kafka cannot use a folder with a comma or backslash: $RUN"
	if [[ ! -d $RUN ]]; then
		mkdir -p "$RUN" || die "cannot make the run folder $RUN"
		chmod 711 "$RUN"
	fi
	[[ -w $RUN ]] || die "the run folder $RUN is not yours to write; set OBPIPE_RUN_DIR to another"
	(umask 077 && mkdir -p "$RUN"/{address,lock,log,pid,port,secret})
}

# lock NAME: until this script ends, nobody else holds NAME in this run folder.
lock() {
	exec 9>"$RUN/lock/$1"
	flock -w 300 9 || die "another $1 of $RUN has not ended for 300 s; see $RUN/log"
}

# write_file PATH MODE: stdin, all of it or nothing.
write_file() {
	local new=$1.new.$BASHPID

	(umask 077 && cat >"$new")
	chmod "$2" "$new"
	mv -f "$new" "$1"
}

seconds_since() { # MILLISECONDS, as now_ms gives
	local ms=$(($(now_ms) - $1))

	printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}
now_ms() { printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

# wait_until SECONDS COMMAND...: true as soon as COMMAND is; false at the deadline.
wait_until() {
	local end=$(($(now_ms) + $1 * 1000))

	shift
	until "$@"; do
		(($(now_ms) < end)) || return 1
		sleep 0.05
	done
}

# --- processes: a pid alone may meanwhile be somebody else's, so its start time goes with it ---

# start_time PID: field 22 of its stat; fails when it is gone or a zombie nobody reaps. A zombie
# with threads left (field 20) is still ending and holds its ports.
start_time() {
	local stat

	{ read -r stat; } 2>/dev/null <"/proc/$1/stat" || return 1
	read -ra stat <<<"${stat##*) }"
	[[ ${stat[0]} != [ZX] || ${stat[17]} -gt 1 ]] && printf '%s' "${stat[19]}"
}

pid_write() { # NAME PID
	printf '%s %s\n' "$2" "$(start_time "$2")" | write_file "$RUN/pid/$1" 600
}

# pid_of NAME: the pid of that program of this stack, if it is alive.
pid_of() {
	local pid start

	{ read -r pid start; } 2>/dev/null <"$RUN/pid/$1" || return 1
	[[ $(start_time "$pid") == "$start" ]] && printf '%s' "$pid"
}
is_alive() { pid_of "$1" >/dev/null; }
is_gone() { ! is_alive "$1"; }

# spawn NAME LOG COMMAND...: in the background, in a session of its own (a Ctrl-C here does not
# reach it), with no descriptor of ours. The pid file is there before the program is.
spawn() {
	local name=$1 log=$2

	shift 2
	(
		for fd in "/proc/$BASHPID/fd"/*; do
			fd=${fd##*/}
			((fd < 3 || fd == 255)) || eval "exec $fd>&-"
		done
		pid_write "$name" "$BASHPID"
		exec setsid -- "$@"
	) </dev/null >>"$log" 2>&1 &
}

# signal NAME SIGNAL: harmless when it has just ended.
signal() {
	local pid

	if pid=$(pid_of "$1"); then
		kill -s "$2" "$pid" 2>/dev/null || true
	fi
}

# stop_process NAME SIGNAL SECONDS: asks, waits, then kills.
stop_process() {
	local began

	if is_alive "$1"; then
		began=$(now_ms)
		signal "$1" "$2"
		if ! wait_until "$3" is_gone "$1"; then
			warn "$1 has not ended $3 s after SIG$2: SIGKILL"
			signal "$1" KILL
			wait_until 10 is_gone "$1" || die "$1 (pid $(pid_of "$1")) outlives SIGKILL"
		fi
		say "$(printf '%-10s stopped (%s s)' "$1" "$(seconds_since "$began")")"
	fi
	rm -f "$RUN/pid/$1"
}

# wait_ready NAME SECONDS LOG COMMAND...: until COMMAND succeeds; the log's tail when NAME ends
# or the time is up.
wait_ready() {
	local name=$1 seconds=$2 log=$3 end

	shift 3
	end=$(($(now_ms) + seconds * 1000))
	until "$@"; do
		if is_gone "$name"; then
			log_tail "$log"
			die "$name ended while it was starting; the end of $log stands above"
		elif (($(now_ms) > end)); then
			log_tail "$log"
			die "$name is not ready after $seconds s; the end of $log stands above"
		fi
		sleep 0.05
	done
}

# settle NAME CHECK: one that runs but does not pass CHECK may be ending at this moment, so wait
# until it is clear. What hangs instead is for wait_ready to report.
settle() {
	# shellcheck disable=SC2317 # called by wait_until
	is_settled() { is_gone "$1" || "$2"; }
	wait_until 10 is_settled "$1" "$2" || true
}

# log_tail FILE.log: its end, and that of FILE.out where the program has such.
log_tail() {
	tail -q -n 25 "${1%.log}.out" "$1" 2>/dev/null | cut -c1-300 | sed 's/^/    /' >&2 || true
}

# --- ports ---

port_is_free() { [[ -z $(ss -Hltn "sport = :$1") ]]; }
listens() { # PID PORT: it is really that process that listens there
	ss -Hltnp "sport = :$2" | grep -q "pid=$1,"
}
port_of() { cat "$RUN/port/$1" 2>/dev/null; }

# port_choose NAME [PORT]: remembers PORT, or the last one if still free, or a new free one below
# the range the kernel gives to outgoing connections.
port_choose() {
	local name=$1 port=${2:-}

	if [[ $port ]]; then
		[[ $port =~ ^[1-9][0-9]{0,4}$ && $port -lt 65536 ]] ||
			die "port \"$port\" for $name is not a number from 1 to 65535"
		port_is_free "$port" || die "port $port for $name is taken; choose another"
	else
		port=$(port_of "$name") || port=
		until [[ $port ]] && port_is_free "$port" && ! port_is_remembered "$name" "$port"; do
			port=$((20000 + SRANDOM % 12000))
		done
	fi
	printf '%s\n' "$port" | write_file "$RUN/port/$name" 600
}

port_is_remembered() { # by another program of this stack than NAME
	local file

	for file in "$RUN"/port/*; do
		[[ ${file##*/} == "$1" || ! -f $file ]] || [[ $(<"$file") != "$2" ]] || return 0
	done
	return 1
}

# listen_choose NAME [ADDRESS:PORT]: the same for a program that may listen elsewhere.
listen_choose() {
	local address=127.0.0.1 port=

	if [[ ${2:-} ]]; then
		[[ $2 == *?:* ]] || die "\"$2\" for $1 is not address:port"
		address=${2%:*}
		port=${2##*:}
	fi
	port_choose "$1" "${port#0}"
	printf '%s\n' "$address" | write_file "$RUN/address/$1" 600
}
address_of() { cat "$RUN/address/$1"; }

# url_of NAME: where a client on this machine finds it.
url_of() {
	local address

	address=$(address_of "$1")
	case $address in
	0.0.0.0) address=127.0.0.1 ;;
	'[::]') address='[::1]' ;;
	esac
	printf 'http://%s:%s' "$address" "$(port_of "$1")"
}

# --- java ---

# java_is_new_enough JAVA: Kafka 4 wants 17.
java_is_new_enough() {
	local version

	version=$("$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || return 1
	[[ $version && $version -ge 17 ]]
}

# java_find: the one on the PATH, or else Debian's.
java_find() {
	local java

	for java in "$(command -v java)" /usr/lib/jvm/*/bin/java; do
		if [[ -x $java ]] && java_is_new_enough "$java"; then
			readlink -f "$java"
			return 0
		fi
	done
	return 1
}

# --- secrets ---

# secret NAME: a random word of 32 characters, drawn once a run folder.
secret() {
	[[ -s $RUN/secret/$1 ]] ||
		od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | write_file "$RUN/secret/$1" 600
	cat "$RUN/secret/$1"
}

# env_write: the env file from what is known of this stack by now.
env_write() {
	{
		say "# How to talk to the stack in $RUN; made by deploy/stack."
		if [[ -s $RUN/port/pg ]]; then
			env_line OBPIPE_PG_DSN \
				"postgresql://obpipe:$(secret pg)@127.0.0.1:$(port_of pg)/obpipe"
		fi
		if [[ -s $RUN/port/kafka ]]; then
			env_line OBPIPE_KAFKA_BROKERS "127.0.0.1:$(port_of kafka)"
		fi
		if [[ -s $RUN/port/producer ]]; then
			env_line OBPIPE_HTTP_LISTEN "$(address_of producer):$(port_of producer)"
			env_line OBPIPE_WORKER_HTTP_LISTEN "$(address_of worker):$(port_of worker)"
			env_line OBPIPE_URL "$(url_of producer)"
			env_line OBPIPE_USER admin
			env_line OBPIPE_PASSWORD "$(secret admin)"
		fi
	} | write_file "$RUN/env" 600
}
env_line() { printf 'export %s=%q\n' "$1" "$2"; }

# fill NAME=VALUE... <TEMPLATE: puts VALUE for every @NAME@.
fill() {
	local text pair

	IFS= read -rd '' text || true
	for pair in "$@"; do
		text=${text//"@${pair%%=*}@"/"${pair#*=}"}
	done
	printf '%s' "$text"
}

# status_row NAME PORT [CHECK...]: one line of the table; CHECK tells what a running program says.
status_row() {
	local name=$1 port=${2:--} pid state=running

	shift 2
	if ! pid=$(pid_of "$name"); then
		pid=-
		if [[ -e $RUN/pid/$name ]]; then state=dead; else state=stopped; fi
	elif (($# > 0)); then
		state=$("$@")
	fi
	printf '%-14s %-9s %-9s %s\n' "$name" "$pid" "$port" "$state"
}
status_head() { printf '%-14s %-9s %-9s %s\n' NAME PID PORT STATE; }
