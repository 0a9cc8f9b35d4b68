/* SPDX-License-Identifier: BSD-2-Clause */
/* status_text.c: an answer to `status`, for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/show.h"
#include "daemon/status_text.h"

/* What it writes; to be freed. Texts are JSON with ' for ". */
static char *printed(const char *status, const char *before, bool all)
{
	char *json[2] = {strdup(status), before ? strdup(before) : NULL}, *out = NULL;
	json_t *parsed[2] = {NULL, NULL};
	size_t len;
	FILE *to = open_memstream(&out, &len);

	for (int i = 0; i < 2 && json[i]; i++) {
		for (char *c = json[i]; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		parsed[i] = json_loads(json[i], JSON_DECODE_ANY, NULL);
		assert_non_null(parsed[i]);
	}
	status_print(to, parsed[0], parsed[1], all);
	fclose(to);
	for (int i = 0; i < 2; i++) {
		json_decref(parsed[i]);
		free(json[i]);
	}
	return out;
}

static void assert_narrow(const char *out)
{
	for (const char *line = out; *line; line += strcspn(line, "\n") + 1)
		if (strcspn(line, "\n") > SHOW_COLUMNS)
			fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
}

#define PROCESS                                                                        \
	"'version': '7', 'pid': 12, 'workers': 1, 'generation': 3, "                   \
	"'generations_in_use': 1, 'config': '/etc/kedge/kedge.yaml', 'record': "       \
	"'kernel', 'edit': 'user', 'bypass': 'off', 'peername': 'off', 'guard': 'off'" \
	", 'capability_reasons': {'edit': 'switched off', 'bypass': 'default'}"

static void the_first_lines_say_who_and_how_much(void **state)
{
	char *out = printed("{" PROCESS ", 'uptime_ms': 100000, 'requests': 250, "
			    "'connections_open': 2, 'stats': {'accepted': 9}}",
			    "{'pid': 12, 'uptime_ms': 98000, 'requests': 247}", false);
	const char *expected = "kedge 7, pid 12, up 1 min 40 s, 1 worker\n"
			       "configuration 3, from /etc/kedge/kedge.yaml\n"
			       "connections: 2 open, 9 accepted\n"
			       "requests: 250, 1.5/s now, 2.5/s on average\n"
			       "\n"
			       "record    kernel\n"
			       "edit      user space (switched off)\n"
			       "bypass    off (default)\n"
			       "peername  off\n"
			       "guard     off\n";

	(void)state;
	assert_int_equal(strncmp(out, expected, strlen(expected)), 0);
	assert_narrow(out);
	free(out);
}

static void a_rate_that_is_not_known_is_left_out(void **state)
{
	static const char *const before[] = {
		NULL, "{'pid': 13, 'uptime_ms': 98000, 'requests': 10}", /* another kedge */
		"{'pid': 12, 'uptime_ms': 100000, 'requests': 10}",      /* no time has passed */
		"{'pid': 12, 'uptime_ms': 98000, 'requests': 1000}",     /* less than before */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		char *out = printed("{" PROCESS ", 'uptime_ms': 100000, 'requests': 250}",
				    before[i], false);

		assert_non_null(strstr(out, "\nrequests: 250, 2.5/s on average\n"));
		free(out);
	}
}

static void earlier_configurations_and_a_drain_are_told(void **state)
{
	char *out = printed("{'version': '7', 'generation': 4, 'generations_in_use': 2, 'workers': "
			    "2, 'state': 'shutting down', 'config': null}",
			    NULL, false);

	(void)state;
	assert_non_null(strstr(out, ", 2 workers, shutting down\n"));
	assert_non_null(strstr(out, "\nconfiguration 4, 1 earlier one still has connections, from "
				    "the command line\n"));
	free(out);
	out = printed("{'generation': 4, 'generations_in_use': 3}", NULL, false);
	assert_non_null(strstr(out, "\nconfiguration 4, 2 earlier ones still have connections, "));
	free(out);
}

static void zeros_are_hidden_unless_all_are_wanted(void **state)
{
	const char *status = "{'stats': {'accepted': 5, 'closed': 0}, 'reasons': {'http_host': 2}, "
			     "'times': {'request': {'count': 3, 'p50_us': 900, 'p99_us': 1500}}}";
	char *out = printed(status, NULL, false);

	(void)state;
	assert_non_null(strstr(out, "\naccepted                              5  connections "
				    "accepted\n"));
	assert_null(strstr(out, "\nclosed "));
	assert_non_null(strstr(out, "\nended, by reason\n"
				    "http_host                             2  "));
	assert_null(strstr(out, "\nhttp_fold "));
	assert_non_null(strstr(out, "\nrequest                 3    900 us    1.5 ms  request to "
				    "end of response\n"));
	assert_null(strstr(out, "\nconnect "));
	assert_non_null(strstr(out, "kedge status --all shows it\n"));
	assert_narrow(out);
	free(out);
	out = printed(status, NULL, true);
	assert_non_null(strstr(out, "\nclosed                                0  "));
	assert_non_null(strstr(out, "\nhttp_fold                             0  "));
	assert_non_null(strstr(out, "\nconnect                 0      0 us      0 us  "));
	assert_null(strstr(out, "--all"));
	assert_narrow(out);
	free(out);
	out = printed("{}", NULL, false);
	assert_null(strstr(out, "ended, by reason"));
	free(out);
}

static void a_loss_is_told_with_its_next_step(void **state)
{
	char *out = printed("{'capability_losses': [{'capability': 'edit', 'lost': true, 'cause': "
			    "'its map is full', 'losses': 1, 'age_ms': 65000, 'without': 2, "
			    "'next': 'raise connections-max'}, {'capability': 'record', 'lost': "
			    "false, 'losses': 2, 'age_ms': 5000, 'without': 1}]}",
			    NULL, false);

	(void)state;
	assert_non_null(strstr(out, "\nedit: lost: its map is full, lost 1 time, last 1 min 5 s "
				    "ago, 2 connections\n    without it; next step: raise "
				    "connections-max\nrecord: works again, lost 2 times, last 5 s "
				    "ago, 1 connection without it\n"));
	free(out);
}

static void a_refused_reload_is_told(void **state)
{
	char *out = printed("{'now': 1100, 'reloads': {'last_refused': true, 'last': 1035}}", NULL,
			    false);

	(void)state;
	assert_non_null(strstr(out,
			       "\nthe last reload was refused, 1 min 5 s ago: the log of kedge "
			       "says why\n"));
	free(out);
	out = printed("{'now': 1100, 'reloads': {'last_refused': false, 'last': 1035}}", NULL,
		      false);
	assert_null(strstr(out, "reload"));
	free(out);
}

static void certificates_that_expire_soon_are_told(void **state)
{
	const char *status = "{'now': 1000000, 'certificates': ["
			     "{'listener': 'a:1', 'file': '/x.pem', 'not_after': 1093600}, "
			     "{'listener': 'a:1', 'file': '/y.pem', 'not_after': 996400}, "
			     "{'listener': 'a:1', 'file': '/m.pem', 'not_after': 3592000}, "
			     "{'listener': 'a:1', 'file': '/z.pem', 'not_after': 9000000}]}";
	char *out = printed(status, NULL, false);

	(void)state;
	assert_non_null(strstr(out, "\n\ncertificate /x.pem of a:1: expires in 1 d 2 h\n"
				    "certificate /y.pem of a:1: expired 1 h 0 min ago\n"
				    "certificate /m.pem of a:1: expires in 30 d 0 h\n"));
	assert_null(strstr(out, "/z.pem"));
	free(out);
	out = printed(status, NULL, true);
	assert_non_null(strstr(out, "\ncertificate /z.pem of a:1: expires in 92 d 14 h\n"));
	free(out);
}

/* After a renewal, its date is what the operator looks for. */
static void the_first_to_expire_is_always_told(void **state)
{
	char *out = printed("{'now': 1000000, 'certificates': ["
			    "{'listener': 'a:1', 'file': '/x.pem', 'not_after': 9900000}, "
			    "{'listener': 'a:1', 'file': '/y.pem', 'not_after': 8776000}, "
			    "{'listener': 'b:1', 'file': '/y.pem', 'not_after': 8776000}]}",
			    NULL, false);

	(void)state;
	assert_non_null(strstr(out, "\n\ncertificate /y.pem of a:1: expires in 90 d 0 h\n\n"));
	assert_null(strstr(out, "/x.pem"));
	assert_null(strstr(out, "b:1"));
	free(out);
	out = printed("{'now': 1000000, 'certificates': []}", NULL, false);
	assert_null(strstr(out, "certificate"));
	free(out);
}

static void what_waits_for_a_restart_is_told(void **state)
{
	char *out = printed("{'restart_pending': ['metrics: off -> 127.0.0.1:9', 'access-log: not "
			    "given -> /a: b', 'listener [::]:1: tls: off -> on', 'pin']}",
			    NULL, false);

	(void)state;
	assert_non_null(
		strstr(out, "\nrestart pending: metrics, access-log, listener [::]:1: tls, pin\n"));
	free(out);
	out = printed("{'restart_pending': []}", NULL, false);
	assert_null(strstr(out, "restart"));
	free(out);
}

static void listeners_have_a_row_each(void **state)
{
	char *out =
		printed("{'listeners': [{'listener': '127.0.0.1:443', 'accepted': 4, 'closed': "
			"3, 'handshakes': 2, 'requests': 7}, {'listener': "
			"'unix:/a/path/that/is/longer/than/its/column\\u001b[2J', 'accepted': 1}]}",
			NULL, false);

	(void)state;
	assert_non_null(strstr(
		out,
		"\n127.0.0.1:443                      1            4            2            7\n"
		"unix:/a/path/that/is/longer/than/its/column?[2J\n"
		"                                   1            1            0            0\n"));
	assert_null(strchr(out, '\033'));
	assert_narrow(out);
	free(out);
}

static void the_guard_is_shown_while_it_is_there(void **state)
{
	char *out = printed("{'guard': 'on', 'guard_stats': {'stranger': 77, 'other': 0}, "
			    "'guard_interfaces': [{'interface': 'eth0', 'mode': 'native', "
			    "'dispatcher': true}, {'interface': 'lo', 'mode': 'generic'}], "
			    "'guard_refused': [{'source': '192.0.2.1', 'packets': 9, 'reason': "
			    "'stranger', 'age_ms': 3500}]}",
			    NULL, false);

	(void)state;
	assert_non_null(strstr(out, "\nguard     on\n"));
	assert_non_null(strstr(out, "\nguard\nstranger                             77  "));
	assert_null(strstr(out, "\nother "));
	assert_non_null(strstr(out, "\neth0                             native  beside others, by "
				    "libxdp's dispatcher\n"));
	assert_non_null(strstr(out, "\nlo                              generic  alone: "));
	assert_non_null(
		strstr(out, "\n192.0.2.1                             9  stranger, 3 s ago\n"));
	assert_narrow(out);
	free(out);
	out = printed("{'guard': 'off', 'guard_stats': {'stranger': 77}}", NULL, false);
	assert_null(strstr(out, "\nguard\n"));
	free(out);
}

/* An answer of another version may lack anything, or have it with another type. */
static void an_odd_answer_is_printed_all_the_same(void **state)
{
	static const char *const answers[] = {
		"{}",
		"[]",
		"'text'",
		"{'stats': 1, 'reasons': [], 'guard': 'on', 'guard_refused': [1, {}], 'config': 3, "
		"'listeners': {'a': 1}, 'times': 'x', 'capability_losses': [null], "
		"'capability_reasons': [], 'uptime_ms': -5, 'requests': -7, "
		"'peername': 'on', 'version': 5, 'workers': -1, 'applications': [1, {}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		char *out = printed(answers[i], answers[i], i & 1);

		assert_int_equal(strncmp(out, "kedge ?, pid 0, up ", 19), 0);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_lines_say_who_and_how_much),
		cmocka_unit_test(a_rate_that_is_not_known_is_left_out),
		cmocka_unit_test(earlier_configurations_and_a_drain_are_told),
		cmocka_unit_test(zeros_are_hidden_unless_all_are_wanted),
		cmocka_unit_test(a_loss_is_told_with_its_next_step),
		cmocka_unit_test(a_refused_reload_is_told),
		cmocka_unit_test(certificates_that_expire_soon_are_told),
		cmocka_unit_test(the_first_to_expire_is_always_told),
		cmocka_unit_test(what_waits_for_a_restart_is_told),
		cmocka_unit_test(listeners_have_a_row_each),
		cmocka_unit_test(the_guard_is_shown_while_it_is_there),
		cmocka_unit_test(an_odd_answer_is_printed_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
