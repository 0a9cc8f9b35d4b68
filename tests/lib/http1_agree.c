/* SPDX-License-Identifier: BSD-2-Clause */
#include "http1_agree.h"

#include <stdlib.h>
#include <string.h>

#include "http1_driver.h"
#include "http1_reference.h"

#define OURS "198.51.100.22"

/* One stream, read by both. */
struct both {
	const uint8_t *in;
	size_t n;
	bool tunnel;
	struct http1_model m;
	size_t taken; /* refused: before the byte at fault */
	struct reference *r;
};

static struct reference *new_reference(const struct http1_conf *conf, bool tunnel)
{
	struct reference *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->mode = conf->mode;
	r->flags = conf->flags;
	r->limits.head_bytes = conf->head_bytes_max;
	r->tunnel = tunnel;
	return r;
}

static void drop_reference(struct reference *r)
{
	reference_free(r);
	free(r);
}

static void read_by_automaton(struct both *b)
{
	while (b->taken < b->n) {
		b->taken += http1_model_feed(&b->m, b->in + b->taken, b->n - b->taken);
		if (b->m.h.state == HTTP1_WAITING) {
			/* A request that asks for an upgrade is complete. */
			b->m.complete = b->m.out.len;
			b->m.requests = b->m.h.requests;
		}
		if (b->m.h.state == HTTP1_REFUSED || b->taken == b->n)
			return;
		http1_resume(&b->m.h, b->tunnel);
	}
}

/*
 * The reference sees no fault yet, because the faulty line has no end. It must find one when the
 * line ends, whatever follows the byte that the automaton refused.
 */
static const char *foreseen(const struct both *b)
{
	static const char *const ends[] = {
		"\r\n",
		"\n",
		"\r\n\r\n",
		"\r\nHost: a\r\n\r\n",
		" HTTP/1.1\r\nHost: a\r\n\r\n",
		"/ HTTP/1.1\r\nHost: a\r\n\r\n",
		": a\r\nHost: a\r\n\r\n",
		"\r\n0\r\n\r\n",
		"a\r\n0\r\n\r\n",
	};
	const char *wrong = NULL;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && !wrong; i++) {
		struct reference *r = new_reference(b->m.conf, b->tunnel);
		struct http1_bytes longer = {0};

		http1_bytes_add(&longer, b->in, b->taken + 1);
		http1_bytes_add(&longer, ends[i], strlen(ends[i]));
		reference_read(r, longer.data, longer.len);
		if (!r->refused)
			wrong = "the automaton refuses what may still be right";
		free(longer.data);
		drop_reference(r);
	}
	return wrong;
}

static bool same_start(const struct http1_bytes *a, const struct http1_bytes *b, size_t n)
{
	return a->len >= n && b->len >= n && (!n || !memcmp(a->data, b->data, n));
}

static const char *compare_refused(const struct both *b)
{
	const struct reference *r = b->r;

	if (r->refused) {
		if (b->taken >= r->fault)
			return "the automaton refuses later";
	} else {
		const char *wrong = foreseen(b);

		if (wrong)
			return wrong;
	}
	if (r->complete_requests != b->m.requests || r->complete != b->m.complete)
		return "other requests were complete before the fault";
	if (!same_start(&r->out, &b->m.out, b->m.complete))
		return "other bytes before the fault";
	return NULL;
}

static const char *compare_accepted(const struct both *b)
{
	const struct reference *r = b->r;

	if (r->refused)
		return r->why;
	if (r->standing != http1_standing(&b->m.h))
		return "they end elsewhere";
	if (r->requests != b->m.h.requests)
		return "another number of requests";
	if (r->complete != b->m.complete || r->complete_requests != b->m.requests)
		return "other boundaries";
	if (!same_start(&r->out, &b->m.out, r->out.len))
		return "other bytes";
	if (!r->inside_head && r->out.len != b->m.out.len)
		return "more bytes";
	return NULL;
}

/* In the output, the last element of the only X-Forwarded-For is ours. */
static const char *check_forwarded(const struct both *b, const struct reference *again)
{
	for (unsigned i = 0; i < again->requests; i++) {
		const struct reference_request *q = &again->request[i];

		if (b->r->mode == HTTP1_XFF_NEVER)
			return NULL;
		if (q->forwarded != 1)
			return "not one line of X-Forwarded-For";
		if (b->r->mode == HTTP1_XFF_IF_NONE)
			continue;
		if (q->last_len != strlen(OURS) ||
		    memcmp(b->m.out.data + q->last, OURS, q->last_len) != 0)
			return "the last element is not ours";
	}
	return NULL;
}

/* The output, read as an application reads it, has the same requests with the same bodies. */
static const char *read_again(const struct both *b)
{
	const struct http1_conf never = {.mode = HTTP1_XFF_NEVER};
	struct reference *again = new_reference(&never, b->tunnel);
	const struct reference *r = b->r;
	const char *wrong = NULL;
	/* The output of a refused stream may be cut anywhere behind the last boundary. */
	size_t n = r->inside_head || r->refused ? r->complete : b->m.out.len;

	/* With our lines, a head may exceed the limits. */
	again->limits = (struct reference_limits){2 * KEDGE_HEAD_BYTES_MAX, KEDGE_LINE_BYTES_MAX,
						  KEDGE_FIELDS_MAX + 8};
	reference_read(again, b->m.out.data, n);
	if (again->refused || again->complete_requests != r->complete_requests ||
	    again->complete != r->complete)
		wrong = "read again, it has other boundaries";
	for (unsigned i = 0; !wrong && i < again->requests; i++) {
		const struct reference_request *p = &r->request[i], *q = &again->request[i];

		if (!p->end != !q->end || (p->end && p->end - p->head_end != q->end - q->head_end))
			wrong = "read again, a body has another length";
	}
	if (!wrong)
		wrong = check_forwarded(b, again);
	drop_reference(again);
	return wrong;
}

const char *http1_disagree(const struct http1_conf *conf, bool tunnel, const uint8_t *in, size_t n,
			   bool *refused)
{
	struct both b = {.in = in, .n = n, .tunnel = tunnel, .m.conf = conf};
	const char *wrong;

	b.r = new_reference(conf, tunnel);
	read_by_automaton(&b);
	reference_read(b.r, in, n);
	if (b.m.h.state == HTTP1_REFUSED)
		wrong = compare_refused(&b);
	else
		wrong = compare_accepted(&b);
	if (!wrong)
		wrong = read_again(&b);
	if (refused)
		*refused = b.r->refused;
	http1_model_free(&b.m);
	drop_reference(b.r);
	return wrong;
}
