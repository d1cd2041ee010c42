#!/usr/bin/env bash
# What a running ingress answers and what running programs put on the topics is as
# schema/openapi.json and schema/asyncapi.json say: every route with its 200, and refusals.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/support/e2e.sh
. tests/support/e2e.sh

answers=$work/answers
number=0
credentials=admin:contract-password

prepare() {
	own_database
	"$OBPIPE_BUILD/obpipe" migrate
	"$OBPIPE_BUILD/obpipe" topics
	echo "${credentials#*:}" | "$OBPIPE_BUILD/obpipe" user add admin
	"$OBPIPE_BUILD/obpipe" inventory load tests/fixtures/inventory.json
	psql -qX "$OBPIPE_PG_DSN" <<-'SQL'
		INSERT INTO software_package (package_id, file_name, name, version, build_number,
			operating_system, architecture, size, sha256, path)
		VALUES (1, 'obproxy-1.9.1.1-1919579.el7.x86_64.rpm', 'obproxy', '1.9.1.1', '1919579',
			'el7', 'x86_64', 7, repeat('a', 64), '/nowhere');
		INSERT INTO obproxy (obproxy_id, cluster_id, host_id, sql_port, exporter_port, version,
			architecture, status, operate_status, last_active_time)
		VALUES (1, 1, 8, 2883, 2884, '1.9.1.1-1919579', 'x86_64', 'RUNNING', 'NORMAL', now());
		UPDATE inventory_version SET version = version + 1;
	SQL
	mkdir "$answers"
}

start_programs() {
	export OBPIPE_HTTP_LISTEN=127.0.0.1:0 OBPIPE_WORKER_HTTP_LISTEN=127.0.0.1:0
	# The inventory's hosts are not there: nobody shall work on them.
	start worker "$OBPIPE_BUILD/obpipe-worker" --types noop,finish
	wait_until curl -sf -o /dev/null "http://127.0.0.1:$port/readyz"
	start producer "$OBPIPE_BUILD/obpipe-producer"
	url=http://127.0.0.1:$port
	wait_until curl -sf -o /dev/null "$url/readyz"
}

# call EXPECTED METHOD PATH [BODY] [CURL ARGUMENT...]: keeps request and answer for later.
call() {
	local folder body=${4:-}

	number=$((number + 1))
	folder=$(printf '%s/%03d' "$answers" "$number")
	mkdir "$folder"
	printf '%s' "$1" >"$folder/expected"
	printf '%s' "$2" >"$folder/method"
	printf '%s' "$3" >"$folder/path"
	printf '%s' "$body" >"$folder/body"
	[[ ! $body ]] || set -- "$@" --data-binary "@$folder/body"
	curl -sS -m 30 -u "$credentials" -H "Content-Type: ${media_type:-application/json}" -X "$2" \
		-D "$folder/head" -o "$folder/answer" "${@:5}" "$url$3"
	answer=$folder/answer
}

# The task of the last answer.
task_id() { jq -er '.data.contents[0].id' "$answer"; }

batch_add=/api/v2/obproxy/clusters/1/obproxies/batchAdd
tasks=/api/v2/tasks/instances

state_is() { # TASK STATE
	[[ $(curl -s -u "$credentials" "$url$tasks/$1" | jq -r .data.status) == "$2" ]]
}

seed_answers() {
	local seed

	seed=$(cat tests/fixtures/seed/request.json)
	call 200 POST $batch_add "$seed"
	wait_until state_is "$(task_id)" RUNNING # until it is recorded the answer may be 503
	call 200 GET "$tasks/$(task_id)"
	call 409 POST $batch_add "$seed"
	call 409 POST $batch_add "$(jq -c '.hostIds = [8]' <<<"$seed")"
	call 404 POST "${batch_add/1/99}" "$seed"
	call 404 POST $batch_add "$(jq -c '.hostIds = [99, 98]' <<<"$seed")"
	call 400 POST $batch_add '{"hostIds": ["2", 2.5, 0], "sqlPort": true, "version": null}'
	call 400 POST $batch_add '[1, 2'
	call 400 POST "${batch_add/1/0}" "$seed"
	media_type=text/plain call 415 POST $batch_add "$seed"
	call 413 POST $batch_add "$(head -c 1100000 /dev/zero | tr '\0' ' ')$seed"
	call 401 POST $batch_add "$seed" -u admin:wrong-password
	call 401 POST $batch_add "$seed" -u nobody:wrong-password
	call 405 GET $batch_add
}

# Two tasks that fail are tried again: one whole, one by its subtask.
task_answers() {
	local ended whole part failed_subtask

	call 200 POST /api/v2/obpipe/tasks '{"template": "noop-chain", "count": 2}'
	ended=$(task_id)
	call 200 POST /api/v2/obpipe/tasks \
		'{"template": "noop-chain", "context": {"fail": "*", "list": ["a"], "n": 1, "b": true}}'
	whole=$(task_id)
	call 200 POST /api/v2/obpipe/tasks '{"template": "noop-diamond", "context": {"fail": "left"}}'
	part=$(task_id)
	call 404 POST /api/v2/obpipe/tasks '{"template": "no-such"}'
	call 400 POST /api/v2/obpipe/tasks '{"template": "add-obproxy"}'
	call 400 POST /api/v2/obpipe/tasks '{"count": 0, "context": {"x": null}}'
	wait_until state_is "$whole" FAILED
	wait_until state_is "$part" FAILED
	call 200 GET "$tasks/$part"
	failed_subtask=$(jq -er '.data.subtasks[] | select(.status == "FAILED") | .id' "$answer")
	call 200 GET "$tasks/$part/subtasks/$failed_subtask/log"
	call 200 POST "$tasks/$part/subtasks/$failed_subtask/retry"
	call 200 POST "$tasks/$whole/retry"
	wait_until state_is "$whole" FAILED
	wait_until state_is "$ended" SUCCESSFUL
	call 400 POST "$tasks/$ended/retry"
	call 404 POST "$tasks/$whole/subtasks/$failed_subtask/retry"
	call 404 POST "$tasks/99999999/retry"
	call 404 GET "$tasks/$whole/subtasks/$failed_subtask/log"
	call 404 GET "$tasks/99999999"
	call 400 GET "$tasks/9007199254740992"
	call 200 GET "$tasks?status=RUNNING,FAILED&sort=startTime,asc&page=1&size=2&name=o&type=MANUAL"
	call 200 GET "$tasks?clusterId=1&hostId=2"
	call 400 GET "$tasks?status=LOST&page=0&size=2001&sort=color&clusterId=x"
	call 401 GET "$tasks" '' -u admin:wrong-password
}

other_answers() {
	local path

	for path in /api/v2/obproxy/clusters /api/v2/compute/hosts /api/v2/software-packages; do
		call 200 GET "$path"
		call 200 GET "$path?page=2&size=1"
		call 400 GET "$path?size=x"
		call 405 DELETE "$path"
	done
	call 200 GET /api/v2/obproxy/clusters/1
	call 404 GET /api/v2/obproxy/clusters/99
	for path in /api/v2/info /api/v2/time /api/status /healthz /readyz /metrics; do
		call 200 GET "$path"
	done
	call 404 GET /api/v2/no/such/path
}

# An ingress that cannot reach Kafka: nothing listens on port 1.
away_answers() {
	OBPIPE_KAFKA_BROKERS=127.0.0.1:1 OBPIPE_PUBLISH_TIMEOUT_MS=300 start away \
		"$OBPIPE_BUILD/obpipe-producer"
	url=http://127.0.0.1:$port
	wait_until curl -sf -o /dev/null -u "$credentials" "$url/api/v2/obproxy/clusters/1"
	call 503 GET /readyz
	call 503 GET /api/status
	call 503 POST $batch_add "$(jq -c '.hostIds = [3]' tests/fixtures/seed/request.json)"
}

topics() { kcat -L -J -b "$OBPIPE_KAFKA_BROKERS" | jq -r '.topics[].topic' | grep "^$name\."; }

messages_of() { # TOPIC
	kcat -C -q -e -J -b "$OBPIPE_KAFKA_BROKERS" -t "$1" >"$work/messages/$1"
}

has_dead_letter() {
	messages_of "$name.dead-letter" && [[ -s $work/messages/$name.dead-letter ]]
}

read_messages() {
	local topic pid readers=()

	mkdir "$work/messages"
	echo 'no request' | kcat -P -b "$OBPIPE_KAFKA_BROKERS" -t "$name.requests" -k nonsense
	wait_until has_dead_letter
	for topic in $(topics); do
		messages_of "$topic" &
		readers+=($!)
	done
	for pid in "${readers[@]}"; do wait "$pid"; done
	# What was put there on purpose is told by its dead letter.
	sed -i '/"key":"nonsense"/d' "$work/messages/$name.requests"
}

check 'database, topics, user and inventory are made' prepare
check 'programs start' start_programs
check 'requests for OBProxies' seed_answers
check 'tasks' task_answers
check 'everything else' other_answers
check 'an ingress without Kafka' away_answers
run_tap tests/support/real_answers.py answers "$answers"
check 'topics are read' read_messages
run_tap tests/support/real_answers.py messages "$name." "$work"/messages/*
finish
