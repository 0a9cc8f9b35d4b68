/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_server.c: each thing that must hold of its connections, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "metrics/metrics_server.c"
#include "tests/lib/breaks.h"

static struct metrics_server s;
static struct scrape open_one, dead;

static void check(void)
{
	server_check(&s);
}

static const char *server_broken(unsigned row)
{
	BREAK("c->server == s", open_one.server = NULL);
	BREAK("c->fd >= 0", open_one.fd = -1);
	BREAK("c->timer.due_ms", open_one.timer.due_ms = 0);
	BREAK("c->in_len <= sizeof(c->in)", open_one.in_len = HEAD_BYTES + 1);
	BREAK("c->out_off <= c->out_len", open_one.out_off = 1);
	BREAK("!c->out_len", open_one.out_len = 1);
	BREAK("c->out_off == c->out_len", open_one.out = open_one.in, open_one.out_len = 1,
	      open_one.answered = true);
	BREAK("n == s->count", s.count = 2);
	BREAK("c->fd < 0", dead.fd = 0);
	BREAK("s->bury.queued", s.bury.queued = false);
	return NULL;
}

static void scrapes(void **state)
{
	(void)state;
	TAILQ_INIT(&s.scrapes);
	TAILQ_INIT(&s.graves);
	open_one.server = &s;
	open_one.timer.due_ms = 1;
	s.count = 1;
	dead.fd = -1;
	s.bury.queued = true;
	TAILQ_INSERT_TAIL(&s.scrapes, &open_one, link);
	TAILQ_INSERT_TAIL(&s.graves, &dead, link);
	breaks(server_broken, check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scrapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
