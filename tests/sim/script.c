/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client sends: requests of all sorts, and some that are none. See script.h. */
#include "script.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script_parts.h"
#include "tests/lib/http1_heads.h"
#include "world.h"

#define BODY_MOST 70000

static void add(struct http1_bytes *b, const char *text)
{
	http1_bytes_add(b, text, strlen(text));
}

void script_add_any(struct http1_bytes *b, size_t n)
{
	static uint8_t bytes[BODY_MOST];

	if (!bytes[1])
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(i * 7 + i / 251);
	http1_bytes_add(b, bytes + dice(64), n < sizeof(bytes) - 64 ? n : sizeof(bytes) - 64);
}

static size_t any_size(void)
{
	switch (dice(4)) {
	case 0:
		return dice(16);
	case 1:
		return dice(1500);
	case 2:
		return dice(20000);
	default:
		return dice(BODY_MOST - 64);
	}
}

void script_pause_at(struct script *s, struct script_pause p)
{
	if (s->pauses_count == SCRIPT_PAUSES)
		return;
	p.at = s->say.len;
	s->pauses[s->pauses_count++] = p;
}

/* Shorter and longer than what makes a difference: 100 ms, 1 s, app-idle-timeout. */
uint32_t script_thinks_ms(void)
{
	static const uint32_t most[] = {1, 80, 300, 900, 1500, 5000};

	return dice(most[dice(6)]);
}

/* --- requests --------------------------------------------------------------------------------- */

static void add_fields(struct http1_bytes *b)
{
	static const char *const lines[] = {
		"Accept: */*\r\n",
		"User-Agent: sim\r\n",
		"X-Forwarded-For: 203.0.113.9\r\n",
		"x-forwarded-for: 203.0.113.1, 203.0.113.2\r\n",
		"X-Real-IP: 203.0.113.3\r\n",
		"Forwarded: for=203.0.113.4\r\n",
		"X-Forwarded-Proto: https\r\n",
		"X-Forwarded-Port: 1\r\n",
		"Connection: keep-alive\r\n",
		"Connection: x-a, keep-alive\r\n",
		"Cookie: a=b; c=d\r\n",
		"X-Forwardee: almost\r\n",
		"Content-Lengthy: 5\r\n",
		"Via: 1.1 a\r\n",
		"True-Client-IP: 203.0.113.5\r\n",
		"X-Cluster-Client-Ip: 203.0.113.6\r\n",
	};

	for (unsigned n = dice(6); n; n--)
		add(b, lines[dice(sizeof(lines) / sizeof(lines[0]))]);
}

void script_add_head(struct script *s, const char *method, const char *more)
{
	char line[64];

	snprintf(line, sizeof(line), "%s /%u HTTP/1.1\r\n", method, s->requests++);
	add(&s->say, line);
	add(&s->say, "Host: a\r\n");
	add_fields(&s->say);
	add(&s->say, more);
	add(&s->say, "\r\n");
}

static void add_post(struct script *s)
{
	size_t n = any_size();
	char length[64];

	snprintf(length, sizeof(length), "Content-Length: %zu\r\n", n);
	script_add_head(s, "POST", length);
	script_add_any(&s->say, n);
}

static void add_chunked(struct script *s)
{
	unsigned chunks = dice(6);
	char size[32];

	script_add_head(s, "PUT", "Transfer-Encoding: chunked\r\n");
	for (unsigned i = 0; i < chunks; i++) {
		size_t n = 1 + any_size() / 4;

		snprintf(size, sizeof(size), "%zx%s\r\n", n, dice_rare(4) ? ";x=y" : "");
		add(&s->say, size);
		script_add_any(&s->say, n);
		add(&s->say, "\r\n");
	}
	add(&s->say, dice_rare(4) ? "0\r\nX-Trailer: a\r\n\r\n" : "0\r\n\r\n");
}

/* The body waits for the application's 100, or for a time. */
static void add_expect(struct script *s)
{
	size_t n = 1 + any_size();
	char more[96];

	snprintf(more, sizeof(more), "Expect: 100-continue\r\nContent-Length: %zu\r\n", n);
	script_add_head(s, "POST", more);
	script_pause_at(s, (struct script_pause){.responses = s->requests,
						 .interim = true,
						 .ms = dice_rare(2) ? 0 : dice_between(1, 40000)});
	s->expects = true;
	script_add_any(&s->say, n);
}

static void add_old(struct script *s)
{
	add(&s->say, dice_rare(2) ? "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
				  : "GET /old HTTP/1.0\r\nHost: a\r\n\r\n");
	s->requests++;
}

static void add_upgrade(struct script *s)
{
	script_add_head(s, "GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	if (!s->tunnel)
		return;
	if (dice_rare(2))
		script_pause_at(s, (struct script_pause){.responses = s->requests});
	script_add_any(&s->say, any_size());
}

void script_add_request(struct script *s)
{
	switch (dice(12)) {
	case 4:
	case 5:
		add_post(s);
		break;
	case 6:
	case 7:
		add_chunked(s);
		break;
	case 8:
		script_add_head(s, "HEAD", "");
		break;
	case 9:
		add_expect(s);
		break;
	case 10:
		add_old(s);
		break;
	case 11:
		add_upgrade(s);
		break;
	default:
		script_add_head(s, dice_rare(8) ? "OPTIONS" : "GET",
				dice_rare(16) ? "Connection: close\r\n" : "");
		break;
	}
}

/* --- what is no request ----------------------------------------------------------------------- */

static struct http1_case *corpus;
static size_t corpus_count;

static void add_corpus(struct script *s)
{
	const struct http1_case *c;

	if (!corpus)
		corpus = http1_corpus_load(http1_corpus_dir(), &corpus_count);
	c = &corpus[dice((uint32_t)corpus_count)];
	http1_bytes_add(&s->say, c->input[0].data, c->input[0].len);
}

/* Many heads with one sort of line. */
static void add_heads(struct script *s)
{
	unsigned sorts = 0;

	while (http1_sorts[sorts])
		sorts++;
	http1_heads_add(&s->say, http1_sorts[dice(sorts)], dice(128), 1 + dice(8));
}

static void add_short_heads(struct script *s)
{
	for (unsigned n = dice(1200); n; n--)
		add(&s->say, dice_rare(200) ? "HEAD / HTTP/1.0\r\n\r\n" : "A / HTTP/1.0\r\n\r\n");
}

/* A byte is changed, left out or put in. */
static void damage(struct http1_bytes *b, size_t from)
{
	size_t n = b->len - from, at;

	if (!n)
		return;
	at = from + dice((uint32_t)(n < 4000 ? n : 4000));
	switch (dice(3)) {
	case 0:
		b->data[at] = (uint8_t)dice(256);
		break;
	case 1:
		memmove(b->data + at, b->data + at + 1, b->len - at - 1);
		b->len--;
		break;
	default:
		http1_bytes_add(b, "x", 1);
		memmove(b->data + at + 1, b->data + at, b->len - at - 1);
		b->data[at] = "\r\n :;,\t0aA"[dice(10)];
		break;
	}
}

void script_add_odd(struct script *s)
{
	static const char *const texts[] = {
		"GET / HTTP/2.0\r\n\r\n",
		"PROXY TCP4 203.0.113.1 203.0.113.2 1 2\r\n",
		"\r\n\r\r\n",
		"\x16\x03\x01\x02\x01\x01\x01\x01\xfc\x03\x03",
		"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"HEAD / HTTP/3.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n",
		("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n"
		 "Content-Length: 1\r\n\r\nx"),
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
		"G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
	};
	size_t from = s->say.len;

	s->odd = true;
	switch (dice(14)) {
	case 5:
	case 12:
	case 13:
		script_add_limit(s);
		break;
	case 0:
	case 1:
	case 2:
		add_corpus(s);
		break;
	case 6:
		add_heads(s);
		break;
	case 7:
		add_short_heads(s);
		break;
	case 8:
	case 9:
		script_add_request(s);
		damage(&s->say, from);
		break;
	default:
		add(&s->say, texts[dice(sizeof(texts) / sizeof(texts[0]))]);
		break;
	}
}

static void make_tcp(struct script *s, bool plain)
{
	for (unsigned n = dice(5); n; n--) {
		script_add_any(&s->say, any_size());
		if (!plain && dice_rare(3))
			script_pause_at(s, (struct script_pause){.responses = UINT32_MAX,
								 .ms = dice_between(1, 3000)});
	}
}

void script_make(struct script *s, enum script_kind kind, bool plain)
{
	unsigned n = dice_rare(3) ? dice(12) : 1 + dice(3);

	s->tunnel = dice_rare(2);
	s->refused_at = SIZE_MAX;
	if (kind == SCRIPT_TCP) {
		make_tcp(s, plain);
		return;
	}
	if (kind == SCRIPT_FAULT) {
		if (dice(2))
			script_add_head(s, "GET", "");
		script_add_fault(s);
		s->requests = 0;
		return;
	}
	if (kind == SCRIPT_KEPT || (!plain && dice(2))) {
		script_theme(s, kind == SCRIPT_KEPT);
		s->requests = 0;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		/* Most clients wait for a response before they ask again. */
		if (s->requests && !dice_rare(3))
			script_pause_at(s, (struct script_pause){.responses = s->requests,
								 .thinks_ms = script_thinks_ms()});
		else if (!plain && dice_rare(8))
			script_pause_at(s, (struct script_pause){.responses = UINT32_MAX,
								 .ms = dice_between(1, 9000)});
		if (!plain && dice_rare(3))
			script_add_odd(s);
		else
			script_add_request(s);
	}
	s->requests = 0;
}

void script_free(struct script *s)
{
	free(s->prefix.data);
	free(s->say.data);
	free(s->want.data);
	free(s->want_at);
	free(s->heads_at);
	free(s->request);
	*s = (struct script){0};
}

void script_over(void)
{
	if (corpus)
		http1_corpus_free(corpus, corpus_count);
	corpus = NULL;
}
