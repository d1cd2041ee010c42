# Processes by name, and who listens on ports. $1: names, $2: ports as four hex digits, both divided
# by blanks. Prints lines of fields divided by tabs:
#   P pid uid seconds comm exe arguments (divided by unit separators)
#   L port inode uid [pid]
# A name is that of the program, not a word somewhere in the command line: an editor of obproxy.log
# or an `rpm -U .../obproxy-1.rpm` is no obproxy. A script is known by the first argument of its
# interpreter. Zombies and threads of the kernel have no arguments.
# shellcheck shell=sh
names=$1
ports=$2
tab=$(printf '\t')
us=$(printf '\037')
read -r uptime _ </proc/uptime
uptime=${uptime%.*}

is_named() { # NAME: of the process in comm, exe, first, second
	short=$(printf '%.15s' "$1")
	[ "$comm" = "$short" ] || [ "${exe##*/}" = "$1" ] || [ "${first##*/}" = "$1" ] && return 0
	case ${first##*/} in
	sh | bash | -bash | dash | ksh | env | setsid | nohup | python* | perl) [ "${second##*/}" = "$1" ] ;;
	*) return 1 ;;
	esac
}

print_process() {
	stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return 0
	uid=$(sed -n "s/^Uid:$tab\([0-9]*\).*/\1/p" "/proc/$pid/status" 2>/dev/null)
	# shellcheck disable=SC2086 # split
	set -- ${stat##*) }
	[ $# -ge 20 ] || return 0
	shift 19
	printf 'P\t%s\t%s\t%s\t%s\t%s\t%s\n' "$pid" "$uid" "$((uptime - $1 / 100))" "$comm" "$exe" "$args"
}

for folder in /proc/[0-9]*; do
	pid=${folder#/proc/}
	[ "$pid" != "$$" ] || continue
	{ IFS= read -r comm; } 2>/dev/null <"$folder/comm" || continue
	args=$(tr '\000\t\n' '\037  ' 2>/dev/null <"$folder/cmdline") || continue
	[ -n "$args" ] || continue
	exe=$(readlink "$folder/exe" 2>/dev/null)
	exe=${exe% (deleted)}
	first=${args%%"$us"*}
	second=${args#*"$us"}
	second=${second%%"$us"*}
	for name in $names; do
		if is_named "$name"; then
			print_process
			break
		fi
	done
done

cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
	while read -r _ place _ state _ _ _ uid _ inode _; do
		[ "$state" = 0A ] || continue
		for port in $ports; do
			[ "${place##*:}" = "$port" ] || continue
			owner=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\\[$inode\\]" 2>/dev/null |
				sed -n '1s,/proc/\([0-9]*\)/.*,\1,p')
			printf 'L\t%s\t%s\t%s\t%s\n' "$((0x$port))" "$inode" "$uid" "$owner"
		done
	done
