/* SPDX-License-Identifier: BSD-2-Clause */
/* top_view.c: two answers to `status`, and a size, as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/top_view.h"

/* JSON with ' for ". NULL stays NULL. */
static json_t *parsed(const char *text)
{
	char *json = text ? strdup(text) : NULL;
	json_t *root;

	for (char *c = json; c && *c; c++)
		*c = *c == '\'' ? '"' : *c;
	root = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;
	assert_true(!text || root);
	free(json);
	return root;
}

static char *view(const char *now, const char *before, unsigned columns, unsigned rows)
{
	json_t *a = parsed(now), *b = parsed(before);
	char *out = top_view(a, b, (struct top_size){columns, rows});

	assert_non_null(out);
	json_decref(a);
	json_decref(b);
	return out;
}

#define ZEROS(first) "[" first ", 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"

#define SAMPLE(uptime, requests, accepted, bytes, ok, own, buckets, bad, late, legs, knocks)       \
	"{'version': '7', 'pid': 12, 'started': 5, 'workers': 2, 'state': 'running', "             \
	"'uptime_ms': " uptime ", 'requests': " requests ", 'connections_open': 3, "               \
	"'record': 'kernel', 'edit': 'user', 'bypass': 'off', 'peername': 'off', 'guard': 'on', "  \
	"'capability_losses': [{'capability': 'edit', 'lost': true}], "                            \
	"'stats': {'accepted': " accepted ", 'bytes_up': " bytes ", 'bytes_down': " bytes "000}, " \
	"'times': {'request': {'buckets': " buckets "}}, "                                         \
	"'reasons': {'http_host': " bad ", 'head_timeout': " late ", 'http_fold': 0}, "            \
	"'applications': [{'application': 'web', 'waiting': 4, 'servers': ["                       \
	"{'server': 'a:1', 'state': 'up', 'connections': 2, 'busy': 1, 'legs': " legs              \
	", 'failed': 0}, {'server': 'b:1', 'state': 'down', 'since_ms': 65000, 'connections': 0, " \
	"'busy': 0, 'legs': 0, 'failed': " legs "}]}], "                                           \
	"'listeners': [{'listener': '0.0.0.0:443', 'accepted': " accepted                          \
	", 'closed': 1, 'handshakes': " accepted ", 'requests': " requests                         \
	", 'responses': {'2xx': " ok "}, 'responses_own': {'5xx': " own "}}], "                    \
	"'guard_stats': {'allowed': " knocks ", 'stranger': " knocks                               \
	", 'rate_source': 0, 'rate_total': " knocks "}, "                                          \
	"'guard_refused': [{'source': '192.0.2.1', 'packets': 9, 'reason': 'stranger'}]}"

#define BEFORE \
	SAMPLE("10000", "100", "10", "1000", "90", "1", ZEROS("0, 100"), "5", "7", "10", "100")
#define NOW SAMPLE("12000", "300", "14", "6000", "289", "2", ZEROS("0, 300"), "6", "7", "12", "200")

static void what_happened_between_the_two(void **state)
{
	char *out = view(NOW, BEFORE, 79, 50);

	(void)state;
	assert_string_equal(
		out,
		"kedge 7  up 12 s  pid 12  2 workers\n"
		"requests 100/s  connections 3 open, 2.0/s  in 2.5kB/s  out 2.5MB/s\n"
		"responses  2xx 100/s  3xx 0/s  4xx 0/s  5xx 0/s  own 4xx 0/s  5xx 0.5/s\n"
		"record kernel  edit user (lost)  bypass off  peername off  guard on\n"
		"\n"
		"latency              p50       p99        /s\n"
		"TLS handshake          -         -         0\n"
		"connect                -         -         0\n"
		"first byte             -         -         0\n"
		"whole request      48 us     63 us       100\n"
		"\n"
		"ended, by reason                  /s       in all\n"
		"http_host                        0.5            6\n"
		"head_timeout                       0            7\n"
		"\n"
		"server                    open   busy connects/s failed/s  state\n"
		"web/b:1                      0      0          0      1.0  down for 1 min 5 s\n"
		"web/a:1                      2      1        1.0        0  up\n"
		"web: 4 clients wait for a server\n"
		"\n"
		"listener                               open  accepts/s handshakes/s requests/s\n"
		"0.0.0.0:443                              13        2.0          2.0        100\n"
		"\n"
		"guard: allowed 50/s  strangers 50/s  over a limit 50/s\n"
		"refused most: 192.0.2.1, 9 packets (stranger)\n"
		"q: quit\n");
	free(out);
}

/* The first look, another kedge, the same pid in a new container, or no time between the two. */
static void without_two_looks_there_are_no_rates(void **state)
{
	const char *reason = "\nhead_timeout                       -            7\n";
	static const char *const before[] = {
		NULL,
		"{'pid': 13, 'started': 5, 'uptime_ms': 10000}",
		"{'pid': 12, 'started': 6, 'uptime_ms': 10000}",
		"{'pid': 12, 'started': 5, 'uptime_ms': 12000}",
		"{'pid': 12, 'started': 5, 'uptime_ms': 99999}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		char *out = view(NOW, before[i], 79, 50);

		assert_non_null(strstr(out, "\nrequests -/s  connections 3 open, -/s  in -B/s  "
					    "out -B/s\n"));
		assert_non_null(strstr(out, "\nwhole request          -         -         -\n"));
		assert_non_null(strstr(out, reason));
		free(out);
	}
}

/* A counter that is smaller than before, and a listener that is new. */
static void a_rate_is_never_below_zero(void **state)
{
	char *out = view("{'pid': 12, 'uptime_ms': 2000, 'requests': 5, 'listeners': "
			 "[{'listener': 'new:1', 'accepted': 7}]}",
			 "{'pid': 12, 'uptime_ms': 1000, 'requests': 9}", 79, 50);

	(void)state;
	assert_non_null(strstr(out, "\nrequests -/s "));
	assert_non_null(strstr(out, "\nnew:1                                     7          -  "));
	free(out);
}

static void assert_fits(const char *out, unsigned columns, unsigned rows)
{
	unsigned lines = 0;

	for (const char *line = out; *line; line += strcspn(line, "\n") + 1) {
		if (strcspn(line, "\n") > columns)
			fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
		lines++;
	}
	assert_true(lines <= rows);
}

static void any_size_is_kept(void **state)
{
	(void)state;
	for (unsigned columns = 1; columns < 130; columns++)
		for (unsigned rows = 1; rows < 30; rows++) {
			char *out = view(NOW, BEFORE, columns, rows);

			assert_fits(out, columns, rows);
			free(out);
			out = top_view_gone("control socket /run/kedge.sock: no kedge answers", 7,
					    (struct top_size){columns, rows});
			assert_fits(out, columns, rows);
			free(out);
		}
}

static void the_last_line_says_what_is_left_out(void **state)
{
	char *out = view(NOW, BEFORE, 79, 24);

	(void)state;
	assert_non_null(strstr(out, "\nq: quit; 2 more lines in a taller window\n"));
	free(out);
	out = view(NOW, BEFORE, 79, 25);
	assert_non_null(strstr(out, "\nq: quit; 1 more line in a taller window\n"));
	free(out);
	/* In a file, there is neither an end nor a key. */
	out = view(NOW, BEFORE, 200, 0);
	assert_null(strstr(out, "q: quit"));
	assert_non_null(strstr(out, "\nrefused most: "));
	free(out);
}

static void a_kedge_that_is_gone(void **state)
{
	char *out =
		top_view_gone("control socket /c: no kedge answers", 65, (struct top_size){60, 10});

	(void)state;
	assert_string_equal(out, "kedge has not answered for 1 min 5 s; trying again\n"
				 "control socket /c: no kedge answers\nq: quit\n");
	free(out);
	out = top_view_gone("0123456789abcdef\033[2J", 1, (struct top_size){10, 10});
	assert_non_null(strstr(out, "\n0123456789\nabcdef?[2J\n"));
	free(out);
}

/* Neither in a word, nor in a character of the path. */
static void lines_of_a_message_end_at_words(void **state)
{
	char *out;

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	out = top_view_gone("control socket /\xc3\xa9t\xc3\xa9: no kedge answers", 65,
			    (struct top_size){21, 10});
	assert_string_equal(out, "kedge has not\nanswered for 1 min 5\ns; trying again\n"
				 "control socket /\xc3\xa9t\xc3\xa9:\nno kedge answers\nq: quit\n");
	free(out);
	out = top_view_gone("/\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 1,
			    (struct top_size){4, 20});
	assert_non_null(strstr(out, "\n/\xc3\xa9\xc3\xa9\xc3\xa9\n\xc3\xa9\xc3\xa9\n"));
	free(out);
	setlocale(LC_CTYPE, "C");
}

static void names_are_escaped_and_in_their_column(void **state)
{
	char *out;

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	out = view("{'listeners': [{'listener': 'a\\u001b[2J\\n', 'accepted': 1}, {'listener': "
		   "'\xe6\x97\xa5\xe6\x9c\xac', 'accepted': 2}, {'listener': "
		   "'a/name/that/is/longer/than/its/own/column', 'accepted': 3}]}",
		   NULL, 70, 50);
	assert_non_null(strstr(out, "\na?[2J?                           1 "));
	assert_non_null(strstr(out, "\n\xe6\x97\xa5\xe6\x9c\xac                             2 "));
	assert_non_null(strstr(out, "\na/name/that/is/longer/than~      3 "));
	assert_null(strchr(out, '\033'));
	free(out);
	setlocale(LC_CTYPE, "C");
}

/* An answer of another version may lack anything, or have it with another type. */
static void an_odd_answer_is_shown_all_the_same(void **state)
{
	static const char *const answers[] = {
		"{}",
		"[]",
		"'text'",
		"{'stats': 1, 'reasons': [], 'guard': 'on', 'guard_refused': [1, {}], 'times': "
		"{'request': {'buckets': {}}, 'connect': [], 'handshake': {'buckets': ['x', -1]}},"
		" 'listeners': {'a': 1}, 'capability_losses': [null], 'uptime_ms': -5, 'requests': "
		"-7, 'version': 5, 'workers': -1, 'applications': [1, {}, {'servers': [1, {}]}]}",
		"{'listeners': [1, {}], 'reasons': {'http_host': 9223372036854775807}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		for (size_t k = 0; k < sizeof(answers) / sizeof(answers[0]); k++) {
			char *out = view(answers[i], answers[k], 79, 24);

			assert_int_equal(strncmp(out, "kedge ?  up ", 12), 0);
			free(out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_happened_between_the_two),
		cmocka_unit_test(without_two_looks_there_are_no_rates),
		cmocka_unit_test(a_rate_is_never_below_zero),
		cmocka_unit_test(any_size_is_kept),
		cmocka_unit_test(the_last_line_says_what_is_left_out),
		cmocka_unit_test(a_kedge_that_is_gone),
		cmocka_unit_test(lines_of_a_message_end_at_words),
		cmocka_unit_test(names_are_escaped_and_in_their_column),
		cmocka_unit_test(an_odd_answer_is_shown_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
