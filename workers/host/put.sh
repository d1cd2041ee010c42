# Writes one file whole or not at all. Run by `/bin/sh -c 'eval ...'` under the attempt's
# OBPIPE_CLAIM with these set before it: marker, path, bytes, sha256, mode, owner. The content comes
# on stdin. Behind the marker on stderr stands "start" when the file is in place, else why not.
# shellcheck shell=sh disable=SC2154 # set before
set -u
umask 077
state=/var/lib/obpipe

stop() {
	rm -f -- "$temp" "$record"
	printf '%s %s\n' "$marker" "$*" >&2
	exit 125
}

# In the same directory, so that the rename is atomic; written down first, so that the guard can
# remove it when this process is killed.
directory=${path%/*}
temp=${directory}/.obpipe-$OBPIPE_CLAIM-$$
record=$state/temp/$OBPIPE_CLAIM-$$
IFS= read -r highest <$state/claim || highest=
[ "$highest" = "$OBPIPE_CLAIM" ] || stop fenced "$highest"
[ -d "$directory/" ] || stop nodir
[ ! -d "$path" ] || stop isdir
if [ "$owner" != root ]; then
	group=$(id -g -- "$owner" 2>/dev/null) || stop nouser
else
	group=0
fi
printf '%s' "$temp" >"$record" || stop "failed $state cannot be written (disk full?)"
rm -f -- "$temp"

# Never through a link that somebody put there.
set -C
# A command that cannot write must not end this script by a signal.
trap '' PIPE
reason=$({ head -c "$bytes" >"$temp"; } 2>&1) || stop "failed $reason"
have=$(wc -c <"$temp")
[ "$have" -eq "$bytes" ] || stop "short $have"
[ "$(sha256sum <"$temp")" = "$sha256  -" ] || stop differs
reason=$(chown -h -- "$owner:$group" "$temp" 2>&1 && chmod "$mode" -- "$temp" 2>&1 &&
	sync -- "$temp" 2>&1 && mv -fT -- "$temp" "$path" 2>&1 && sync -- "$directory/" 2>&1) ||
	stop "failed $reason"
rm -f -- "$record"
printf '%s\n' "$marker"
printf '%s start\n' "$marker" >&2
