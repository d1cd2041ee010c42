/* Events: written straight into the buffer; the relay encodes tens of thousands a second. */
#include "common/message.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/state.h"

#define ADD_LITERAL(sb, text) strbuf_add(sb, "" text, sizeof(text) - 1)

/* ---- what is the same in every move of one rule ---- */

#define RULE_NUMBERS 256

struct fragment {
	char *text; /* ,"rule":40,"from":"RUNNING",...} to the end of the move; NULL: no such rule
	             */
	size_t bytes;
	bool task;
};

static struct fragment fragments[RULE_NUMBERS]; /* by rule number; made once, never freed */
static pthread_once_t fragments_once = PTHREAD_ONCE_INIT;

static void add_state(struct strbuf *sb, const struct state_rule *rule, int state)
{
	const char *name = rule->object == RULE_OF_TASK ? task_state_name(state)
	                                                : subtask_state_name(state);
	if (name)
		strbuf_add_json(sb, name, strlen(name));
	else
		ADD_LITERAL(sb, "null");
}

static void make_fragments(void)
{
	for (size_t i = 0; i < state_rule_count; i++) {
		const struct state_rule *rule = &state_rules[i];
		struct strbuf sb = STRBUF_INIT;
		if ((unsigned)rule->rule >= RULE_NUMBERS)
			BUG("rule %d has no place in the table", (int)rule->rule);
		strbuf_addf(&sb, ",\"rule\":%d,\"from\":", (int)rule->rule);
		add_state(&sb, rule, rule->from);
		ADD_LITERAL(&sb, ",\"to\":");
		add_state(&sb, rule, rule->to);
		ADD_LITERAL(&sb, ",\"reason\":");
		strbuf_add_json(&sb, rule->reason, strlen(rule->reason));
		strbuf_addc(&sb, '}');
		struct fragment *fragment = &fragments[rule->rule];
		fragment->task = rule->object == RULE_OF_TASK;
		fragment->text = strbuf_detach(&sb, &fragment->bytes);
	}
}

/* ---- moves ---- */

struct move {
	int64_t rule, subtask_id, claim;
};

/* Reads digits up to `end_char`; moves *at behind it. */
static bool read_number(const char **at, char end_char, int64_t *ret_number)
{
	int64_t number = 0;
	const char *start = *at;
	const char *digit = start;
	for (; *digit >= '0' && *digit <= '9'; digit++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		        __builtin_add_overflow(number, *digit - '0', &number))
			return false;
	}
	if (digit == start || *digit != end_char)
		return false;
	*at = end_char ? digit + 1 : digit;
	*ret_number = number;
	return true;
}

/* Reads one "rule:subtask_id:claim" and the space behind it. */
static bool read_move(const char **at, struct move *move)
{
	if (!read_number(at, ':', &move->rule) || !read_number(at, ':', &move->subtask_id))
		return false;
	const char *last = *at;
	if (read_number(&last, ' ', &move->claim)) {
		*at = last;
		return *last !=
		       '\0'; /* a space at the very end announces a move that is not there */
	}
	return read_number(at, '\0', &move->claim);
}

static const struct fragment *fragment_of(const struct move *move)
{
	if (move->rule >= RULE_NUMBERS || !fragments[move->rule].text)
		return NULL;
	const struct fragment *fragment = &fragments[move->rule];
	return fragment->task == (move->subtask_id == 0) ? fragment : NULL;
}

static int bad_moves(const struct event_row *row, const char *why, struct err *err)
{
	return err_set(err, ERR_PERMANENT, "",
	        "event %" PRId64 "/%" PRId64 ": moves \"%.200s\": %s", row->task_id, row->sequence,
	        row->moves, why);
}

static int add_moves(const struct event_row *row, struct strbuf *sb, struct err *err)
{
	int64_t number = row->first;
	for (const char *at = row->moves; *at; number++) {
		struct move move;
		if (!read_move(&at, &move))
			return bad_moves(
			        row, "not rule:subtask_id:claim, separated by spaces", err);
		const struct fragment *fragment = fragment_of(&move);
		if (!fragment)
			return bad_moves(
			        row, "a rule that there is not, or not for that object", err);
		if (number > row->first)
			strbuf_addc(sb, ',');
		ADD_LITERAL(sb, "{\"number\":");
		strbuf_add_i64(sb, number);
		if (fragment->task) {
			ADD_LITERAL(sb, ",\"object\":\"task\"");
		} else {
			ADD_LITERAL(sb, ",\"object\":\"subtask\",\"subtask_id\":");
			strbuf_add_i64(sb, move.subtask_id);
		}
		if (move.claim) {
			ADD_LITERAL(sb, ",\"claim\":");
			strbuf_add_i64(sb, move.claim);
		}
		strbuf_add(sb, fragment->text, fragment->bytes);
	}
	if (number != row->sequence + 1)
		return bad_moves(row, "not as many as its first and last number say", err);
	return 0;
}

/* ---- the event ---- */

static void add_envelope(const struct event_row *row, struct strbuf *sb)
{
	ADD_LITERAL(sb, "{\"specversion\":\"1.0\",\"id\":\"");
	strbuf_add_i64(sb, row->task_id);
	strbuf_addc(sb, '/');
	strbuf_add_i64(sb, row->sequence);
	ADD_LITERAL(sb, "\",\"source\":\"/obpipe/tasks/");
	strbuf_add_i64(sb, row->task_id);
	if (row->template)
		ADD_LITERAL(sb, "\",\"type\":\"obpipe.task.created.v1\",\"time\":\"");
	else
		ADD_LITERAL(sb, "\",\"type\":\"obpipe.task.moved.v1\",\"time\":\"");
	clock_add_utc_us(sb, row->at_us);
	ADD_LITERAL(sb, "\",\"datacontenttype\":\"application/json\",\"subject\":\"");
	strbuf_add_i64(sb, row->task_id);
	ADD_LITERAL(sb, "\",\"sequence\":\"");
	strbuf_add_i64(sb, row->sequence);
	strbuf_addc(sb, '"');
	if (row->traceparent) {
		ADD_LITERAL(sb, ",\"traceparent\":");
		strbuf_add_json(sb, row->traceparent, strlen(row->traceparent));
	}
}

static void add_data(const struct event_row *row, struct strbuf *sb)
{
	ADD_LITERAL(sb, ",\"data\":{\"schema\":");
	strbuf_add_i64(sb, MESSAGE_SCHEMA);
	ADD_LITERAL(sb, ",\"task_id\":");
	strbuf_add_i64(sb, row->task_id);
	ADD_LITERAL(sb, ",\"first\":");
	strbuf_add_i64(sb, row->first);
	ADD_LITERAL(sb, ",\"sequence\":");
	strbuf_add_i64(sb, row->sequence);
	ADD_LITERAL(sb, ",\"who\":");
	strbuf_add_json(sb, row->who, strlen(row->who));
	if (row->template) {
		ADD_LITERAL(sb, ",\"template\":");
		strbuf_add_json(sb, row->template, strlen(row->template));
		ADD_LITERAL(sb, ",\"version\":");
		strbuf_add_i64(sb, row->version);
	}
}

int event_encode(const struct event_row *row, struct strbuf *sb, struct err *err)
{
	pthread_once(&fragments_once, make_fragments);
	strbuf_grow(sb, 1024);
	size_t mark = sb->len;
	add_envelope(row, sb);
	add_data(row, sb);
	ADD_LITERAL(sb, ",\"moves\":[");
	if (row->first < 1 || row->sequence < row->first)
		bad_moves(row, "numbers start at 1 and rise", err);
	else if (add_moves(row, sb, err) == 0) {
		ADD_LITERAL(sb, "]}}");
		return 0;
	}
	sb->len = mark;
	sb->buf[mark] = '\0';
	return -1;
}
