# Starts one command of an attempt. Run by `/bin/sh -c 'eval ...'` under the attempt's OBPIPE_CLAIM,
# in a clean environment, with these set before it: marker, user, work_dir, limit_s, how (run,
# daemon), log_file, own_environment() and the arguments "$@". The rest of stdin is the command's.
#
# Everything before the marker, on either output, is noise of a login file. Behind the marker on
# stderr stands "start", or why nothing was started.
# shellcheck shell=sh disable=SC2154 # set before
set -u
umask 022

stop() {
	printf '%s %s\n' "$marker" "$*" >&2
	exit 125
}

# A worker that was away for long may send one more command on a session that is about to end.
IFS= read -r highest </var/lib/obpipe/claim || highest=
[ "$highest" = "$OBPIPE_CLAIM" ] || stop fenced "$highest"

timeout=$(command -v timeout)
become=
if [ "$user" = root ]; then
	HOME=/root
else
	line=$(getent passwd -- "$user") || stop nouser
	IFS=: read -r _ _ uid gid _ HOME _ <<END
$line
END
	become="$(command -v setpriv) --reuid=$uid --regid=$gid --init-groups --"
fi
export HOME USER="$user" LOGNAME="$user"
setsid=$(command -v setsid)
cd "$work_dir" 2>/dev/null || stop nodir
own_environment

# Told apart from a command that exits with 127.
find_command() {
	case $1 in
	*/*)
		[ -f "$1" ] && [ -x "$1" ]
		return
		;;
	esac
	rest=$PATH:
	while [ "$rest" ]; do
		[ -f "${rest%%:*}/$1" ] && [ -x "${rest%%:*}/$1" ] && return
		rest=${rest#*:}
	done
	return 1
}
find_command "$1" || stop nocommand

begin() {
	printf '%s\n' "$marker"
	printf '%s start\n' "$marker" >&2
}

# The log file is opened as the user: root must not follow a link that the user has put there.
start_daemon() {
	# shellcheck disable=SC2016,SC2086 # expanded there; several words or none
	$become /bin/sh -c ': >>"$1"' sh "$log_file" 2>/dev/null || stop nolog
	begin
	(
		unset OBPIPE_CLAIM
		# shellcheck disable=SC2016,SC2086
		exec "$setsid" $become /bin/sh -c 'log=$1; shift; exec "$@" >>"$log" 2>&1' sh "$log_file" "$@" \
			</dev/null >/dev/null 2>&1
	) &
	# Until it has become another program it still carries the claim in its environment, and the
	# guard would end it as one of ours.
	tries=0
	while grep -qazx "OBPIPE_CLAIM=$OBPIPE_CLAIM" "/proc/$!/environ" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -le 200 ] || break
		sleep 0.01
	done
	printf '%s\n' "$!"
}

if [ "$how" = daemon ]; then
	start_daemon "$@"
else
	begin
	# shellcheck disable=SC2086 # several words or none
	exec "$timeout" -k 5 "$limit_s" $become "$@"
fi
