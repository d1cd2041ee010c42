# shellcheck shell=bash
# A figure of a wrong result is worth nothing: these end the bench. Sourced by bench/run.

# Every event row is on the topic: the snapshot that the relay saves (once a second) sees them.
wait_relayed() {
  local i seen

  for ((i = 0; i < 100; i++)); do
    seen=$(sql -c 'SELECT pg_visible_in_snapshot((SELECT max(xid) FROM event_batch),
                                                 (SELECT snapshot::pg_snapshot FROM relay))')
    [[ $seen != t ]] || return 0
    sleep 0.3
  done
  fail "events are still not on their topic 30 s later"
}

# Every event row follows the one before, and the last one is the task's last move.
check_rows() {
  local wrong

  wrong=$(sql -c "
    SELECT count(*)
      FROM (SELECT first, lag(sequence) OVER (PARTITION BY task_id ORDER BY sequence) AS last
              FROM event WHERE task_id NOT BETWEEN $LOADED_FIRST AND $LOADED_LAST) e
     WHERE first <> coalesce(last, 0) + 1")
  ((wrong == 0)) || fail "$wrong gaps in the event rows"
}

# The topic tells the same as the rows, task by task: all events, none more, in order.
check_topic() {
  local file wrong

  wait_relayed
  file=$(mktemp)
  chmod 644 "$file"
  bench check "$file"
  wrong=$(sql <<SQL
CREATE TEMP TABLE topic (task_id bigint, last bigint, events bigint);
\copy topic FROM '$file'
ANALYZE topic;
SELECT count(*) FROM topic p
  FULL JOIN (SELECT t.task_id, t.sequence, count(e.task_id) AS events
               FROM task t LEFT JOIN event e USING (task_id)
              WHERE t.task_id NOT BETWEEN $LOADED_FIRST AND $LOADED_LAST GROUP BY t.task_id) t USING (task_id)
 WHERE (p.last, p.events) IS DISTINCT FROM (t.sequence, t.events);
SQL
  )
  rm "$file"
  ((wrong == 0)) || fail "the event topic differs from the rows in $wrong tasks"
}

check_results() {
  check_rows
  check_topic
}
