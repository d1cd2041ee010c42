# Ends what was started of the installation $1: the watchdog first, or it would start the proxy
# again. Prints the pids it ended.
# shellcheck shell=sh
root=$1

pids_of() { # PATTERN of the arguments
	for folder in /proc/[0-9]*; do
		[ "$(readlink "$folder/cwd" 2>/dev/null)" = "$root" ] || continue
		args=$(tr '\000' ' ' 2>/dev/null <"$folder/cmdline")
		# shellcheck disable=SC2254 # a pattern
		case $args in
		$1) printf '%s ' "${folder#/proc/}" ;;
		esac
	done
}

end() { # SIGNAL PATTERN
	pids=$(pids_of "$2")
	# shellcheck disable=SC2086 # several
	[ -z "$pids" ] || kill "-$1" $pids 2>/dev/null
	printf '%s' "$pids"
}

end KILL '*obproxyd.sh *checkalive*'
end TERM '*bin/obproxy *'
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ -n "$(pids_of '*bin/obproxy *')" ] || exit 0
	sleep 0.1
done
end KILL '*bin/obproxy *'
