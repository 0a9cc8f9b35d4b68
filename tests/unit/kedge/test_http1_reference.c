/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compares the automaton with the reference parser (tests/lib/http1_reference.h) over the corpus,
 * over its beginnings and over changed cases. The reference must also give the corpus's output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/http1_agree.h"
#include "tests/lib/http1_corpus.h"
#include "tests/lib/http1_reference.h"
#include "tests/lib/random.h"

static struct http1_case *cases;
static size_t cases_count;

/* Both inputs of a case: an upgrade is answered where they meet. */
static struct http1_bytes all_of(const struct http1_case *c)
{
	struct http1_bytes in = {0};

	for (unsigned i = 0; i < c->inputs; i++)
		http1_bytes_add(&in, c->input[i].data, c->input[i].len);
	return in;
}

/* Returns whether they have accepted it. */
static bool agree(const struct http1_case *c, const struct http1_bytes *in, size_t n)
{
	bool refused;
	const char *wrong = http1_disagree(&c->conf, c->tunnel, in->data, n, &refused);

	if (!wrong)
		return !refused;
	fwrite(in->data, 1, n < 2000 ? n : 2000, stderr);
	fail_msg("%s, %zu bytes: %s", c->name, n, wrong);
	return false;
}

/* The reference alone gives what the corpus says. */
static void corpus_by_reference(void **state)
{
	for (size_t i = 0; i < cases_count; i++) {
		const struct http1_case *c = &cases[i];
		struct http1_bytes in = all_of(c);
		struct reference *r = calloc(1, sizeof(*r));

		assert_non_null(r);
		r->mode = c->conf.mode;
		r->flags = c->conf.flags;
		r->limits.head_bytes = c->conf.head_bytes_max;
		r->tunnel = c->tunnel;
		reference_read(r, in.data, in.len);
		/* It needs whole lines to refuse something. */
		if (r->refused != (c->refuse != KEDGE_REASON_NONE) &&
		    (r->refused || in.data[in.len - 1] == '\n'))
			fail_msg("%s: %s", c->name, r->refused ? r->why : "accepted");
		if (!c->refuse && r->standing != c->ends)
			fail_msg("%s: ends %d, not %d", c->name, r->standing, c->ends);
		if (!c->refuse && !r->inside_head) {
			assert_int_equal(r->out.len, c->output.len);
			if (r->out.len)
				assert_memory_equal(r->out.data, c->output.data, r->out.len);
			assert_int_equal(r->requests, c->requests);
		}
		reference_free(r);
		free(r);
		free(in.data);
	}
}

static void corpus_and_its_beginnings(void **state)
{
	for (size_t i = 0; i < cases_count; i++) {
		struct http1_bytes in = all_of(&cases[i]);

		/* Long cases repeat one byte: not every beginning is needed. */
		for (size_t n = 0; n <= in.len; n += n > 300 && n + 300 < in.len ? 97 : 1)
			agree(&cases[i], &in, n);
		free(in.data);
	}
}

/* Inserts something with a meaning at a random place. */
static void change(struct http1_bytes *in, uint32_t *x)
{
	static const char *const spice[] = {"\r",
					    "\n",
					    "\r\n",
					    " ",
					    "\t",
					    ":",
					    ";",
					    ",",
					    "0",
					    "x",
					    "-",
					    "_",
					    "/",
					    "\x7f",
					    "\x80",
					    "[",
					    "]",
					    "\r\n\r\n",
					    "chunked",
					    "Content-Length: 3\r\n",
					    "HTTP/1.0",
					    "Transfer-Encoding: chunked\r\n",
					    "X-Forwarded-For: 1.2.3.4\r\n",
					    "Upgrade: h2c\r\n",
					    "Connection: upgrade\r\n",
					    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"};
	const char *what = spice[random_next(x) % (sizeof(spice) / sizeof(spice[0]))];
	size_t at = random_next(x) % (in->len + 1), gone = random_next(x) % 3;
	struct http1_bytes out = {0};

	http1_bytes_add(&out, in->data, at);
	http1_bytes_add(&out, what, random_next(x) % 4 ? strlen(what) : 0);
	if (at + gone < in->len)
		http1_bytes_add(&out, in->data + at + gone, in->len - at - gone);
	free(in->data);
	*in = out;
}

static void changed_ones(void **state)
{
	uint32_t x = 362436069;
	unsigned accepted = 0;

	for (int i = 0; i < 20000; i++) {
		const struct http1_case *c = &cases[random_next(&x) % cases_count];
		struct http1_bytes in = all_of(c);

		if (in.len < 1000) {
			for (int k = random_next(&x) % 4; k > 0; k--)
				change(&in, &x);
			accepted += agree(c, &in, in.len);
		}
		free(in.data);
	}
	assert_true(accepted > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corpus_by_reference),
		cmocka_unit_test(corpus_and_its_beginnings),
		cmocka_unit_test(changed_ones),
	};
	int failed;

	cases = http1_corpus_load(http1_corpus_dir(), &cases_count);
	failed = cmocka_run_group_tests_name("http1 reference", tests, NULL, NULL);
	http1_corpus_free(cases, cases_count);
	return failed;
}
