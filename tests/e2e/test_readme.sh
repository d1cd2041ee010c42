#!/usr/bin/env bash
# The README's worked example, done word for word in a copy of the sources: a new subtask type and a
# new template run to SUCCESSFUL. And the README's generated parts are those of the programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/support/e2e.sh
. tests/support/e2e.sh
copy=$work/copy

# The first fenced block of a language behind a line that holds a text, without its indentation.
block() { # LANGUAGE TEXT FILE
	awk -v fence="\`\`\`$1" -v text="$2" '
		index($0, text) {near = 1}
		near && index($0, fence) {inside = 1; next}
		inside && /^ *```$/ {exit}
		inside {sub(/^   /, ""); print}' README.md >"$3"
	[[ -s $3 ]] || {
		echo "README.md has no $1 block behind the text \"$2\""
		return 1
	}
}

follow_readme() {
	mkdir "$copy"
	git ls-files -z | xargs -0 tar cf - --ignore-failed-read | tar xf - -C "$copy"
	block c workers/subtasks/hello.c "$copy/workers/subtasks/hello.c"
	block json schema/templates/greet.json "$copy/schema/templates/greet.json"
	grep -o 'SUBTASK_TYPE(hello, "hello")' README.md >>"$copy/workers/subtasks/registry.def"
	make -s -C "$copy" BUILD=build -j2 all
}

prepare() {
	own_database
	export OBPIPE_HTTP_LISTEN=127.0.0.1:0 OBPIPE_WORKER_HTTP_LISTEN=127.0.0.1:0
	"$copy/build/obpipe" migrate
	"$copy/build/obpipe" topics
	echo readme-password | "$copy/build/obpipe" user add admin
}

greet() {
	local task

	start producer "$copy/build/obpipe-producer"
	export OBPIPE_URL=http://127.0.0.1:$port OBPIPE_USER=admin OBPIPE_PASSWORD=readme-password
	wait_until curl -sf -o /dev/null "$OBPIPE_URL/readyz"
	start worker "$copy/build/obpipe-worker"
	"$copy/build/obpipe" submit template greet --watch
	task=$("$copy/build/obpipe" tasks --json | jq -e '.contents[0].id')
	"$copy/build/obpipe" log "$task" >"$work/greeting"
	grep 'hello from host' "$work/greeting"
}

settings_are_current() {
	"$copy/build/obpipe" config --markdown >"$work/settings"
	grep -q '^| setting ' "$work/settings"
	sed -n '/^| setting /,/^$/p' README.md | sed '/^$/d' | diff "$work/settings" -
}

check 'the worked example compiles' follow_readme
check 'database and topics are made' prepare
check 'the new type runs' greet
check 'the settings table is that of the programs' settings_are_current
finish
