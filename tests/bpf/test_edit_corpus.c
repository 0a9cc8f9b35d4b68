/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of tests/corpus/http1 through both editors over real sockets. In one piece, each case must
 * give the expected bytes, end and reason; in pieces, both editors must agree. The same for names
 * that a server may confuse with others (tests/lib/http1_aliases.h).
 * KEDGE_STRIDE: bytes in a piece (3).
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "both.h"
#include "tests/lib/http1_aliases.h"
#include "tests/lib/http1_corpus.h"

#define MESSAGE_BYTES 4096 /* shorter ones go to the kernel as one message */

static struct http1_case *cases;
static size_t cases_count;

static int load(void **state)
{
	cases = http1_corpus_load(http1_corpus_dir(), &cases_count);
	return both_setup(state);
}

static int unload(void **state)
{
	http1_corpus_free(cases, cases_count);
	return both_teardown(state);
}

/* Both inputs as one. The part behind an upgrade is fed as soon as the upgrade is answered. */
static struct bytes input_of(const struct http1_case *c)
{
	struct bytes all = {0};

	for (unsigned i = 0; i < c->inputs; i++)
		bytes_add(&all, c->input[i].data, c->input[i].len);
	return all;
}

/* The case needs an upgrade without an answer, but the leg answers all of them. */
static bool stays_waiting(const struct http1_case *c)
{
	return c->ends == KEDGE_WAITING;
}

/*
 * A long input is several messages for the kernel. Those before the one with the fault have gone
 * on, as with a client that sends in pieces.
 */
static bool beginning_may_go(const struct http1_case *c, const struct bytes *in)
{
	return c->refuse && in->len > MESSAGE_BYTES;
}

static bool same_output(const struct http1_case *c, const struct bytes *in, const struct bytes *got)
{
	size_t want = c->output.len;

	return (got->len == want || (got->len > want && beginning_may_go(c, in))) &&
	       (!want || !memcmp(got->p, c->output.data, want));
}

static void as_expected(const struct http1_case *c, const struct leg_opts *opts,
			const struct bytes *in)
{
	struct leg l;

	leg_open(&l, opts);
	leg_feed(&l, in->p, in->len, NULL, 0, c->tunnel);
	leg_finish(&l);
	if (!same_output(c, in, &l.got)) {
		print_stream("got", &l.got, 0);
		fail_msg("%s: other bytes than expected", c->name);
	}
	if (l.edit->note->standing != c->ends || l.edit->note->reason != c->refuse ||
	    (l.edit->note->requests != c->requests && !beginning_may_go(c, in)))
		fail_msg("%s: ends %u, reason %u, requests %u; expected %d, %d, %u", c->name,
			 l.edit->note->standing, l.edit->note->reason, l.edit->note->requests,
			 c->ends, c->refuse, c->requests);
	leg_close(&l);
}

static void in_one_piece(void **state)
{
	(void)state;
	assert_true(cases_count >= 300);
	for (size_t i = 0; i < cases_count; i++) {
		const struct http1_case *c = &cases[i];
		const struct leg_opts user = {.conf = &c->conf}, kernel = {.bpf = both_bpf,
									   .conf = &c->conf,
									   .bypass = both_bypass};
		struct bytes in = input_of(c);

		if (!stays_waiting(c)) {
			as_expected(c, &user, &in);
			as_expected(c, &kernel, &in);
		}
		bytes_free(&in);
	}
}

static void in_pieces(void **state)
{
	const char *text = getenv("KEDGE_STRIDE");
	size_t stride = text ? strtoul(text, NULL, 0) : 3;

	(void)state;
	for (size_t i = 0; i < cases_count; i++) {
		struct bytes in = input_of(&cases[i]);
		/* Long cases only repeat something. */
		size_t step = in.len > 2000 ? 997 : stride, n = 0;
		size_t *cuts = calloc(in.len + 1, sizeof(*cuts));

		assert_non_null(cuts);
		for (size_t at = 1 + i % step; at < in.len; at += step)
			cuts[n++] = at;
		if (!same(&cases[i].conf, in.p, in.len, cuts, n, cases[i].tunnel))
			fail_msg("%s: the editors differ", cases[i].name);
		free(cuts);
		bytes_free(&in);
	}
}

/*
 * One leg has one client of the corpus after the other. Nothing of one is in the requests of the
 * next: each gets what it would get on a leg of its own.
 */
static void one_after_the_other(const struct leg_opts *opts)
{
	unsigned clients = 0;
	struct leg l;

	leg_open(&l, opts);
	for (size_t i = 0; i < cases_count; i++) {
		const struct http1_case *c = &cases[i];
		struct bytes in = input_of(c);
		uint32_t before = l.edit->note->requests;
		size_t end = in.len;

		/* Half an empty line is kept for the client that sent it. */
		if (c->refuse || c->ends != KEDGE_BETWEEN || (end && in.p[end - 1] != '\n')) {
			bytes_free(&in);
			continue;
		}
		edit_renew(l.edit, &c->conf);
		leg_feed(&l, in.p, in.len, NULL, 0, c->tunnel);
		for (int tries = 0; l.got.len < c->output.len && tries < 1000; tries++) {
			poll(NULL, 0, 1);
			leg_drain(&l);
		}
		if (!same_output(c, &in, &l.got)) {
			print_stream("got", &l.got, 0);
			fail_msg("%s: other bytes behind another client", c->name);
		}
		assert_int_equal(l.edit->note->requests - before, c->requests);
		assert_int_equal(l.edit->note->standing, KEDGE_BETWEEN);
		l.got.len = 0;
		bytes_free(&in);
		clients++;
	}
	assert_true(clients > 100);
	leg_close(&l);
}

static void clients_of_one_leg(void **state)
{
	struct http1_conf conf;
	const struct leg_opts user = {.conf = &conf},
			      kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};

	(void)state;
	conf_make(&conf, HTTP1_XFF_APPEND, 0);
	one_after_the_other(&user);
	one_after_the_other(&kernel);
}

/* A client leaves an empty line, or half of one. The next one may begin with a line of its own. */
static void an_empty_line_between_clients(const struct leg_opts *opts)
{
	static const char first[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n";
	static const char next[] = "\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n";
	struct leg l;

	leg_open(&l, opts);
	for (size_t cut = 0; cut <= 2; cut++) {
		leg_feed(&l, (const uint8_t *)first, strlen(first) - cut, NULL, 0, false);
		edit_renew(l.edit, opts->conf);
		leg_feed(&l, (const uint8_t *)next, strlen(next), NULL, 0, false);
		assert_int_equal(l.edit->note->standing, KEDGE_BETWEEN);
		assert_int_equal(l.edit->note->requests, 2 * (cut + 1));
		edit_renew(l.edit, opts->conf);
	}
	leg_close(&l);
}

static void empty_lines_of_clients(void **state)
{
	struct http1_conf conf;
	const struct leg_opts user = {.conf = &conf},
			      kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};

	(void)state;
	conf_make(&conf, HTTP1_XFF_APPEND, 0);
	an_empty_line_between_clients(&user);
	an_empty_line_between_clients(&kernel);
}

/* Taken out or refused, whole or cut inside the name: both editors agree. */
static void aliases(void **state)
{
	const __u16 set = HTTP1_STRIP | HTTP1_SET_PROTO;
	struct http1_conf refuse, remove;
	struct http1_alias *all;
	size_t count;

	(void)state;
	all = http1_aliases(&count);
	assert_non_null(all);
	conf_make(&refuse, HTTP1_XFF_APPEND, set);
	conf_make(&remove, HTTP1_XFF_APPEND, set | HTTP1_CUT_ALIASES);
	for (size_t i = 0; i < count; i++) {
		size_t cut = sizeof(GET) - 1 + i % 20;
		char in[128];
		size_t n = (size_t)snprintf(in, sizeof(in), GET "%s: 6.6.6.6\r\n\r\n", all[i].name);

		if (!same(&refuse, in, n, NULL, 0, 0) || !same(&remove, in, n, &cut, 1, 0))
			fail_msg("%s: the editors differ", all[i].name);
	}
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_one_piece),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(clients_of_one_leg),
		cmocka_unit_test(empty_lines_of_clients),
		cmocka_unit_test(aliases),
	};
	int failed;

	need_root();
	failed = cmocka_run_group_tests_name("over TCP", tests, load, unload);
	both_bypass = true;
	return failed + cmocka_run_group_tests_name("with bypass", tests, load, unload);
}
