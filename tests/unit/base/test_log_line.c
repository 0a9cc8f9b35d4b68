/* SPDX-License-Identifier: BSD-2-Clause */
/* log_line.c: one message is one line, in each style, whatever it quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <jansson.h>

#include "base/log_line.h"
#include "tests/lib/random.h"

static const struct timespec now = {.tv_sec = 1777863721, .tv_nsec = 123456789};

static const char *format_all(enum log_style style, enum log_level level, const char *text,
			      const struct log_field *fields, size_t count)
{
	static char *line;
	const struct log_message m = {level, text, fields, count};
	size_t len;

	free(line);
	line = malloc(LOG_LINE_MAX + 1); /* its end is guarded */
	len = log_line_format(line, style, &m, &now);
	assert_true(len <= LOG_LINE_MAX);
	line[len] = '\0';
	assert_ptr_equal(strchr(line, '\n'), line + len - 1);
	return line;
}

static const char *format(enum log_style style, enum log_level level, const char *text)
{
	return format_all(style, level, text, NULL, 0);
}

static void each_style(void **state)
{
	(void)state;
	assert_string_equal(format(LOG_STYLE_PLAIN, LOG_LEVEL_ERROR, "a"), "kedge: error: a\n");
	assert_string_equal(format(LOG_STYLE_TIME, LOG_LEVEL_INFO, "a"),
			    "2026-05-04T03:02:01.123Z kedge: info: a\n");
	assert_string_equal(format(LOG_STYLE_JSON, LOG_LEVEL_DEBUG, "a"),
			    "{\"time\":\"2026-05-04T03:02:01.123Z\",\"level\":\"debug\","
			    "\"message\":\"a\"}\n");
}

static void the_priorities_of_the_journal(void **state)
{
	(void)state;
	assert_string_equal(format(LOG_STYLE_JOURNAL, LOG_LEVEL_ERROR, "a"), "<3>error: a\n");
	assert_string_equal(format(LOG_STYLE_JOURNAL, LOG_LEVEL_WARN, "a"), "<4>warning: a\n");
	assert_string_equal(format(LOG_STYLE_JOURNAL, LOG_LEVEL_INFO, "a"), "<6>info: a\n");
	assert_string_equal(format(LOG_STYLE_JOURNAL, LOG_LEVEL_DEBUG, "a"), "<7>debug: a\n");
}

static void fields_are_members_of_json(void **state)
{
	const struct log_field fields[] = {
		{"sni", "a\"b\\\n\x1b\xc3\xbc", false},
		{"none", NULL, false},
		{"left_out", "17", true},
	};

	(void)state;
	assert_string_equal(format_all(LOG_STYLE_JSON, LOG_LEVEL_INFO, "m", fields, 3),
			    "{\"time\":\"2026-05-04T03:02:01.123Z\",\"level\":\"info\",\"message\":"
			    "\"m\",\"sni\":\"a\\\"b\\\\\\u000a\\u001b\\u00c3\\u00bc\",\"left_out\":"
			    "17}\n");
	assert_string_equal(format_all(LOG_STYLE_PLAIN, LOG_LEVEL_INFO, "m", fields, 3),
			    "kedge: info: m\n");
}

static void check_clean(const char *text, const char *clean)
{
	char buf[256];

	snprintf(buf, sizeof(buf), "%s", text);
	log_line_clean(buf);
	assert_string_equal(buf, clean);
}

static void only_printable_utf8_stays(void **state)
{
	(void)state;
	check_clean("a b", "a b");
	check_clean("a\nb\tc\x1b[31m\x7f", "a?b?c?[31m?");
	check_clean("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x99\x82",
		    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac "
		    "\xf0\x9f\x99\x82");
	check_clean("\xc2\x9b[31m", "??[31m");   /* CSI of eight bits */
	check_clean("\x9b[31m", "?[31m");        /* the same alone */
	check_clean("\xc2\xa0", "\xc2\xa0");     /* the first behind them */
	check_clean("\xc0\x8a\xc1\xbf", "????"); /* too long for what it is */
	check_clean("\xe0\x80\x8a\xf0\x80\x80\x8a", "???????");
	check_clean("\xed\xa0\x80", "???"); /* half of a pair */
	check_clean("\xf4\x90\x80\x80\xf8\xff", "??????");
	check_clean("\xe2\x80\xa8|\xe2\x80\xae|\xe2\x81\xa6",
		    "???|???|???"); /* ends lines, turns them */
	check_clean("a\xc3", "a?"); /* cut */
	check_clean("a\xe2\x82", "a??");
	check_clean("\xc3\xc3\xbc", "?\xc3\xbc");
}

/* A long text, and long fields: the object is whole. */
static void json_is_cut_within_its_quotes(void **state)
{
	static const char *const units[] = {"x", "\"", "\\", "\xc3\xbc", "\xe2\x82\xac"};

	(void)state;
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		for (size_t n = 1; n <= LOG_TEXT_MAX / strlen(units[u]); n += 7) {
			char text[LOG_TEXT_MAX + 1] = "";
			const struct log_field fields[] = {
				{"a", text, false}, {"b", "12345", true}, {"c", text, false}};
			json_t *json;

			for (size_t i = 0; i < n; i++)
				memcpy(text + i * strlen(units[u]), units[u], strlen(units[u]));
			json = json_loads(
				format_all(LOG_STYLE_JSON, LOG_LEVEL_INFO, text, fields, 3), 0,
				NULL);
			assert_non_null(json);
			assert_non_null(json_object_get(json, "message"));
			json_decref(json);
		}
	}
}

/* Whatever a message quotes: one line, and an object in JSON. */
static void any_bytes(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[400], raw[400];
		const struct log_field fields[] = {{"f", raw, false}};
		size_t len = random_next(&seed) % (sizeof(text) - 1);
		json_t *json;

		for (size_t i = 0; i < len; i++)
			raw[i] = (char)(random_next(&seed) % 255 + 1);
		raw[len] = '\0';
		strcpy(text, raw);
		log_line_clean(text);
		assert_int_equal(strlen(text), len);
		json = json_loads(format_all(LOG_STYLE_JSON, LOG_LEVEL_INFO, text, fields, 1), 0,
				  NULL);
		assert_non_null(json);
		assert_string_equal(json_string_value(json_object_get(json, "message")), text);
		assert_int_equal(json_object_size(json), 4);
		json_decref(json);
		format(LOG_STYLE_TIME, LOG_LEVEL_INFO, text);
		format(LOG_STYLE_JOURNAL, LOG_LEVEL_INFO, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_style),
		cmocka_unit_test(the_priorities_of_the_journal),
		cmocka_unit_test(fields_are_members_of_json),
		cmocka_unit_test(only_printable_utf8_stays),
		cmocka_unit_test(json_is_cut_within_its_quotes),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
