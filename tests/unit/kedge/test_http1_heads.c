/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heads with one sort of line only (tests/lib/http1_heads.h), up to the limit and one more, whole
 * and cut at every byte. The driver must agree with the model, and its list and copies must be
 * large enough.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/http1_driver.h"
#include "tests/lib/http1_heads.h"

/* All that a conf can ask for. */
static const struct {
	enum http1_mode mode;
	__u16 flags;
} confs[] = {
	{HTTP1_XFF_APPEND, 0},     {HTTP1_XFF_APPEND, 0xff},  {HTTP1_XFF_APPEND, 0x1e},
	{HTTP1_XFF_APPEND, 0x1ce}, {HTTP1_XFF_REPLACE, 0x38}, {HTTP1_XFF_IF_NONE, 0x30},
	{HTTP1_XFF_NEVER, 0},      {HTTP1_XFF_NEVER, 0xff},
};
#define CONFS (sizeof(confs) / sizeof(confs[0]))

static void check(const struct http1_conf *conf, const char *line, const struct http1_bytes *in,
		  struct http1_cuts cuts)
{
	struct http1_model m = {.conf = conf};
	struct http1_run r = {.conf = conf};
	size_t at = 0, taken;

	while (at < in->len && m.h.state != HTTP1_REFUSED) {
		const char *wrong =
			http1_feed_both(&m, &r, in->data + at, in->len - at, cuts, &taken);

		if (wrong)
			fail_msg("%s, mode %u, flags %#x, %zu bytes cut at %zu, %zu: %s", line,
				 conf->mode, conf->flags, in->len, cuts.first, cuts.then, wrong);
		at += taken;
		http1_resume(&m.h, false);
		http1_resume(&r.h, false);
	}
	http1_model_free(&m);
	http1_run_free(&r);
}

/* Every sort under every conf, `lines` lines in each of `heads` heads. */
static void check_all(unsigned lines, unsigned heads, struct http1_cuts cuts)
{
	for (size_t i = 0; http1_sorts[i]; i++) {
		struct http1_bytes in = {0};

		http1_heads_add(&in, http1_sorts[i], lines, heads);
		for (size_t k = 0; k < CONFS; k++) {
			struct http1_conf conf;

			http1_case_conf(&conf, confs[k].mode, confs[k].flags);
			check(&conf, http1_sorts[i], &in, cuts);
		}
		free(in.data);
	}
}

/* Host is one more line. */
static void whole(void **state)
{
	static const unsigned lines[] = {1, KEDGE_FIELDS_MAX - 2, KEDGE_FIELDS_MAX - 1,
					 KEDGE_FIELDS_MAX};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		for (unsigned heads = 1; heads <= 4; heads++)
			check_all(lines[i], heads, HTTP1_WHOLE);
	check_all(60, 50, HTTP1_WHOLE);
}

static void at_every_byte(void **state)
{
	for (size_t i = 0; http1_sorts[i]; i++) {
		struct http1_bytes in = {0};

		http1_heads_add(&in, http1_sorts[i], 5, 2);
		for (size_t k = 0; k < CONFS; k++) {
			struct http1_conf conf;

			http1_case_conf(&conf, confs[k].mode, confs[k].flags);
			for (size_t at = 1; at < in.len; at++)
				check(&conf, http1_sorts[i], &in,
				      (struct http1_cuts){at, SIZE_MAX});
		}
		free(in.data);
	}
}

/* A piece may begin inside any line, and end inside any other. */
static void in_pieces(void **state)
{
	static const size_t sizes[] = {1, 3, 17, 1000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_all(KEDGE_FIELDS_MAX - 1, 2, (struct http1_cuts){sizes[i] / 2 + 1, sizes[i]});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(at_every_byte),
		cmocka_unit_test(in_pieces),
	};

	return cmocka_run_group_tests_name("http1 heads", tests, NULL, NULL);
}
