/* SPDX-License-Identifier: BSD-2-Clause */
/* why.c: what the line about a failed connection says, and how often it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "http/reason.h"
#include "listen/why.h"
#include "tests/lib/heard.h"

static struct tally tally;

static int up(void **state)
{
	(void)state;
	tally = (struct tally){0};
	log_set_level(LOG_LEVEL_INFO);
	heard_begin();
	return 0;
}

static int down(void **state)
{
	(void)state;
	heard_end();
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

static bool wanted(enum kedge_reason reason, uint64_t now_ms)
{
	struct why w = {.reason = reason};

	return why_wanted(&w, &tally, now_ms);
}

static union addr address(const char *text)
{
	const char *why;
	union addr a;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

static void the_whole_line(void **state)
{
	struct why w = {
		.reason = KEDGE_REASON_app_refused,
		.listener = "*:443",
		.client = address("192.0.2.1:4000"),
		.balancer = address("10.0.0.1:5000"),
		.sni = "example.com",
		.app = "web",
		.servers = "a, b",
		.level = LOG_LEVEL_WARN,
		.left_out = 7,
	};

	(void)state;
	why_say(&w);
	assert_string_equal(
		heard,
		"warning: listener *:443: app_refused: client 192.0.2.1:4000 through "
		"10.0.0.1:5000 for \"example.com\", application web, server a, b: "
		"application refused the connection or is down; next step: start the "
		"application, or correct its address (localhost is 127.0.0.1; ::1 is "
		"[::1]:PORT); kedge status shows its servers (7 lines like this were left out)\n");
}

static void what_more_is_known_replaces_the_words_of_the_reason(void **state)
{
	struct why w = {.reason = KEDGE_REASON_tls_client_alert,
			.listener = "*:443",
			.text = "client ended the handshake with alert 48 unknown_ca",
			.next = "look at the chain",
			.alert = "48 unknown_ca",
			.level = LOG_LEVEL_INFO};

	(void)state;
	why_say(&w);
	assert_string_equal(heard, "info: listener *:443: tls_client_alert: unknown client: client "
				   "ended the handshake with alert 48 unknown_ca; next step: look "
				   "at the chain\n");
}

static void what_is_not_known_is_left_out(void **state)
{
	struct why w = {
		.reason = KEDGE_REASON_prefix_bad, .listener = "*:443", .level = LOG_LEVEL_INFO};

	(void)state;
	why_say(&w);
	assert_heard("info: listener *:443: prefix_bad: unknown client: malformed PROXY prefix; "
		     "next step: ");
	assert_null(strstr(heard, "left out"));
}

/* As long as it may be, and each byte escaped: the end of the line is there. */
static void a_hostile_name(void **state)
{
	char sni[256];
	struct why w = {.reason = KEDGE_REASON_tls_unknown_name,
			.listener = "*:443",
			.client = address("[2001:db8::1]:65535"),
			.balancer = address("[2001:db8::2]:65535"),
			.sni = sni,
			.level = LOG_LEVEL_INFO,
			.left_out = UINT32_MAX};

	(void)state;
	memset(sni, '\n', sizeof(sni) - 1);
	sni[sizeof(sni) - 1] = '\0';
	why_say(&w);
	assert_heard("\\x0A\\x0A\\x0A\": client named no host");
	assert_heard("(4294967295 lines like this were left out)\n");
	heard_begin();
	w.sni = "a\", application b: c\x1b[2J";
	why_say(&w);
	assert_heard(" for \"a\\x22, application b: c\\x1B[2J\": ");
	assert_int_equal(heard_lines, 1);
}

static void a_line_a_minute_for_each_reason(void **state)
{
	struct why w = {.reason = KEDGE_REASON_prefix_bad};

	(void)state;
	assert_true(wanted(KEDGE_REASON_prefix_bad, 1000));
	assert_false(wanted(KEDGE_REASON_prefix_bad, 1000));
	assert_true(wanted(KEDGE_REASON_prefix_crc, 1000));
	assert_false(wanted(KEDGE_REASON_prefix_bad, 60999));
	assert_true(why_wanted(&w, &tally, 61000));
	assert_int_equal(w.left_out, 2);
	assert_int_equal(w.level, LOG_LEVEL_INFO);
}

/* What nobody wants to read is not counted as left out. */
static void below_the_level(void **state)
{
	struct why w = {.reason = KEDGE_REASON_prefix_bad};

	(void)state;
	assert_false(wanted(KEDGE_REASON_client_gone, 1000));
	log_set_level(LOG_LEVEL_WARN);
	assert_false(wanted(KEDGE_REASON_prefix_bad, 1000));
	assert_true(wanted(KEDGE_REASON_app_refused, 1000));
	log_set_level(LOG_LEVEL_INFO);
	assert_true(why_wanted(&w, &tally, 1000));
	assert_int_equal(w.left_out, 0);
}

static void at_debug_each_has_its_line(void **state)
{
	struct why w = {.reason = KEDGE_REASON_app_refused};

	(void)state;
	log_set_level(LOG_LEVEL_DEBUG);
	assert_true(why_wanted(&w, &tally, 1000));
	assert_int_equal(w.level, LOG_LEVEL_WARN);
	for (int i = 0; i < 3; i++) {
		assert_true(why_wanted(&w, &tally, 1000));
		assert_int_equal(w.level, LOG_LEVEL_DEBUG);
	}
	assert_true(wanted(KEDGE_REASON_client_gone, 1000));
	assert_true(why_wanted(&w, &tally, 61000));
	assert_int_equal(w.left_out, 0);
	why_say_rest(&tally, "*:443", UINT64_MAX);
	assert_int_equal(heard_lines, 0);
}

static void the_rest(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		wanted(KEDGE_REASON_app_refused, 1000);
	for (int i = 0; i < 3; i++)
		wanted(KEDGE_REASON_prefix_bad, 1000);
	for (int i = 0; i < 2; i++)
		wanted(KEDGE_REASON_prefix_crc, 1000);
	why_say_rest(&tally, "*:443", 1000);
	assert_int_equal(heard_lines, 0);
	why_say_rest(&tally, "*:443", 100000);
	assert_heard("info: listener *:443: prefix_bad: 2 lines were left out: malformed ");
	assert_heard("warning: listener *:443: app_refused: 5 lines were left out: application ");
	assert_heard("info: listener *:443: prefix_crc: 1 line was left out: ");
	why_say_rest(&tally, "*:443", UINT64_MAX);
	assert_int_equal(heard_lines, 3);
	wanted(KEDGE_REASON_app_refused, 100000);
	wanted(KEDGE_REASON_app_refused, 100000);
	why_say_rest(&tally, "*:443", UINT64_MAX);
	assert_int_equal(heard_lines, 4);
}

static void every_reason_has_room(void **state)
{
	(void)state;
	for (int i = 1; i < KEDGE_REASON_COUNT; i++) {
		struct why w = {.reason = (enum kedge_reason)i, .listener = "l"};

		if (why_wanted(&w, &tally, 1)) {
			heard_begin();
			why_say(&w);
			assert_heard(reason_next(w.reason));
		}
	}
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, up, down)
	const struct CMUnitTest tests[] = {
		TEST(the_whole_line),
		TEST(what_more_is_known_replaces_the_words_of_the_reason),
		TEST(what_is_not_known_is_left_out),
		TEST(a_hostile_name),
		TEST(a_line_a_minute_for_each_reason),
		TEST(below_the_level),
		TEST(at_debug_each_has_its_line),
		TEST(the_rest),
		TEST(every_reason_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
