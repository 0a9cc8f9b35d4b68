/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_head.c: a head may go to a leg when it is whole, not before, however it comes. */
#include "conn/conn_head.h"
#include "conn/conn_leg.h"

#include <stdio.h>

#include "kedge/http1.h"
#include "tests/lib/http1_corpus.h"
#include "tests/lib/no_heap.h"
#include "tests/unit/conn/conn_parts.h"

static void idle(void)
{
	begin(CONN_IDLE);
	conf.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT;
	c->head = NULL;
}

static int end(void **state)
{
	if (c && c->state == CONN_IDLE)
		conn_head_free(c);
	return down(state);
}

/* The client's next bytes, as conn_idle.c keeps them. */
static bool comes(const void *p, size_t n)
{
	const size_t all = sizeof(c->flow.tail), keep = n < all ? all - n : 0;

	memmove(c->flow.tail, c->flow.tail + all - keep, keep);
	memcpy(c->flow.tail + keep, (const uint8_t *)p + n - (all - keep), all - keep);
	assert_true(residue_add(&c->flow.up, p, n));
	return conn_head_may_go(c);
}

static void forget(void)
{
	conn_head_free(c);
	residue_drop(&c->flow.up);
	memset(c->flow.tail, 0, sizeof(c->flow.tail));
}

/* Where the first head ends, or has its fault: one byte after the other. SIZE_MAX: nowhere. */
static size_t end_of(const struct http1_bytes *in)
{
	struct http1_conf http1;
	struct http1 h = {0};

	conn_http1_conf(c, &http1);
	for (size_t i = 0; i < in->len; i++) {
		enum http1_act act = http1_byte(&h, &http1, in->data[i]);

		if (act == HTTP1_END || act == HTTP1_REFUSE)
			return i + 1;
	}
	return SIZE_MAX;
}

static void in_parts(const struct http1_case *of, size_t step)
{
	const struct http1_bytes *in = &of->input[0];
	size_t at = 0, n, due = end_of(in);
	bool may = false;

	if (due > CONN_HEAD_WAITS_MAX)
		due = CONN_HEAD_WAITS_MAX;
	while (at < in->len && !may) {
		n = in->len - at < step ? in->len - at : step;
		may = comes(in->data + at, n);
		at += n;
	}
	if (may ? at < due || at >= due + step : in->len >= due)
		fail_msg("%s: in parts of %zu it may go after %zu bytes, not %zu", of->name, step,
			 at, due);
	forget();
}

static void all_of_the_corpus(void **state)
{
	size_t count;
	struct http1_case *cases = http1_corpus_load(http1_corpus_dir(), &count);

	(void)state;
	idle();
	assert_true(count > 300);
	for (size_t i = 0; i < count; i++)
		for (size_t step = 1; step < 20000; step = 3 * step + 1)
			if (cases[i].input[0].len / step < 20000)
				in_parts(&cases[i], step);
	http1_corpus_free(cases, count);
}

static void a_whole_one_takes_no_memory(void **state)
{
	(void)state;
	idle();
	assert_true(comes(GET, strlen(GET)));
	assert_null(c->head);
	forget();
	assert_true(comes(GET "GET", strlen(GET "GET")));
	assert_null(c->head);
	forget();
	assert_false(comes("GET", 3));
	assert_non_null(c->head);
	assert_true(conn_head_begun(c));
	forget();
	assert_null(c->head);
	assert_false(conn_head_begun(c));
}

static void empty_lines_begin_nothing(void **state)
{
	(void)state;
	idle();
	assert_false(comes("\r\n", 2));
	assert_false(conn_head_begun(c));
	assert_false(comes("G", 1));
	assert_true(conn_head_begun(c));
	forget();
	assert_true(comes("\r\n" GET, 2 + strlen(GET)));
	forget();
	assert_true(comes("\r\n\r\n\r\n", 6)); /* a fault */
}

static void too_many_bytes_go_on(void **state)
{
	static char much[CONN_HEAD_WAITS_MAX];
	size_t n = (size_t)snprintf(much, sizeof(much), "GET / HTTP/1.1\r\nHost: a\r\n");

	(void)state;
	idle();
	conf.head_bytes_max = KEDGE_HEAD_BYTES_MAX;
	while (n < sizeof(much)) {
		memset(much + n, 'x', sizeof(much) - n);
		memcpy(much + n, "A: ", 3);
		n += sizeof(much) - n < 1000 ? sizeof(much) - n : 500;
		if (n < sizeof(much))
			memcpy(much + n - 2, "\r\n", 2);
	}
	assert_false(comes(much, sizeof(much) - 1));
	assert_true(comes("x", 1));
}

/* Then it goes on in parts, as it comes. */
static void without_memory_it_does_not_wait(void **state)
{
	(void)state;
	idle();
	assert_true(residue_keep(&c->flow.up, "GET", 3));
	no_heap = true;
	assert_true(conn_head_may_go(c));
	no_heap = false;
	assert_null(c->head);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_of_the_corpus),
		TEST(a_whole_one_takes_no_memory),
		TEST(empty_lines_begin_nothing),
		TEST(too_many_bytes_go_on),
		TEST(without_memory_it_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
