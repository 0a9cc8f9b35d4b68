/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kedge/http1.h with the corpus: each case must give its output whole, cut at every byte and in
 * small pieces. The driver must never differ from the model (tests/lib/http1_driver.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/http1_corpus.h"
#include "tests/lib/http1_driver.h"
#include "tests/lib/random.h"
#include "tests/lib/assert_reason.h"

static struct http1_conf append;
static struct http1_case *cases;
static size_t cases_count;

static int load(void **state)
{
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	cases = http1_corpus_load(http1_corpus_dir(), &cases_count);
	return 0;
}

static int unload(void **state)
{
	http1_corpus_free(cases, cases_count);
	return 0;
}

static void show(const char *what, const struct http1_bytes *b)
{
	fprintf(stderr, "%s (%zu):\n", what, b->len);
	if (b->len)
		fwrite(b->data, 1, b->len < 2000 ? b->len : 2000, stderr);
	fputc('\n', stderr);
}

static void same_bytes(const char *name, struct http1_cuts cuts, const struct http1_bytes *got,
		       const struct http1_bytes *want)
{
	if (got->len == want->len && (!got->len || !memcmp(got->data, want->data, got->len)))
		return;
	show("got", got);
	show("want", want);
	fail_msg("%s, cut at %zu, then every %zu: wrong output", name, cuts.first, cuts.then);
}

/* Feeds both, the driver in pieces, and compares them. Returns false when the stream is over. */
static bool feed(const char *name, struct http1_model *m, struct http1_run *r,
		 const struct http1_bytes *in, struct http1_cuts cuts)
{
	const char *wrong = http1_feed_both(m, r, in->data, in->len, cuts, NULL);

	if (!wrong)
		return m->h.state != HTTP1_REFUSED;
	show("driver", &r->out);
	show("model", &m->out);
	fail_msg("%s, cut at %zu, then every %zu: %s", name, cuts.first, cuts.then, wrong);
	return false;
}

static void check_case(const struct http1_case *c, struct http1_cuts cuts)
{
	struct http1_model m = {.conf = &c->conf};
	struct http1_run r = {.conf = &c->conf};

	for (unsigned i = 0; i < c->inputs; i++) {
		if (i) {
			assert_int_equal(http1_standing(&r.h), KEDGE_WAITING);
			http1_resume(&r.h, c->tunnel);
			http1_resume(&m.h, c->tunnel);
		}
		if (!feed(c->name, &m, &r, &c->input[i], cuts))
			break;
	}
	if (cuts.first == SIZE_MAX)
		same_bytes(c->name, cuts, &r.out, &c->output);
	if (http1_standing(&r.h) != c->ends || r.h.reason != c->refuse)
		fail_msg("%s: ends %d, reason %d; expected %d, %d", c->name, http1_standing(&r.h),
			 r.h.reason, c->ends, c->refuse);
	if (cuts.first == SIZE_MAX || !c->refuse)
		assert_int_equal(r.note.requests, c->requests);
	http1_model_free(&m);
	http1_run_free(&r);
}

static void corpus_whole(void **state)
{
	assert_true(cases_count >= 300);
	for (size_t i = 0; i < cases_count; i++)
		check_case(&cases[i], HTTP1_WHOLE);
}

/* A place inside a long repetition, which need not be cut. */
static bool is_dull(const struct http1_bytes *in, size_t at)
{
	return at > 40 && at + 40 < in->len && at % 997 &&
	       !memcmp(in->data + at - 20, in->data + at, 20);
}

static void corpus_every_cut(void **state)
{
	for (size_t i = 0; i < cases_count; i++)
		for (size_t at = 1; at < cases[i].input[0].len; at++)
			if (!is_dull(&cases[i].input[0], at))
				check_case(&cases[i], (struct http1_cuts){at, SIZE_MAX});
}

static void corpus_small_pieces(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 5, 8, 17, 64, 255};

	for (size_t i = 0; i < cases_count; i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			check_case(&cases[i], (struct http1_cuts){sizes[j], sizes[j]});
}

/* The next request is read like the first, whatever came before. */
static void corpus_pairs(void **state)
{
	for (size_t i = 0; i < cases_count; i++) {
		const struct http1_case *a = &cases[i];

		if (a->ends != KEDGE_BETWEEN || a->inputs > 1 || !a->requests ||
		    a->input[0].data[a->input[0].len - 1] == '\r')
			continue;
		for (size_t j = i % 7; j < cases_count; j += 7) {
			struct http1_case b = cases[j];
			struct http1_bytes in = {0}, out = {0};

			http1_bytes_add(&in, a->input[0].data, a->input[0].len);
			http1_bytes_add(&in, b.input[0].data, b.input[0].len);
			http1_bytes_add(&out, a->output.data, a->output.len);
			http1_bytes_add(&out, b.output.data, b.output.len);
			if (!memcmp(&a->conf, &b.conf, sizeof(b.conf))) {
				b.input[0] = in;
				b.output = out;
				b.requests += a->requests;
				check_case(&b, HTTP1_WHOLE);
				check_case(&b, (struct http1_cuts){a->input[0].len, SIZE_MAX});
			}
			free(in.data);
			free(out.data);
		}
	}
}

/* The corpus has a case for each reason to refuse a request. */
static void corpus_shows_every_reason(void **state)
{
	bool seen[KEDGE_REASON_COUNT] = {false};

	for (size_t i = 0; i < cases_count; i++)
		seen[cases[i].refuse] = true;
	for (int r = KEDGE_REASON_http_request_line; r <= KEDGE_REASON_http_xff_too_long; r++)
		if (!seen[r])
			fail_msg("no case is refused with reason %d", r);
}

/* Bytes that mean something, to be put where they do not belong. */
static const char spice[] = "\r\n\r\n :;,\t\0x-_0fFX/[]\x7f\x80H";

/* Cases with some bytes changed, taken out or doubled: driver and model agree at any cut. */
static void mutations(void **state)
{
	uint32_t x = 2463534242;

	for (int i = 0; i < 30000; i++) {
		const struct http1_case *c = &cases[random_next(&x) % cases_count];
		struct http1_bytes in = {0};
		struct http1_model m = {.conf = &c->conf};
		struct http1_run r = {.conf = &c->conf};

		if (c->input[0].len > 1000)
			continue;
		http1_bytes_add(&in, c->input[0].data, c->input[0].len);
		for (int k = 1 + random_next(&x) % 3; k && in.len; k--) {
			size_t at = random_next(&x) % in.len;

			in.data[at] = (uint8_t)spice[random_next(&x) % (sizeof(spice) - 1)];
			if (random_next(&x) % 3)
				continue;
			memmove(in.data + at, in.data + at + 1, in.len - at - 1);
			in.len--;
		}
		feed(c->name, &m, &r, &in,
		     (struct http1_cuts){1 + random_next(&x) % 80, 1 + random_next(&x) % 80});
		free(in.data);
		http1_model_free(&m);
		http1_run_free(&r);
	}
}

/* Feeds a text byte by byte. Returns the last act. */
static enum http1_act feed_text(struct http1 *h, const char *text)
{
	enum http1_act act = HTTP1_PASS;

	while (*text)
		act = http1_byte(h, &append, (uint8_t)*text++);
	return act;
}

#define UPGRADE "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"

static void waiting_and_tunnel(void **state)
{
	struct http1 h;

	http1_init(&h);
	http1_resume(&h, true);
	assert_int_equal(http1_standing(&h), KEDGE_BETWEEN);
	assert_int_equal(feed_text(&h, UPGRADE), HTTP1_END);
	assert_int_equal(http1_standing(&h), KEDGE_WAITING);
	assert_int_equal(http1_body(&h, 5), 0);
	http1_resume(&h, true);
	assert_int_equal(http1_standing(&h), KEDGE_TUNNEL);
	assert_int_equal(http1_body(&h, 5), 5);
	assert_int_equal(http1_byte(&h, &append, 0), HTTP1_PASS);
	http1_resume(&h, false);
	assert_int_equal(http1_standing(&h), KEDGE_TUNNEL);

	/* A byte that comes too early is refused. */
	http1_init(&h);
	feed_text(&h, UPGRADE);
	assert_int_equal(http1_byte(&h, &append, 'G'), HTTP1_REFUSE);
	assert_reason(h.reason, KEDGE_REASON_internal_error);
	/* A refusal is final. */
	assert_int_equal(http1_byte(&h, &append, 'G'), HTTP1_REFUSE);
	assert_int_equal(http1_standing(&h), KEDGE_REFUSED);
}

static void standing_on_the_way(void **state)
{
	static const struct {
		const char *text;
		enum kedge_standing standing;
		uint32_t owed;
		bool cutting;
	} steps[] = {
		{"\r", KEDGE_BETWEEN, 0, true},
		{"\n", KEDGE_BETWEEN, 0, false},
		{"P", KEDGE_HEAD, 0, false},
		{"OST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", KEDGE_HEAD, 0,
		 false},
		{"x-forwarded-for", KEDGE_HEAD, 15, false},
		{":", KEDGE_HEAD, 0, true},
		{" 1\r", KEDGE_HEAD, 0, true},
		{"\n", KEDGE_HEAD, 0, false},
		{"x-cluster-client-i-", KEDGE_HEAD, 19, false},
		{"o", KEDGE_HEAD, 0, false},
		{": 1\r\n\r", KEDGE_HEAD, 1, false},
		{"\n", KEDGE_BODY, 0, false},
		{"1\r\nx\r\n0\r\n", KEDGE_BODY, 0, false},
		{"x-trailer: 1\r\n", KEDGE_BODY, 0, false},
		{"\r", KEDGE_BODY, 0, false},
		{"\n", KEDGE_BETWEEN, 0, false},
	};
	struct http1 h;

	http1_init(&h);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_not_equal(feed_text(&h, steps[i].text), HTTP1_REFUSE);
		assert_int_equal(http1_standing(&h), steps[i].standing);
		assert_int_equal(http1_between(&h), steps[i].standing == KEDGE_BETWEEN);
		assert_int_equal(http1_owed(&h), steps[i].owed);
		assert_int_equal(http1_cutting(&h), steps[i].cutting);
	}
}

/* HEAD bits are at the right place of the ring, and old ones are cleared when it laps. */
static void note_ring(void **state)
{
	struct kedge_note note = {0};
	struct http1 h;

	http1_init(&h);
	h.requests = UINT32_MAX - 1500; /* over the wrap as well */
	for (uint32_t i = 0; i < 3000; i++) {
		bool head = i % 3 == 0 || i % 7 == 0;
		uint32_t slot = (h.requests) % KEDGE_NOTE_RING;

		assert_int_equal(
			feed_text(&h, head ? "HEAD / HTTP/1.0\r\n\r\n" : "HEA / HTTP/1.0\r\n\r\n"),
			HTTP1_END);
		assert_int_equal(http1_is_head(&h), head);
		http1_note_request(&h, &note);
		assert_int_equal(note.head_bits[slot / 64] >> slot % 64 & 1, head);
		assert_int_equal(note.requests, h.requests);
	}
	assert_int_equal(h.requests, UINT32_MAX - 1500 + 3000);
}

/* As the drivers do: the usual lines as a whole. */
static void feed_taken(struct http1 *h, const char *text)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);

	while (p < end) {
		uint32_t n = http1_take(h, &append, p, end);

		if (n)
			p += n;
		else
			http1_byte(h, &append, *p++);
	}
}

#define LONG "Accept: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"

/* Which requests end their connection, and that the next one's facts are its own. */
static void note_last(void **state)
{
	static const struct {
		const char *head;
		bool last;
	} rows[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", false},
		/* With enough behind it the line is taken as a whole. */
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" LONG "\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n" LONG "\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nconnection:CLOSE\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close ,y\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: clos\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: close\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
	};

	(void)state;
	for (int taken = 0; taken < 2; taken++) {
		struct kedge_note note = {0};
		struct http1 h;
		uint32_t last = 0;

		http1_init(&h);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			if (taken)
				feed_taken(&h, rows[i].head);
			else
				feed_text(&h, rows[i].head);
			assert_int_equal(h.requests, i + 1);
			http1_note_request(&h, &note);
			last = rows[i].last ? (uint32_t)i + 1 : last;
			assert_int_equal(note.last, last);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corpus_whole),
		cmocka_unit_test(corpus_every_cut),
		cmocka_unit_test(corpus_small_pieces),
		cmocka_unit_test(corpus_pairs),
		cmocka_unit_test(corpus_shows_every_reason),
		cmocka_unit_test(mutations),
		cmocka_unit_test(waiting_and_tunnel),
		cmocka_unit_test(standing_on_the_way),
		cmocka_unit_test(note_ring),
		cmocka_unit_test(note_last),
	};

	return cmocka_run_group_tests_name("http1", tests, load, unload);
}
