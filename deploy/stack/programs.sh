# shellcheck shell=bash
# Producer and worker of one run folder, and the order in which a whole stack starts and stops.
# Sourced by up, down, status and run after lib.sh.

stack=$REPO/deploy/stack
hosts=$REPO/deploy/hosts/hosts
build=${BUILD:-build${SANITIZE:+/san-${SANITIZE%%,*}}}
[[ $build == /* ]] || build=$REPO/$build
export OBPIPE_RUN_DIR=$RUN

# The parts of a stack, in the order in which they start.
stack_parts=(pg kafka hosts producer worker)

obpipe() { "$build/obpipe" "$@"; }

# Takes the settings of this stack; what else the caller's environment says to the programs stays.
env_load() {
	# shellcheck disable=SC1091 # made by env_write
	. "$RUN/env"
}

program_url() { # producer|worker PATH
	printf '%s%s' "$(url_of "$1")" "$2"
}

# Our own process listens there and says that all it needs is there.
program_is_ready() {
	local pid

	pid=$(pid_of "$1") && listens "$pid" "$(port_of "$1")" &&
		curl -fs -m 5 -o "$RUN/log/$1.ready" "$(program_url "$1" /readyz)"
}

# What it says of itself, in a word or as its answer tells what is missing.
program_state() {
	if program_is_ready "$1"; then
		printf ready
	else
		printf 'not ready: %s' "$(curl -s -m 5 "$(program_url "$1" /readyz)" | tr -d '\n' |
			cut -c1-200)"
	fi
}

# program_choose NAME SETTING: where it will listen.
program_choose() {
	is_alive "$1" || listen_choose "$1" "${!2:-}"
}

program_start() {
	local log=$RUN/log/$1.log

	if is_alive "$1"; then
		[[ $(readlink "/proc/$(pid_of "$1")/exe") != *' (deleted)' ]] ||
			warn "$1 still runs from before the last build; for the new one: make down up"
	else
		spawn "$1" "$log" "$build/obpipe-$1"
		wait_until 5 is_alive "$1" || true
	fi
}

program_wait() {
	local began

	began=$(now_ms)
	wait_ready "$1" 60 "$RUN/log/$1.log" program_is_ready "$1"
	say "$(printf '%-10s ready on %s (%s s)' "$1" "$(url_of "$1")" "$(seconds_since "$began")")"
}

hosts_are_up() { [[ -x $hosts ]] && "$hosts" status >/dev/null 2>&1; }

part_is_up() {
	if [[ $1 == hosts ]]; then
		hosts_are_up
	else
		is_alive "$1"
	fi
}

# part_stop NAME: SIGTERM makes a worker drain (OBPIPE_DRAIN_TIMEOUT_MS, 20 s unless set).
part_stop() {
	case $1 in
	worker) stop_process worker TERM $((${OBPIPE_DRAIN_TIMEOUT_MS:-20000} / 1000 + 15)) ;;
	producer) stop_process producer TERM 20 ;;
	hosts) [[ ! -x $hosts ]] || "$hosts" down ;;
	pg | kafka) "$stack/services" stop "$1" ;;
	esac
}

# parts_stop [EXCEPT...]: in the reverse of the starting order; a part that resists does not keep
# the others running.
parts_stop() {
	local i part failed=0

	for ((i = ${#stack_parts[@]} - 1; i >= 0; i--)); do
		part=${stack_parts[i]}
		[[ " $* " != *" $part "* ]] || continue
		(part_stop "$part") || failed=1
	done
	return $failed
}
