/* SPDX-License-Identifier: BSD-2-Clause */
/* What kedge should make of a script: the model reads it, byte by byte where it matters. */
#include "script.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/xff.h"
#include "script_parts.h"
#include "tests/lib/http1_driver.h"
#include "world.h"

/* Pieces of a body may be long, as nothing ends within them. */
#define BODY_PIECE 4096

struct reading {
	struct script *s;
	struct http1_model m;
	size_t at;       /* in say */
	size_t begun_at; /* in want: where the request that is being read began */
	bool open;       /* a head is complete, its request is not */
};

static struct script_request *newest(struct reading *r)
{
	return r->s->requests ? &r->s->request[r->s->requests - 1] : NULL;
}

static bool is_idempotent(const char *p, size_t n)
{
	static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
	const char *space = memchr(p, ' ', n);

	for (size_t i = 0; space && i < sizeof(methods) / sizeof(methods[0]); i++)
		if ((size_t)(space - p) == strlen(methods[i]) &&
		    !memcmp(p, methods[i], strlen(methods[i])))
			return true;
	return false;
}

/* Also where the word is nothing of the kind. */
static bool says_close(const char *p, size_t n)
{
	static const char old[] = " HTTP/1.0\r\n";

	for (size_t i = 0; i + 5 <= n; i++)
		if (!strncasecmp(p + i, "close", 5))
			return true;
	return memmem(p, n, old, strlen(old)) != NULL;
}

static void head_complete(struct reading *r)
{
	const struct http1_bytes *out = &r->m.out;
	struct script_request *q;

	if (r->s->requests == SCRIPT_REQUESTS)
		world_fail("a script has too many requests");
	q = &r->s->request[r->s->requests++];
	q->say_head_end = r->at;
	q->head_end = out->len;
	q->head = out->len - r->begun_at > 5 && !memcmp(out->data + r->begun_at, "HEAD ", 5);
	q->repeats = is_idempotent((const char *)out->data + r->begun_at, out->len - r->begun_at);
	q->last = says_close((const char *)out->data + r->begun_at, out->len - r->begun_at);
	q->upgrade = r->m.h.state == HTTP1_WAITING;
	r->open = true;
}

static void request_complete(struct reading *r)
{
	newest(r)->say_end = r->at;
	newest(r)->end = r->m.out.len;
	r->begun_at = r->m.out.len;
	r->open = false;
}

static void note(struct reading *r)
{
	bool between = http1_between(&r->m.h) && !r->m.run.len;

	if (r->m.h.requests > r->s->requests)
		head_complete(r);
	if (r->open && (between || r->m.h.state == HTTP1_WAITING))
		request_complete(r);
}

static bool in_body(const struct http1_model *m)
{
	return m->h.state == HTTP1_BODY || m->h.state == HTTP1_CHUNK || m->h.state == HTTP1_TUNNEL;
}

/* Within a body, as much as stays there; elsewhere a byte. */
static size_t piece(const struct reading *r)
{
	size_t left = r->s->say.len - r->at;

	if (!in_body(&r->m))
		return 1;
	if (r->m.h.state != HTTP1_TUNNEL && r->m.h.left < left)
		left = r->m.h.left;
	return left < BODY_PIECE ? left : BODY_PIECE;
}

static void feed(struct reading *r, size_t n)
{
	size_t got = http1_model_feed(&r->m, r->s->say.data + r->at, n);

	for (size_t i = 0; i <= got; i++) {
		r->s->want_at[r->at + i] = r->m.out_at[i];
		r->s->heads_at[r->at + i] = r->m.heads_at[i];
	}
	r->at += got;
	if (r->m.wrong)
		world_fail("the model is wrong: %s", r->m.wrong);
	if (got < n) {
		r->s->refused_at = r->at + 1;
		r->s->reason = r->m.h.reason;
		return;
	}
	note(r);
	if (r->m.h.state == HTTP1_WAITING)
		http1_resume(&r->m.h, r->s->tunnel);
}

/* Behind a fault nothing is made of anything. */
static void fill_rest(struct reading *r)
{
	for (size_t i = r->at + 1; i <= r->s->say.len; i++) {
		r->s->want_at[i] = r->s->want_at[r->at];
		r->s->heads_at[i] = r->s->heads_at[r->at];
	}
}

static void expect_tunnel(struct script *s)
{
	http1_bytes_add(&s->want, s->say.data, s->say.len);
	for (size_t i = 0; i <= s->say.len; i++)
		s->want_at[i] = i;
	s->ends = KEDGE_TUNNEL;
}

void script_expect(struct script *s, const struct conf *conf, const struct conf_listener *l,
		   const union addr *client, uint16_t port)
{
	struct reading r = {.s = s};
	struct http1_conf http1;

	if (s->expected)
		world_fail("a script is expected twice");
	s->expected = true;
	s->want_at = calloc(s->say.len + 1, sizeof(*s->want_at));
	s->request = calloc(SCRIPT_REQUESTS, sizeof(*s->request));
	s->heads_at = calloc(s->say.len + 1, sizeof(*s->heads_at));
	if (l->mode == MODE_TCP) {
		expect_tunnel(s);
		return;
	}
	xff_prepare(&http1, conf, client, l->tls, port);
	r.m.conf = &http1;
	while (r.at < s->say.len && s->refused_at == SIZE_MAX)
		feed(&r, piece(&r));
	fill_rest(&r);
	s->ends = http1_standing(&r.m.h);
	s->want = r.m.out;
	r.m.out = (struct http1_bytes){0};
	http1_model_free(&r.m);
	script_judge(s, &http1);
}
