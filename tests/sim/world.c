/* SPDX-License-Identifier: BSD-2-Clause */
/* The world's clock, log and table of sockets. See world.h. */
#include "world.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_KEPT 120

struct world world;

struct event {
	uint64_t us;
	const char *what;
	unsigned id;
	uint64_t a, b;
};

static struct event kept[LOG_KEPT];
static bool verbose;

/* --- log -------------------------------------------------------------------------------------- */

static void mix(uint64_t v)
{
	world.hash = (world.hash ^ v) * 0x100000001b3;
	world.hash ^= world.hash >> 29;
}

static void print(const struct event *e)
{
	fprintf(stderr, "%10.3f ms  ", (double)e->us / 1000);
	if (e->id)
		fprintf(stderr, "#%-3u ", e->id);
	else
		fprintf(stderr, "     ");
	fprintf(stderr, "%-28s %llu %llu\n", e->what, (unsigned long long)e->a,
		(unsigned long long)e->b);
}

void world_log(const char *what, unsigned id, uint64_t a, uint64_t b)
{
	struct event *e = &kept[world.events++ % LOG_KEPT];

	*e = (struct event){world.now_us, what, id, a, b};
	for (const char *p = what; *p; p++)
		mix((uint8_t)*p);
	mix(world.now_us);
	mix(id);
	mix(a);
	mix(b);
	if (verbose)
		print(e);
}

void world_log_print(void)
{
	uint64_t i = world.events > LOG_KEPT ? world.events - LOG_KEPT : 0;

	if (verbose)
		return; /* they have been printed */
	fprintf(stderr, "the last events: time, socket, what, two numbers\n");
	for (; i < world.events; i++)
		print(&kept[i % LOG_KEPT]);
}

void world_tell(const char *fmt, ...)
{
	va_list ap;

	if (!verbose)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
}

void world_log_verbose(bool on)
{
	verbose = on;
}

const char *world_show(const struct http1_bytes *b, size_t at)
{
	static char texts[2][500];
	static unsigned turn;
	char *text = texts[turn++ % 2], *p = text;

	for (; at < b->len && p < text + 300; at++)
		p += sprintf(p, b->data[at] >= ' ' && b->data[at] < 127 ? "%c" : "\\x%02x",
			     b->data[at]);
	*p = '\0';
	return text;
}

void world_fail(const char *fmt, ...)
{
	va_list ap;

	world_log_print();
	va_start(ap, fmt);
	fprintf(stderr, "sim: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

/* --- sockets ---------------------------------------------------------------------------------- */

void world_begin(struct choices *c)
{
	world = (struct world){.choices = c,
			       .now_us = 1000000000,
			       .hash = 0xcbf29ce484222325,
			       .next_port = 40000,
			       .on = true};
}

void world_end(void)
{
	for (unsigned i = 0; i < world.count; i++) {
		free(world.socks[i]->in.data);
		free(world.socks[i]->out.data);
		free(world.socks[i]);
	}
	world.count = 0;
	world.on = false;
}

struct sock *sock_new(enum sock_kind kind)
{
	struct sock *s = calloc(1, sizeof(*s));

	if (!s || world.count == WORLD_SOCKETS)
		world_fail("the world has no room for another socket");
	s->kind = kind;
	s->id = ++world.next_id;
	s->fd = -1;
	s->urgent_at = SIZE_MAX;
	s->taken_at_fin = SIZE_MAX;
	s->in_room = 1024u << dice(8);
	s->out_room = 1024u << dice(8);
	s->far_room = 1024u << dice(7);
	world.socks[world.count++] = s;
	return s;
}

int sock_open(struct sock *s)
{
	for (int i = 0; i < WORLD_FDS; i++) {
		if (world.by_fd[i])
			continue;
		world.by_fd[i] = s;
		s->fd = WORLD_FD + i;
		world.fds++;
		return s->fd;
	}
	return -1;
}

struct sock *sock_divide(struct sock *s)
{
	struct sock *old = sock_new(s->kind);

	while (sock_pending(s)) {
		network_step(s, sock_pending(s));
		far_take(s, far_waiting(s));
	}
	far_take(s, far_waiting(s));
	s->out_acked = s->out_arrived;
	*old = *s;
	old->fd = -1;
	old->watched = old->ready = false;
	old->closed = old->shut = old->fin_arrived = true;
	s->in = s->out = (struct http1_bytes){0};
	s->in_taken = s->out_arrived = s->out_acked = s->out_taken = 0;
	return old;
}

struct sock *sock_of(int fd)
{
	return world.on && fd >= WORLD_FD && fd < WORLD_FD + WORLD_FDS ? world.by_fd[fd - WORLD_FD]
								       : NULL;
}
