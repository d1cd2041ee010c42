#!/bin/bash
# Starts, watches and stops the OBProxy of this installation. The way in of the real script, which
# does not check that the proxy came up: its exit status says nothing about that.
#   obproxyd.sh -c start [-e ENVIRONMENT] [-n APP] [-p PORT] [-l EXPORTER_PORT] [-o OPTIONS]
#               [-r RS_LIST] [-C CLUSTER]
#   obproxyd.sh -c stop | status | checkalive
# checkalive is the watchdog: it speaks to the proxy each second and starts it again when it is gone.
cd "$(dirname "$0")/.." || exit 1
root=$PWD
action=
arguments=()
port=2883

while getopts 'c:e:n:p:l:o:r:C:' option; do
	case $option in
	c) action=$OPTARG ;;
	e) ;; # public, private, office: of the config server
	n) arguments+=(-n "$OPTARG") ;;
	p) arguments+=(-p "$OPTARG") ;;
	l) arguments+=(-l "$OPTARG") ;;
	o) arguments+=(-o "$OPTARG") ;;
	r) arguments+=(-r "$OPTARG") ;;
	C) arguments+=(-c "$OPTARG") ;;
	*) exit 1 ;;
	esac
done

# pids_of pgrep's arguments: those processes whose working folder is this installation.
pids_of() {
	local pid

	for pid in $(pgrep "$@"); do
		[[ $(readlink "/proc/$pid/cwd") == "$root" ]] && echo "$pid"
	done
}
proxies() { pids_of -x obproxy; }
watchdogs() { pids_of -f 'obproxyd\.sh -c checkalive'; }

folders_make() {
	if [[ ! -e log ]]; then
		if [[ -d /home/admin/logs ]]; then
			mkdir -p /home/admin/logs/obproxy/log
			ln -s /home/admin/logs/obproxy/log log
		else
			mkdir log
		fi
	fi
	mkdir -p etc .conf
}

proxy_start() {
	mapfile -d '' -t arguments <.conf/arguments
	./bin/obproxy "${arguments[@]}" >>log/obproxyd.log 2>&1 </dev/null
}

start() {
	if [[ $(proxies) ]]; then
		echo "obproxy is already running"
		exit 0
	fi
	if [[ ! -x bin/obproxy ]]; then
		echo "there is no bin/obproxy in $root" >&2
		exit 1
	fi
	folders_make || exit 1
	printf '%s\0' "${arguments[@]}" >.conf/arguments
	proxy_start
	if [[ ! $(watchdogs) ]]; then
		nohup setsid ./bin/obproxyd.sh -c checkalive </dev/null >>log/obproxyd.log 2>&1 &
	fi
	echo "obproxy started"
}

stop() {
	local pid tries

	for pid in $(watchdogs); do kill -KILL "$pid"; done
	for pid in $(proxies); do kill -TERM "$pid"; done
	for tries in 1 2 3; do
		[[ $(proxies) ]] || return 0
		sleep "$tries"
	done
	for pid in $(proxies); do kill -KILL "$pid"; done
}

# The first restart waits 8 s, later ones 1 s.
checkalive() {
	local pause=8 i

	mapfile -d '' -t arguments <.conf/arguments
	for ((i = 0; i < ${#arguments[@]}; i++)); do
		[[ ${arguments[i]} != -p ]] || port=${arguments[i + 1]}
	done
	while sleep 1; do
		[[ -x bin/obproxy ]] || exit 0
		if [[ ! $(proxies) ]] || ! echo hi | nc -w 2 127.0.0.1 "$port" >/dev/null 2>&1; then
			sleep "$pause"
			pause=1
			[[ $(proxies) ]] || proxy_start
		fi
	done
}

case $action in
start) start ;;
stop) stop ;;
status) proxies ;;
checkalive) checkalive ;;
*)
	echo "say -c start, stop, status or checkalive" >&2
	exit 1
	;;
esac
