/* SPDX-License-Identifier: BSD-2-Clause */
#include "http1_driver.h"

#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "http/http1_edit.h"

static void text(struct http1_model *m)
{
	struct http1_text t;

	http1_text(&m->h, m->conf, &t);
	http1_bytes_add(&m->out, m->conf->text, t.head);
	http1_bytes_add(&m->out, m->h.list, t.list);
	for (__u32 i = 0; i < t.tail; i++)
		http1_bytes_add(&m->out, m->conf->text + http1_tail_at(&t, i), 1);
	http1_bytes_add(&m->out, m->h.options, t.options);
}

/* The held run is empty, or it is what the automaton would give back. */
static void check_run(struct http1_model *m)
{
	const struct http1 *h = &m->h;

	if ((h->hold == HTTP1_LOOSE) != !m->run.len)
		m->wrong = "hold does not say whether a run is held";
	if (h->hold == HTTP1_HELD &&
	    (http1_owed(h) != m->run.len || memcmp(h->token, m->run.data, m->run.len)))
		m->wrong = "token is not the held run";
	if (h->hold == HTTP1_BEING_CUT && http1_owed(h))
		m->wrong = "owed while cutting";
}

static bool model_byte(struct http1_model *m, uint8_t b)
{
	bool held = m->run.len;

	switch (http1_byte(&m->h, m->conf, b)) {
	case HTTP1_PASS:
		http1_bytes_add(held ? &m->run : &m->out, &b, 1);
		break;
	case HTTP1_HOLD:
		if (held)
			m->wrong = "a run begins inside a run";
		http1_bytes_add(&m->run, &b, 1);
		break;
	case HTTP1_KEEP:
		http1_bytes_add(&m->out, m->run.data, m->run.len);
		http1_bytes_add(&m->out, &b, 1);
		m->run.len = 0;
		break;
	case HTTP1_CUT:
		m->run.len = 0;
		break;
	case HTTP1_END:
		if (m->run.len != 1 || m->run.data[0] != '\r')
			m->wrong = "the held run at the end of a head is not its CR";
		text(m);
		http1_bytes_add(&m->out, "\r\n", 2);
		m->run.len = 0;
		break;
	case HTTP1_REFUSE:
		return false;
	}
	check_run(m);
	return true;
}

size_t http1_model_feed(struct http1_model *m, const uint8_t *in, size_t n)
{
	size_t i;

	m->out_at = realloc(m->out_at, (n + 1) * sizeof(*m->out_at));
	m->heads_at = realloc(m->heads_at, (n + 1) * sizeof(*m->heads_at));
	m->out_at[0] = m->out.len;
	m->heads_at[0] = m->h.requests;
	for (i = 0; i < n && m->h.state != HTTP1_WAITING; i++) {
		if (!model_byte(m, in[i]))
			return i;
		m->out_at[i + 1] = m->out.len;
		m->heads_at[i + 1] = m->h.requests;
		if (!http1_between(&m->h) || m->run.len)
			continue;
		m->complete = m->out.len;
		m->requests = m->h.requests;
	}
	return i;
}

void http1_model_free(struct http1_model *m)
{
	free(m->out.data);
	free(m->run.data);
	free(m->out_at);
	free(m->heads_at);
}

static void forget_token(struct http1 *h)
{
	bool counts = h->state == HTTP1_METHOD || h->state == HTTP1_NAME ||
		      h->state == HTTP1_END_LF || h->state == HTTP1_OPTIONS ||
		      h->state == HTTP1_PROTOCOLS;
	bool in_option = h->state == HTTP1_OPTIONS && h->option_len;
	size_t n = counts ? h->len : 0;
	size_t options = in_option ? http1_option_at(h) + h->option_len : h->options_len;

	if (n < HTTP1_TOKEN_MAX)
		memset(h->token + n, 0, HTTP1_TOKEN_MAX - n);
	/* Options of a line that has stayed are left over as well. */
	if (options < sizeof(h->options))
		memset(h->options + options, 0, sizeof(h->options) - options);
	if (h->state != HTTP1_OPTIONS)
		h->options_line = 0;
}

bool http1_same_state(const struct http1 *a, const struct http1 *b)
{
	struct http1 x = *a, y = *b;

	forget_token(&x);
	forget_token(&y);
	return !memcmp(&x, &y, sizeof(x));
}

/* One mapping for all inputs: a guard_new() for each input would take most of the time. */
static uint8_t *guarded(const uint8_t *in, size_t n)
{
	static struct guard g;

	if (g.len < n || !g.data) {
		guard_free(&g);
		guard_new(&g, NULL, n < 65536 ? 65536 : n, GUARD_AFTER);
	}
	return n ? memcpy(g.data + g.len - n, in, n) : g.data + g.len;
}

size_t http1_run_feed(struct http1_run *r, const uint8_t *in, size_t n)
{
	static struct http1_edit edit;
	const uint8_t *p = guarded(in, n);
	size_t taken = 0, step;

	do {
		step = http1_edit(&edit, &r->h, r->conf, &r->note, p + taken, n - taken);
		for (unsigned i = 0; i < edit.pieces; i++)
			http1_bytes_add(&r->out, edit.piece[i].iov_base, edit.piece[i].iov_len);
		taken += step;
	} while (taken < n && step && r->h.state != HTTP1_REFUSED);
	return taken;
}

void http1_run_free(struct http1_run *r)
{
	free(r->out.data);
}

/*
 * The start of the piece with byte `at` of an input. If that byte is refused, the output of earlier
 * pieces stays.
 */
static size_t piece_of(size_t at, struct http1_cuts cuts)
{
	if (at < cuts.first)
		return 0;
	return cuts.first + (at - cuts.first) / cuts.then * cuts.then;
}

static size_t feed_pieces(struct http1_run *r, const uint8_t *in, size_t n, struct http1_cuts cuts)
{
	size_t taken = 0, piece = cuts.first;

	while (taken < n) {
		size_t step = n - taken < piece ? n - taken : piece;
		size_t got = http1_run_feed(r, in + taken, step);

		taken += got;
		if (got < step)
			break;
		piece = cuts.then;
	}
	return taken;
}

const char *http1_feed_both(struct http1_model *m, struct http1_run *r, const uint8_t *in, size_t n,
			    struct http1_cuts cuts, size_t *taken)
{
	size_t model = http1_model_feed(m, in, n), got = feed_pieces(r, in, n, cuts);
	bool refused = m->h.state == HTTP1_REFUSED;
	size_t len = m->out.len;
	uint32_t requests = m->h.requests;

	if (taken)
		*taken = got;
	if (m->wrong)
		return m->wrong;
	if (refused) {
		len = m->out_at[piece_of(model, cuts)];
		requests = m->heads_at[piece_of(model, cuts)];
		if (len < m->complete)
			len = m->complete;
		if (requests < m->requests)
			requests = m->requests;
	} else if (got != model) {
		return "the driver took another number of bytes";
	}
	if (r->out.len != len || (len && memcmp(r->out.data, m->out.data, len) != 0))
		return "the driver's output is another one";
	if (r->note.requests != requests)
		return "the driver counts other requests";
	if (m->h.state != r->h.state || m->h.reason != r->h.reason)
		return "the driver ends elsewhere";
	/* The whole state is compared: nothing may depend on cuts. */
	if (!refused && !http1_same_state(&m->h, &r->h))
		return "the driver's state is another one";
	return NULL;
}
