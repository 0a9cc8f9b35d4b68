/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on a whole flow: the mover, the editor and the follower of responses, between a client
 * and an application that send any bytes, in pieces, take as much as they like, and leave at any
 * time (flow_world.h). No threads, no sockets, no time.
 *
 * What must be true, by two readers of their own (http1_driver.h, response_reference.h):
 *   - what the application got is what the model makes of what the client sent;
 *   - what the client got is what may pass of what the application sent;
 *   - a flow whose both sides have said everything ends, or waits for somebody who can go on;
 *   - kedge says something of its own only between two responses.
 *
 * An input begins with choices (below), among them the order of events. Then come the client's
 * stream, the byte MUTATE_SPLIT, and the application's, both in the form of stream.h.
 */
#include <stdlib.h>
#include <string.h>

#include "conn/mover_ask.h"
#include "flow_world.h"
#include "invariant.h"
#include "mutate.h"
#include "stream.h"

#define EVENTS 48
#define ALL    ((size_t)1 << 30)

struct choices {
	uint8_t mode, flags;
	uint8_t buf;           /* the size of the mover's buffer */
	uint8_t client, app;   /* the room that each has at first */
	uint8_t event[EVENTS]; /* what, and how much */
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

static size_t amount(uint8_t b)
{
	static const size_t amounts[] = {1,   2,   3,    7,    12,   16,    60,    100,
					 255, 600, 1000, 4000, 9000, 16384, 65536, ALL};

	return amounts[b % (sizeof(amounts) / sizeof(amounts[0]))];
}

/* --- what happens ----------------------------------------------------------------------------- */

static void happen(struct flow_world *w, uint8_t event)
{
	size_t much = amount(event >> 3);

	switch (event & 7) {
	case 0:
	case 1:
		flow_client_says(w, much);
		break;
	case 2:
	case 3:
		flow_app_says(w, much);
		break;
	case 4:
		flow_client_takes(w, much);
		break;
	case 5:
		flow_app_takes(w, much);
		break;
	case 6:
		if (event >> 3 == 0)
			flow_client_ends(w);
		else
			flow_app_answers(w);
		break;
	case 7:
		if (event >> 3 == 0)
			flow_app_ends(w, false);
		else if (event >> 3 == 1)
			flow_app_ends(w, true);
		else
			flow_app_answers(w);
		break;
	}
}

/* --- what must be true ------------------------------------------------------------------------ */

static bool is_over(const struct flow_world *w)
{
	return w->verdict >= MOVER_END;
}

/* The application got a beginning of what the model makes. */
static void check_up(const struct flow_world *w)
{
	const struct http1_bytes *want = &w->model.out, *got = &w->app.got;

	INVARIANT(got->len <= want->len);
	INVARIANT(!got->len || !memcmp(got->data, want->data, got->len));
	INVARIANT(!w->model.wrong);
}

/*
 * kedge may say something of its own, or end in order, only where a response may begin; and nothing
 * behind the last one. conn may ask at any time, as a deadline comes at any time.
 */
static void check_say(const struct flow_world *w, const struct response_reference *r)
{
	enum mover_say say = mover_may_say(&w->f);

	if (say == MOVER_SAY_RESET)
		return;
	INVARIANT(r->state == RESPONSE_LINE && !flow_inside(r));
	INVARIANT(w->client.got.len == r->good);
	INVARIANT(say != MOVER_SAY_ANSWER || !r->said_close);
}

/* Not of long streams: the second reader begins anew each time. */
static void check_now(const struct flow_world *w)
{
	struct response_reference r;

	check_up(w);
	if (w->app.taken > 4000)
		return;
	flow_reference(w, &r);
	check_say(w, &r);
	response_reference_free(&r);
}

/* The client got what may pass. */
static void check_down(struct flow_world *w)
{
	const struct http1_bytes *got = &w->client.got;
	struct response_reference r;

	flow_reference(w, &r);
	INVARIANT(got->len <= r.good);
	INVARIANT(!got->len || !memcmp(got->data, w->app.says.data, got->len));
	INVARIANT(got->len + w->f.down.len - w->f.down.off == r.good || w->verdict == MOVER_ABORT);
	INVARIANT(w->f.leg->response.done == r.done);
	INVARIANT(w->f.leg->response.state == r.state || r.event >= RESPONSE_REFUSED);
	check_say(w, &r);
	/* A request at fault is answered only behind the answers to all before it. */
	if (w->verdict == MOVER_REPLY && w->f.refused && w->f.reason == w->model.h.reason)
		INVARIANT(r.done >= w->model.requests || mover_may_say(&w->f) != MOVER_SAY_ANSWER);
	/* An end that looks whole is one. */
	if (w->verdict == MOVER_END && w->client.closed && !w->f.reason)
		INVARIANT(r.state != RESPONSE_BODY && r.state != RESPONSE_CHUNK &&
			  r.state != RESPONSE_FIELDS && got->len == r.good);
	response_reference_free(&r);
}

/*
 * All has been said, and there is room for everything: what the client sent has reached the
 * application, unless there is a reason.
 */
static void check_rest(const struct flow_world *w)
{
	const struct flow *f = &w->f;

	if (f->refused || f->leg->write_dead || f->leg->edit->note->standing == KEDGE_WAITING ||
	    flow_outstanding(f) > KEDGE_PIPELINE_MAX)
		return;
	/* No other response can follow this one: requests behind it are dropped. */
	if (f->leg->response.state == RESPONSE_TO_END)
		return;
	INVARIANT(w->client.taken == w->client.said);
	INVARIANT(w->app.got.len == w->model.out.len);
}

/* Everybody says everything, and takes everything. Then both end. */
static void finish(struct flow_world *w)
{
	flow_client_takes(w, ALL);
	flow_app_takes(w, ALL);
	flow_client_says(w, ALL);
	flow_app_says(w, ALL);
	if (!is_over(w))
		check_rest(w);
	flow_client_ends(w);
	flow_app_ends(w, false);
	INVARIANT(is_over(w));
}

/* --- an input --------------------------------------------------------------------------------- */

static void read_streams(struct flow_world *w, const uint8_t *p, size_t n)
{
	size_t split = mutate_split(p, n);

	stream_expand(&w->client.says, w->conf.head_bytes_max, p, split);
	if (split < n)
		stream_expand(&w->app.says, w->conf.head_bytes_max, p + split + 1, n - split - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const size_t bufs[] = {16, 64, 255, 1024, 4096, KEDGE_SEND_BYTES_MAX, 65536};
	struct flow_world *w;
	struct choices c;

	if (n < sizeof(c))
		return -1;
	memcpy(&c, bytes, sizeof(c));
	w = flow_world_new(bufs[c.buf % (sizeof(bufs) / sizeof(bufs[0]))], c.mode % 4, c.flags);
	read_streams(w, bytes + sizeof(c), n - sizeof(c));
	w->client.room = amount(c.client);
	w->app.room = amount(c.app);
	for (size_t i = 0; i < EVENTS && !is_over(w); i++) {
		happen(w, c.event[i]);
		check_now(w);
	}
	if (!is_over(w))
		finish(w);
	check_up(w);
	check_down(w);
	flow_world_free(w);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	static const struct mutate m = {sizeof(struct choices), GRAMMAR_BOTH};

	return mutate(&m, data, n, max, seed);
}
