# shellcheck shell=bash
# A single Kafka node (KRaft) of one run folder, sourced by services.
# The jars come through Maven once and are shared by all run folders of this user.

KAFKA_VERSION=${KAFKA_VERSION:-4.3.1}
kafka_pom=$REPO/deploy/kafka/pom.xml
kafka_log=$RUN/log/kafka.log
kafka_out=$RUN/log/kafka.out # what the JVM itself says
kafka_home=                  # the cache folder in use
kafka_jvm=                   # the java in use

# The name carries the pom, so that a changed pom never mixes with jars that are in use.
kafka_find() {
	local cache=${XDG_CACHE_HOME:-${HOME:-$RUN}/.cache}

	kafka_jvm=$(java_find) || die "there is no java of version 17 or later; run: make deps"
	kafka_home=$cache/obpipe/kafka-$KAFKA_VERSION-$(sha256sum <"$kafka_pom" | cut -c1-8)
}

# Fills the cache. Another run folder may want the same at this moment: one works, the others wait.
kafka_prepare() {
	kafka_find
	if [[ ! -e $kafka_home/complete || ! -e $(kafka_archive) ]]; then
		mkdir -p "${kafka_home%/*}"
		exec 8>"${kafka_home%/*}/lock"
		flock -w 600 8 || die "another start has been fetching Kafka for 600 s"
		kafka_fetch
		kafka_train
		exec 8>&-
	fi
}

kafka_fetch() {
	local new profile=kafka-4

	[[ ! -e $kafka_home/complete ]] || return 0
	command -v mvn >/dev/null || die "there is no mvn on the PATH; run: make deps"
	say "kafka      fetching Kafka $KAFKA_VERSION (once)"
	[[ $KAFKA_VERSION != 3.* ]] || profile=kafka-3
	rm -rf "$kafka_home".?????? # of a fetch that was interrupted
	new=$(mktemp -d "$kafka_home.XXXXXX")
	mvn -q -B -f "$kafka_pom" -P "$profile" -Dkafka.version="$KAFKA_VERSION" \
		dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$new/libs" \
		>"$RUN/log/kafka-fetch.log" 2>&1 || kafka_fetch_failed "$new"
	[[ -e $new/libs/kafka_2.13-$KAFKA_VERSION.jar ]] || kafka_fetch_failed "$new"
	touch "$new/complete"
	rm -rf "$kafka_home"
	mv -T "$new" "$kafka_home"
}

kafka_fetch_failed() {
	rm -rf "$1"
	log_tail "$RUN/log/kafka-fetch.log"
	die "Maven could not fetch Kafka $KAFKA_VERSION; the end of $RUN/log/kafka-fetch.log stands above." \
		"Maven needs a repository it can reach: see its settings.xml"
}

# Makes the archive of parsed classes, with which a start takes 3 s instead of 5 s (on 2 cores).
# All works without it.
kafka_train() {
	local archive folder log=$RUN/log/kafka-train.log

	archive=$(kafka_archive)
	[[ ! -e $archive ]] || return 0
	say "kafka      preparing quick starts (once)"
	folder=$RUN/kafka/train
	(umask 077 && rm -rf "$folder" && mkdir -p "$folder")
	OBPIPE_RUN_DIR=$folder "$REPO/deploy/stack/kafka-train" "$archive" >"$log" 2>&1 ||
		warn "Kafka's class archive could not be made, so starts are 2 s slower: see $log"
	rm -rf "$folder"
}

# kafka_java OPTIONS-AND-CLASS...: the command words are left in kafka_command. The class path is
# relative to the cache folder, as the archive knows it.
kafka_java() {
	local jars archive

	archive=$(kafka_archive)
	jars=$(cd "$kafka_home" && printf ':%s' libs/*.jar)
	kafka_command=(env -C "$kafka_home" "$kafka_jvm" -XX:+UseSerialGC -XX:-UsePerfData
		-XX:ErrorFile="$RUN/log/kafka-crash-%p.log" -XX:+ExitOnOutOfMemoryError
		-Djava.awt.headless=true -Djava.io.tmpdir="$RUN/kafka/tmp"
		-Dobpipe.log.dir="$RUN/log"
		-Dlog4j2.configurationFile="file:$REPO/deploy/kafka/log4j2.xml"
		-Dlog4j.configuration="file:$REPO/deploy/kafka/log4j.properties"
		-cp "${jars:1}")
	[[ ! -e $archive ]] || kafka_command+=(-XX:SharedArchiveFile="$archive" -Xlog:cds=off
		-Xlog:cds+dynamic=off)
	kafka_command+=("$@")
}

# An archive fits one build of Java only, so its name says which.
kafka_archive() {
	printf '%s/classes-%s.jsa' "$kafka_home" \
		"$(stat -Lc %Y-%s "${kafka_jvm%/bin/java}/lib/server/libjvm.so")"
}

kafka_configure() {
	(umask 077 && mkdir -p "$RUN"/kafka/{data,tmp})
	fill PORT="$(port_of kafka)" CONTROLLER_PORT="$(port_of kafka-controller)" \
		DATA_DIR="$RUN/kafka/data" <"$REPO/deploy/kafka/server.properties.in" |
		write_file "$RUN/kafka/server.properties" 600
}

# Once a run folder. A half-formatted folder is formatted again.
kafka_format() {
	local made out=$RUN/log/kafka-format.log

	if [[ -e $RUN/kafka/formatted ]]; then
		made=$(<"$RUN/kafka/formatted")
		[[ $(printf '%s\n' "$made" "$KAFKA_VERSION" | sort -V | head -n 1) == "$made" ]] ||
			die "$RUN/kafka holds data of Kafka $made, which Kafka $KAFKA_VERSION may not read;" \
				"use another OBPIPE_RUN_DIR, or remove the data: make down CLEAN=1"
		return 0
	fi
	rm -rf "$RUN/kafka/data"
	kafka_configure
	kafka_java -Xmx128m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format --ignore-formatted \
		-t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-22)" \
		-c "$RUN/kafka/server.properties"
	if ! "${kafka_command[@]}" >"$out" 2>&1; then
		log_tail "$out"
		die "Kafka's data folder could not be formatted; the end of $out stands above"
	fi
	printf '%s\n' "$KAFKA_VERSION" | write_file "$RUN/kafka/formatted" 600
}

# Ready: our own process listens, the broker is let in, and every partition has its leader.
kafka_answers() {
	local pid port

	pid=$(pid_of kafka) && port=$(port_of kafka) && listens "$pid" "$port" &&
		kcat -b "127.0.0.1:$port" -L -J -m 3 2>/dev/null | jq -se \
			'.[0] | (.brokers | length) == 1 and all(.topics[].partitions[]; .leader != -1)' >/dev/null
}

kafka_port() {
	settle kafka kafka_answers
	is_alive kafka && return 0
	port_choose kafka "${OBPIPE_KAFKA_PORT:-}"
	port_choose kafka-controller
}

kafka_start() {
	local began

	began=$(now_ms)
	if ! is_alive kafka; then
		kafka_prepare
		kafka_format
		kafka_configure
		kafka_java -Xms256m -Xmx512m kafka.Kafka "$RUN/kafka/server.properties"
		spawn kafka "$kafka_out" "${kafka_command[@]}"
		wait_until 5 is_alive kafka || true
	fi
	wait_ready kafka 120 "$kafka_log" kafka_answers
	say "$(printf '%-10s ready on 127.0.0.1:%s (%s s)' kafka "$(port_of kafka)" "$(seconds_since "$began")")"
}

kafka_stop() { stop_process kafka TERM 30; }

kafka_kill() {
	signal kafka KILL
	wait_until 10 is_gone kafka || die "Kafka outlives SIGKILL"
}
