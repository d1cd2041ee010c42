#!/usr/bin/env bash
# What the containers of docker-compose.yml would do, done without a Docker engine: the programs are
# built from just the files deploy/Dockerfile copies, and run as its user through its entry point,
# with the commands, settings and health checks of docker-compose.yml. Only the addresses of
# PostgreSQL and Kafka and the port are those of this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/support/e2e.sh
. tests/support/e2e.sh

out=$work/out
bin=$out/usr/local/bin
compose=$work/compose.json
user=()
((EUID != 0)) || user=(setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs)

of() { jq -er ".services.$1" "$compose"; }

build() {
	local file

	chmod 711 "$work"
	python3 -c 'import json, yaml; print(json.dumps(yaml.safe_load(open("docker-compose.yml"))))' \
		>"$compose"
	# The build stage's COPY lines; the second stage copies from the first.
	sed '/^FROM debian:12$/,$d' deploy/Dockerfile | sed -n 's/^COPY \([^ ]*\) .*/\1/p' |
		while read -r file; do
			git ls-files -co --exclude-standard -z -- "$file"
		done | xargs -0 tar cf - | (mkdir "$work/src" && tar xf - -C "$work/src")
	env -u BUILD -u SANITIZE -u CFLAGS make -s -j2 -C "$work/src" install DESTDIR="$out"
	install deploy/entrypoint "$bin/obpipe-entrypoint"
}

# Just the three programs, and nothing elsewhere.
installed() {
	diff <(cd "$out" && find . -type f | sort) - <<-'END'
		./usr/local/bin/obpipe
		./usr/local/bin/obpipe-entrypoint
		./usr/local/bin/obpipe-producer
		./usr/local/bin/obpipe-worker
	END
}

# Every library the programs name is of a package that the image installs, or of libc6.
libraries() {
	local library package missing=0

	while read -r library; do
		package=$(dpkg -S "*/$library" | head -n 1 | cut -d: -f1)
		[[ $package != libc6 && $package != libgcc-s1 ]] || continue
		grep -qx "$package" deploy/packages-runtime.txt || {
			echo "$library is of $package, which deploy/packages-runtime.txt lacks"
			missing=1
		}
	done < <(readelf -d "$bin"/obpipe "$bin"/obpipe-worker "$bin"/obpipe-producer |
		sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
	return $missing
}

# The settings of a service, one NAME=VALUE a line, with this machine's addresses.
environment_of() { # SERVICE PORT
	jq -r --arg dsn "$dsn" --arg brokers "$OBPIPE_KAFKA_BROKERS" --arg port "$2" \
		--arg password "$work/pg_password" --arg prefix "$OBPIPE_TOPIC_PREFIX" '
		.services[$ARGS.positional[0]].environment |
		.OBPIPE_PG_DSN = $dsn | .PGPASSWORD_FILE = $password | .OBPIPE_KAFKA_BROKERS = $brokers |
		.OBPIPE_TOPIC_PREFIX = $prefix |
		with_entries(if .key | endswith("_LISTEN") then .value |= sub("8080$"; $port) else . end) |
		to_entries[] | "\(.key)=\(.value)"' "$compose" --args "$1"
}

# in_container SERVICE PORT COMMAND...: as the container would; becomes the command.
in_container() {
	local service=$1 port=$2
	local -a settings

	shift 2
	mapfile -t settings < <(environment_of "$service" "$port")
	exec "${user[@]}" env -i -C / PATH="$bin:/usr/bin:/bin" "${settings[@]}" obpipe-entrypoint "$@"
}

command_of() { of "$1.command[]"; }

prepare() {
	own_database
	python3 - "$OBPIPE_PG_DSN" "$work" <<-'END'
		import sys, urllib.parse
		url = urllib.parse.urlsplit(sys.argv[1])
		with open(f"{sys.argv[2]}/pg_password", "w") as file:
		    file.write(urllib.parse.unquote(url.password) + "\n")
		with open(f"{sys.argv[2]}/dsn", "w") as file:
		    file.write(f"host={url.hostname} port={url.port} dbname={url.path[1:]} user={url.username}")
	END
	chmod 644 "$work/pg_password"
	dsn=$(<"$work/dsn")
	[[ $dsn != *"$(<"$work/pg_password")"* ]]
}

migrate() {
	local -a words

	mapfile -t words < <(command_of migrate)
	(in_container migrate 0 "${words[@]}")
	(in_container migrate 0 "${words[@]}") # a second `up` runs it again
}

users_and_inventory() {
	(in_container migrate 0 obpipe user add admin <<<container-password)
	(in_container migrate 0 obpipe inventory load - <tests/fixtures/inventory.json)
}

# Below those the kernel gives to connections, which could take it before the program does.
free_port() {
	local port

	for port in $(shuf -n 50 -i 20000-31999); do
		[[ $(ss -Hltn "sport = :$port") ]] || break
	done
	echo "$port"
}

# The health check of a service, asking its port here.
healthy() { # SERVICE PORT
	local -a words

	mapfile -t words < <(of "$1.healthcheck.test[1:][]" | sed "s/:8080/:$2/")
	"${user[@]}" "${words[@]}"
}

up() { # SERVICE
	local -a words

	mapfile -t words < <(command_of "$1")
	ports[$1]=$(free_port)
	start "$1" in_container "$1" "${ports[$1]}" "${words[@]}"
	pids[$1]=$started
	wait_until healthy "$1" "${ports[$1]}"
}

# It listens on the port it was told to, as the image's user, and its settings name no secret file.
as_told() { # SERVICE
	[[ $port == "${ports[$1]}" ]]
	((EUID != 0)) || [[ $(stat -c %u "/proc/${pids[$1]}") == 10001 ]]
	tr '\0' '\n' <"/proc/${pids[$1]}/environ" >"$work/environ"
	grep -q '^PGPASSWORD=.' "$work/environ"
	! grep '_FILE=' "$work/environ" || return 1
}

works() {
	export OBPIPE_URL=http://127.0.0.1:${ports[producer]} OBPIPE_USER=admin
	OBPIPE_PASSWORD=container-password "$bin/obpipe" submit template noop-chain --watch
}

# down SERVICE: SIGTERM to process 1 of the container ends it well within stop_grace_period.
down() {
	local end=$((SECONDS + $(of "$1.stop_grace_period" | tr -dc 0-9)))

	kill -TERM "${pids[$1]}"
	wait "${pids[$1]}"
	((SECONDS < end))
}

refuses() { # EXPECTED NAME=VALUE...
	local expected=$1 status=0

	shift
	env -i PATH="$bin:/usr/bin:/bin" "$@" obpipe-entrypoint true >"$work/refusal" 2>&1 || status=$?
	cat "$work/refusal"
	[[ $status == 2 ]]
	grep -q "$expected" "$work/refusal"
}

entry_faults() {
	: >"$work/empty"
	refuses 'no file that user' PGPASSWORD_FILE="$work/none"
	refuses 'the file is empty' PGPASSWORD_FILE="$work/empty"
	refuses 'are both set' PGPASSWORD_FILE="$work/pg_password" PGPASSWORD=x
	# shellcheck disable=SC2016 # for the shell that is started
	[[ $(env -i PATH="$bin:/usr/bin:/bin" OBPIPE_KAFKA_OPTIONS_FILE="$work/dsn" \
		obpipe-entrypoint sh -c 'echo "$OBPIPE_KAFKA_OPTIONS"') == "$dsn" ]]
}

declare -A ports pids
check 'the files the Dockerfile copies build and install' build
check 'just the programs are installed' installed
check 'their libraries are in the image' libraries
check 'a database, and its password in a file' prepare
check 'migrate, twice' migrate
check 'user and inventory' users_and_inventory
check 'producer gets healthy' up producer
check 'producer is as told' as_told producer
check 'worker gets healthy' up worker
check 'worker is as told' as_told worker
check 'a task is carried out' works
check 'worker stops' down worker
check 'producer stops' down producer
check 'the entry point refuses what cannot be meant' entry_faults
finish
