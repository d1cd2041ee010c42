#!/bin/sh
# The guard: at most one attempt acts on this host at a time, and an attempt that has been replaced
# does nothing any more. Workers bring this file along, and run it as root, one process for the life
# of an attempt, on a channel of the attempt's SSH session:
#
#   guard.sh CLAIM MARKER
#
# Every line it prints begins with MARKER: "entered", or the reason why not ("refused HIGHEST",
# "busy", "stuck PIDS", "failed TEXT"). Then it obeys lines on stdin: "end" ends every process of
# the attempt ("ended" or "stuck PIDS"), "leave" does so and releases the host ("left"). The end of
# stdin, that is of the session, is a "leave".
#
# In /var/lib/obpipe, and understood by every version of this file (workers of different versions
# take turns on a host):
#   claim       the highest claim number that ever entered, durable
#   entry.lock  held while somebody enters
#   lock        held as long as an attempt is in
#   holder      CLAIM BOOT_ID GUARD_PID GUARD_START SSHD_PID SSHD_START of who is in
#   temp/       one file for each file half uploaded: its path
# Processes of an attempt carry OBPIPE_CLAIM=CLAIM in their environment, which setsid and nohup do
# not take away. The guard itself does not carry it.
set -u
umask 077
claim=$1
marker=$2
dir=/var/lib/obpipe
# No SSH client reads what a dead session's guard prints; it must go on to the end all the same.
trap '' PIPE HUP

say() {
	printf '%s %s\n' "$marker" "$*" 2>/dev/null || :
}

fail() {
	say "failed $*"
	exit 1
}

# Sets state, parent and started (ticks since boot) of a process. 1: it is gone.
look_at() {
	{ IFS= read -r stat; } 2>/dev/null <"/proc/$1/stat" || return 1
	# Between pid and state stands the name in parentheses, at most 15 bytes of any kind: with a
	# newline in it the line read is too short.
	case ${stat##*) } in
	*' '*' '*' '*' '*' '*' '*' '*' '*' '*) ;;
	*) stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1 ;;
	esac
	# shellcheck disable=SC2086 # split
	set -- ${stat##*) }
	[ $# -ge 20 ] || return 1
	state=$1 parent=$2
	shift 19
	started=$1
}

# Is this very process there? A pid alone says nothing, it may be used again by another.
alive() {
	[ "$1" -gt 1 ] && look_at "$1" && [ "$started" = "$2" ] &&
		[ "$state" != Z ] && [ "$state" != X ]
}

# The processes of all attempts up to ours.
carriers() {
	grep -azHxE 'OBPIPE_CLAIM=[0-9]{1,18}' /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' |
		while IFS=/: read -r _ _ pid _ variable; do
			[ "${variable#OBPIPE_CLAIM=}" -gt "$claim" ] || printf '%s\n' "$pid"
		done
}

# Ends them: TERM, KILL after half a second. They are gone when two looks in a row find none, since
# a process may fork between being found and being ended. Each look is a fresh one, so that no pid
# is signalled that has changed hands. 1: $stuck are still there after 8 s.
end_processes() {
	clean=0 looks=0
	while [ $clean -lt 2 ]; do
		stuck=$(carriers)
		if [ -z "$stuck" ]; then
			clean=$((clean + 1))
			continue
		fi
		clean=0 looks=$((looks + 1))
		[ $looks -le 160 ] || return 1
		# shellcheck disable=SC2086 # several pids
		if [ $looks -gt 10 ]; then
			kill -KILL $stuck 2>/dev/null
		elif [ $looks -eq 1 ]; then
			kill -TERM $stuck 2>/dev/null
			kill -CONT $stuck 2>/dev/null
		fi
		sleep 0.05
	done
}

# Pids of all descendants of a process that are not zombies.
descendants() {
	family=" $1 " found=
	table=
	for path in /proc/[0-9]*; do
		look_at "${path#/proc/}" || continue
		[ "$state" = Z ] || table="$table ${path#/proc/}:$parent"
	done
	grown=yes
	while [ "$grown" ]; do
		grown=
		for entry in $table; do
			case $family in
			*" ${entry%:*} "*) ;;
			*" ${entry#*:} "*)
				family="$family${entry%:*} " found="$found ${entry%:*}" grown=yes
				;;
			esac
		done
	done
	printf '%s\n' "$found"
}

# Ends one process for certain. 1: it is still there after 5 s.
end_one() {
	tries=0
	while alive "$1" "$2"; do
		tries=$((tries + 1))
		[ $tries -le 100 ] || return 1
		kill -KILL "$1" 2>/dev/null
		sleep 0.05
	done
}

# Ends the session of who was in before us: sshd is stopped first, so that it starts nothing more;
# what it has just forked does not carry the claim yet and is found as its child. Tunnels are
# sockets of that sshd and end with it.
end_holder() {
	stuck=
	[ -f "$dir/holder" ] || return 0
	read -r _ old_boot old_guard old_guard_start old_sshd old_sshd_start <"$dir/holder" ||
		return 0
	[ "$old_boot" = "$boot" ] || return 0
	if [ "$old_sshd" != "$sshd" ] && alive "$old_sshd" "$old_sshd_start"; then
		kill -STOP "$old_sshd" 2>/dev/null
		end_processes || return 1
		tries=0
		while :; do
			stuck=$(descendants "$old_sshd")
			[ "$stuck" ] || break
			tries=$((tries + 1))
			[ $tries -le 100 ] || return 1
			# shellcheck disable=SC2086 # several pids
			kill -KILL $stuck 2>/dev/null
			sleep 0.02
		done
		stuck=$old_sshd
		end_one "$old_sshd" "$old_sshd_start" || return 1
	fi
	stuck=$old_guard
	end_one "$old_guard" "$old_guard_start" || return 1
	stuck=
}

# The sshd that serves our session is the nearest ancestor of that name (sshd-session since
# OpenSSH 9.8); between it and us may stand sudo.
find_sshd() {
	sshd=0 sshd_start=0 at=$PPID
	while [ "$at" -gt 1 ]; do
		look_at "$at" || return 0
		IFS= read -r name <"/proc/$at/comm" || return 0
		case $name in
		sshd | sshd-*)
			sshd=$at sshd_start=$started
			return 0
			;;
		esac
		at=$parent
	done
}

remove_temporary_files() {
	for record in "$dir"/temp/*; do
		[ -f "$record" ] || continue
		path=$(cat "$record" && printf x) && path=${path%x}
		[ -z "$path" ] || rm -f -- "$path"
		rm -f -- "$record"
	done
}

# The number must be on the disk before anything is done under it: after a power failure an older
# attempt must still be refused.
record_claim() {
	printf '%s\n' "$claim" | dd of="$dir/claim.new" conv=fsync 2>/dev/null &&
		mv -f "$dir/claim.new" "$dir/claim" && sync "$dir"
}

record_holder() {
	printf '%s %s %s %s %s %s\n' "$claim" "$boot" $$ "$started_self" "$sshd" "$sshd_start" \
		>"$dir/holder.new" && mv -f "$dir/holder.new" "$dir/holder"
}

check_claim() {
	highest=0
	[ ! -e "$dir/claim" ] || IFS= read -r highest <"$dir/claim" || highest=damaged
	case $highest in
	'' | *[!0-9]*)
		fail "$dir/claim holds no number; when nothing of obpipe runs on this host, remove it"
		;;
	esac
	if [ "$claim" -lt "$highest" ]; then
		say "refused $highest"
		exit 1
	fi
	[ "$claim" -eq "$highest" ] || record_claim || fail "$dir/claim cannot be written (disk full?)"
}

enter() {
	mkdir -p "$dir/temp" || fail "$dir cannot be made"
	touch "$dir/entry.lock" "$dir/lock" || fail "$dir cannot be written"
	exec 8>>"$dir/entry.lock" 9>>"$dir/lock"
	IFS= read -r boot </proc/sys/kernel/random/boot_id || fail "/proc is not there"
	[ "$(printf 'A=1\0OBPIPE_CLAIM=7\0' | grep -azxE 'OBPIPE_CLAIM=[0-9]{1,18}' | tr '\0' .)" = \
		OBPIPE_CLAIM=7. ] || fail "grep cannot read environments (-a -z -x); install GNU grep"
	find_sshd
	look_at $$ || fail "/proc is not there"
	started_self=$started
	# Whoever enters now needs at most the time to end what an older one left.
	flock -w 30 8 || {
		say busy
		exit 1
	}
	check_claim
	if ! end_holder || ! end_processes; then
		# shellcheck disable=SC2086 # newlines to blanks
		say stuck $stuck
		exit 1
	fi
	flock -w 5 9 || {
		say busy
		exit 1
	}
	remove_temporary_files
	record_holder || fail "$dir/holder cannot be written (disk full?)"
	exec 8>&-
	say entered
}

# Says $1 when nothing of the attempt is left.
end_all() {
	if end_processes; then
		remove_temporary_files
		[ "$1" = ended ] || rm -f "$dir/holder"
		say "$1"
	else
		# shellcheck disable=SC2086 # newlines to blanks
		say stuck $stuck
	fi
}

enter
while IFS= read -r order; do
	case $order in
	end) end_all ended ;;
	leave) break ;;
	esac
done
# What an attempt leaves does not outlive its lock, whether it leaves or its session ends.
end_all left
