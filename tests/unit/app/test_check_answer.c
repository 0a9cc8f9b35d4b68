/* SPDX-License-Identifier: BSD-2-Clause */
/* check_answer.c: what counts as a status, in one piece and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "app/check_answer.h"

#define INTERIM "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

static const struct row {
	const char *text;
	size_t len; /* 0: the whole text */
	enum check_answer_verdict verdict;
	unsigned status;
} rows[] = {
	{"", 0, CHECK_ANSWER_MORE, 0},
	{"HTTP/1.1 200 OK\r\n", 0, CHECK_ANSWER_STATUS, 200},
	{"HTTP/1.0 503 Service Unavailable\r\nX: y\r\n\r\nbody", 0, CHECK_ANSWER_STATUS, 503},
	{"HTTP/1.1 204 \r\n", 0, CHECK_ANSWER_STATUS, 204},
	/* What clients accept. */
	{"HTTP/1.1 204\r\n", 0, CHECK_ANSWER_STATUS, 204},
	{"HTTP/1.1 200 OK\n", 0, CHECK_ANSWER_STATUS, 200},
	{"HTTP/1.1 200 gr\xc3\xbc\xc3\x9f\tdich\r\n", 0, CHECK_ANSWER_STATUS, 200},
	{"HTTP/1.1 999 ?\r\n", 0, CHECK_ANSWER_STATUS, 999},
	/* Not complete. */
	{"HTTP/1.1 200", 0, CHECK_ANSWER_MORE, 0},
	{"HTTP/1.1 200 OK", 0, CHECK_ANSWER_MORE, 0},
	{"HTTP/1.1 200 OK\r", 0, CHECK_ANSWER_MORE, 0},
	/* Not HTTP/1.x. */
	{"HTTP/1.1 20\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1 20\n", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1 2000 OK\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1 200\tOK\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1 099 No\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1  200 OK\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1 200 OK\rX\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1 200 O\0K\r\n", 19, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1 200 O\x7fK\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/2.0 200 OK\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"http/1.1 200 OK\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"\r\nHTTP/1.1 200 OK\r\n", 0, CHECK_ANSWER_BAD, 0},
	{"SSH-2.0-OpenSSH_9.2\r\n", 0, CHECK_ANSWER_BAD, 0},
	/* Interim responses. */
	{INTERIM, 0, CHECK_ANSWER_MORE, 0},
	{INTERIM INTERIM "HTTP/1.1 200 OK\r\n", 0, CHECK_ANSWER_STATUS, 200},
	{"HTTP/1.1 100 Continue\n\nHTTP/1.1 404 No\n", 0, CHECK_ANSWER_STATUS, 404},
	{"HTTP/1.1 100 Continue\r\n\r\ngarbage", 0, CHECK_ANSWER_BAD, 0},
	{"HTTP/1.1 100 Continue\r\nX: HTTP/1.1 200 OK\r\n", 0, CHECK_ANSWER_MORE, 0},
	{"HTTP/1.1 101 Switching Protocols\r\n", 0, CHECK_ANSWER_STATUS, 101},
};

/* Feeds text[0..len) in pieces, as far as it is asked for. */
static enum check_answer_verdict read_by(struct check_answer *a, const char *text, size_t len,
					 size_t piece)
{
	enum check_answer_verdict verdict = CHECK_ANSWER_MORE;

	*a = (struct check_answer){0};
	for (size_t at = 0; at < len && verdict == CHECK_ANSWER_MORE; at += piece)
		verdict = check_answer_feed(a, text + at, piece < len - at ? piece : len - at);
	return verdict;
}

static void each_answer_has_one_reading(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		size_t len = row->len ? row->len : strlen(row->text);

		for (size_t piece = 1; piece <= len + 1; piece++) {
			struct check_answer a;

			if (read_by(&a, row->text, len, piece) != row->verdict ||
			    a.status != row->status)
				fail_msg("row %zu, pieces of %zu: status %u", i, piece, a.status);
			assert_true(a.bytes <= len);
		}
	}
}

static void interim_responses_are_bounded(void **state)
{
	static char storm[40 * sizeof(INTERIM)];
	struct check_answer a;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < CHECK_ANSWER_INTERIM_MAX; i++)
		len += (size_t)sprintf(storm + len, INTERIM);
	assert_int_equal(read_by(&a, storm, len, 7), CHECK_ANSWER_MORE);
	assert_int_equal(check_answer_feed(&a, "HTTP/1.1 200 OK\r\n", 17), CHECK_ANSWER_STATUS);
	len += (size_t)sprintf(storm + len, INTERIM "HTTP/1.1 200 OK\r\n");
	assert_int_equal(read_by(&a, storm, len, 7), CHECK_ANSWER_STORM);
}

/* A phrase, and the fields of an interim response, that never end. */
static void so_is_the_whole_answer(void **state)
{
	static const char *const begins[] = {"HTTP/1.1 200 ", "HTTP/1.1 100 \r\nX: "};
	static char text[CHECK_ANSWER_MAX + 20];
	struct check_answer a;

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(text, 'x', sizeof(text));
		memcpy(text, begins[i], strlen(begins[i]));
		assert_int_equal(read_by(&a, text, CHECK_ANSWER_MAX - 1, 1000), CHECK_ANSWER_MORE);
		assert_int_equal(check_answer_feed(&a, "xx", 2), CHECK_ANSWER_LONG);
		assert_int_equal(a.bytes, CHECK_ANSWER_MAX);
	}
	/* The last byte that is read may complete it. */
	memset(text, 'x', sizeof(text));
	memcpy(text, begins[0], strlen(begins[0]));
	text[CHECK_ANSWER_MAX - 1] = '\n';
	assert_int_equal(read_by(&a, text, sizeof(text), 999), CHECK_ANSWER_STATUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_has_one_reading),
		cmocka_unit_test(interim_responses_are_bounded),
		cmocka_unit_test(so_is_the_whole_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
