/* SPDX-License-Identifier: BSD-2-Clause */
/* A head that comes in parts. See conn_head.h. */
#include "conn/conn_head.h"

#include <stdlib.h>
#include <string.h>

#include "access/access.h"
#include "base/cleanup.h"
#include "conn/conn_join.h"
#include "conn/conn_leg.h"
#include "http/http1_edit.h"
#include "kedge/http1.h"

/* The automaton has read the first `at` bytes. */
struct conn_head {
	struct http1 http1;
	struct http1_conf conf;
	uint32_t at;
};

/* Mostly it comes whole. An empty line before it is left to the automaton. */
static bool is_whole(const struct flow *f, const uint8_t *p, size_t n)
{
	if (*p == '\r' || *p == '\n' || n < 4)
		return false;
	return !memcmp(f->tail, "\r\n\r\n", 4) || memmem(p, n, "\r\n\r\n", 4);
}

/* True at the end of the head, and at a fault. */
static bool read_on(struct conn_head *h, const uint8_t *p, size_t n)
{
	while (h->at < n) {
		size_t took = http1_edit_block(&h->http1, &h->conf, p + h->at, n - h->at);

		h->at += (uint32_t)took;
		if (took)
			continue;
		switch (http1_byte(&h->http1, &h->conf, p[h->at++])) {
		case HTTP1_END:
		case HTTP1_REFUSE:
			return true;
		default:
			break;
		}
	}
	return false;
}

bool conn_head_may_go(struct conn *c)
{
	const struct flow *f = &c->flow;
	const uint8_t *p = f->up.data + f->up.off;
	const size_t n = f->up.len - f->up.off;

	if (n >= CONN_HEAD_WAITS_MAX || (!c->head && is_whole(f, p, n)))
		return true;
	if (!c->head) {
		c->head = calloc(1, sizeof(*c->head));
		if (!c->head)
			return true;
		conn_http1_conf(c, &c->head->conf);
	}
	return read_on(c->head, p, n);
}

bool conn_head_begun(const struct conn *c)
{
	return c->head && http1_standing(&c->head->http1) == KEDGE_HEAD;
}

void conn_head_log(struct conn *c)
{
	const struct residue *up = &c->flow.up;

	if (!conn_head_begun(c) || !c->worker->shared->access)
		return;
	if (!c->access)
		conn_access_begin(c);
	if (c->access)
		access_request(c->access, (const char *)up->data + up->off, up->len - up->off);
}

void conn_head_free(struct conn *c)
{
	free(take_ptr(c->head));
}
