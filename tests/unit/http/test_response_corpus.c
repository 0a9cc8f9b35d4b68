/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/http/response.c with tests/corpus/response: each case whole, cut at every byte and byte by
 * byte. The second reader (tests/lib/response_reference.h) must come to the same verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "http/response.h"
#include "tests/lib/response_corpus.h"
#include "tests/lib/response_reference.h"

static struct response_case *cases;
static size_t cases_count;

static int load(void **state)
{
	cases = response_corpus_load(&cases_count);
	return 0;
}

static int unload(void **state)
{
	response_corpus_free(cases, cases_count);
	return 0;
}

struct run {
	struct response r;
	struct kedge_note note;
	enum response_event event; /* the last that was not QUIET */
	size_t good;
};

/* From memory that ends with the bytes: the sanitizer sees a read beyond them. */
static void feed(struct run *run, const uint8_t *bytes, size_t n)
{
	struct response_counts counts = {0};
	bool clean = response_clean(&run->r);
	char *copy = malloc(n + !n);
	enum response_event event;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	event = response_feed(&run->r, &run->note, copy, n, &counts);
	free(copy);
	run->good += counts.good;
	if (event != RESPONSE_QUIET)
		run->event = event;
	if (event == RESPONSE_DECLINED) /* as the editor does */
		run->note.standing = KEDGE_BETWEEN;
	assert_true(clean || !response_clean(&run->r));
}

/* One piece of `first` bytes, the others of `then`. */
static void check(const struct response_case *c, size_t first, size_t then)
{
	struct run run = {.note = c->note};
	const struct response *r = &run.r;

	for (size_t at = 0, n = first; at < c->bytes.len && run.event < RESPONSE_REFUSED;
	     at += n, n = then) {
		if (n > c->bytes.len - at)
			n = c->bytes.len - at;
		feed(&run, c->bytes.data + at, n);
	}
	if (run.event != c->event || r->state != c->state || r->done != c->done)
		fail_msg("%s, cut at %zu: event %d, state %d, done %u", c->name, first, run.event,
			 r->state, r->done);
	if (run.good != c->good)
		fail_msg("%s, cut at %zu: %zu bytes pass, not %zu", c->name, first, run.good,
			 c->good);
	if (response_clean(r) != c->clean)
		fail_msg("%s, cut at %zu: clean: %d", c->name, first, response_clean(r));
	if (response_was_last(r) != c->last || r->keep_alive_s != c->keep_alive_s)
		fail_msg("%s, cut at %zu: last: %d, keep-alive: %u", c->name, first,
			 response_was_last(r), r->keep_alive_s);
}

static void whole(void **state)
{
	assert_true(cases_count >= 150);
	for (size_t i = 0; i < cases_count; i++)
		check(&cases[i], SIZE_MAX, SIZE_MAX);
}

static void at_every_cut(void **state)
{
	for (size_t i = 0; i < cases_count; i++)
		for (size_t at = 1; at < cases[i].bytes.len; at++)
			check(&cases[i], at, SIZE_MAX);
}

static void in_small_pieces(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 7, 16, 61};

	for (size_t i = 0; i < cases_count; i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(*sizes); j++)
			check(&cases[i], sizes[j], sizes[j]);
}

/* The requests of a case, all before its first byte. */
static size_t plan(struct response_arrival *to, const struct kedge_note *note)
{
	for (uint32_t i = 0; i < note->requests; i++)
		to[i] = (struct response_arrival){
			.request = true,
			.head = note->head_bits[0] >> i & 1,
			.standing = i + 1 < note->requests ? KEDGE_BETWEEN : note->standing,
		};
	if (note->standing != KEDGE_HEAD)
		return note->requests;
	if (note->requests)
		to[note->requests - 1].standing = KEDGE_BETWEEN;
	to[note->requests] = (struct response_arrival){.standing = KEDGE_HEAD};
	return note->requests + 1;
}

static void the_second_reader_agrees(void **state)
{
	for (size_t i = 0; i < cases_count; i++) {
		const struct response_case *c = &cases[i];
		struct response_arrival arrival[8];
		struct response_reference r = {.arrival = arrival};

		r.arrivals = plan(arrival, &c->note);
		response_reference_read(&r, (const char *)c->bytes.data, c->bytes.len);
		if (!(r.doubt || r.said_close) != c->clean)
			fail_msg("%s: %s", c->name, r.doubt ? r.doubt : "no doubt");
		if (r.event != c->event || r.state != c->state || r.done != c->done ||
		    r.good != c->good || r.said_close != c->last ||
		    r.keep_alive_s != c->keep_alive_s)
			fail_msg("%s: event %d, state %d, done %u, good %zu, last %d, time %u",
				 c->name, r.event, r.state, r.done, r.good, r.said_close,
				 r.keep_alive_s);
		response_reference_free(&r);
	}
}

/* A leg is used for one more request, until an answer is in doubt; then for none. */
static void behind_each_other(void **state)
{
	static const char next[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";

	for (size_t i = 0; i < cases_count; i++) {
		const struct response_case *c = &cases[i];
		struct run run = {.note = c->note};

		feed(&run, c->bytes.data, c->bytes.len);
		if (run.event >= RESPONSE_REFUSED || run.r.state != RESPONSE_LINE || run.r.begun ||
		    response_outstanding(&run.r, &run.note) || response_over(&run.r))
			continue;
		run.note.standing = KEDGE_BETWEEN;
		run.note.requests++;
		run.note.head_bits[0] = 0;
		feed(&run, (const uint8_t *)next, strlen(next));
		if (run.r.done != c->done + 1 || response_clean(&run.r) != c->clean)
			fail_msg("%s: then done %u, clean %d", c->name, run.r.done,
				 response_clean(&run.r));
	}
}

/* A new leg knows nothing of the one before. */
static void a_new_leg_is_clean(void **state)
{
	static const struct response none;

	for (size_t i = 0; i < cases_count; i++) {
		struct run run = {.note = cases[i].note};

		feed(&run, cases[i].bytes.data, cases[i].bytes.len);
		response_reset(&run.r);
		assert_memory_equal(&run.r, &none, sizeof(none));
		assert_true(response_clean(&run.r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(at_every_cut),
		cmocka_unit_test(in_small_pieces),
		cmocka_unit_test(the_second_reader_agrees),
		cmocka_unit_test(behind_each_other),
		cmocka_unit_test(a_new_leg_is_clean),
	};

	return cmocka_run_group_tests_name("response_corpus", tests, load, unload);
}
