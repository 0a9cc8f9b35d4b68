/* SPDX-License-Identifier: BSD-2-Clause */
/* The choice of a server. See servers.h. */
#include "app/servers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

int servers_init(struct servers *s, const struct conf_app *conf, unsigned workers)
{
	*s = (struct servers){.conf = conf};
	s->set = calloc(conf->servers.count, sizeof(struct server *));
	if (!s->set)
		return -ENOMEM;
	while (s->count < conf->servers.count) {
		struct server *new =
			server_new(conf->name, conf->servers.set[s->count].name, workers);

		if (!new)
			return -ENOMEM;
		s->set[s->count++] = new;
	}
	return 0;
}

void servers_fini(struct servers *s)
{
	for (size_t i = 0; i < s->count; i++)
		server_put(s->set[i]);
	free(s->set);
	*s = (struct servers){0};
}

void servers_inherit(struct servers *s, const struct servers *before)
{
	for (size_t i = 0; i < s->count; i++)
		for (size_t k = 0; k < before->count; k++) {
			if (strcmp(s->set[i]->name, before->set[k]->name))
				continue;
			server_put(s->set[i]);
			s->set[i] = server_get(before->set[k]);
			break;
		}
}

/* --- the choice ------------------------------------------------------------------------------- */

/* xorshift64: good enough to spread, and no system call. */
static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

enum wanted { WANT_UP, WANT_BACKUP_UP, WANT_ANY };

static bool is_wanted(const struct servers *s, size_t i, enum wanted wanted, uint64_t now_ms)
{
	const struct server *server = s->set[i];

	if (!server_is_ready(server))
		return false;
	if (wanted == WANT_ANY)
		return true;
	return s->conf->servers.set[i].backup == (wanted == WANT_BACKUP_UP) &&
	       server_is_up(server, now_ms);
}

static uint32_t busy(const struct servers *s, size_t i, unsigned worker)
{
	return s->set[i]->rows[worker].busy;
}

/* Takes the better one of two out of from[0..*count), and counts its connection, unless an idle leg
 * will do. -EAGAIN: it has no room, and is taken out. */
static int take_of_two(struct servers *s, uint8_t *from, size_t *count, unsigned worker,
		       uint64_t *random, bool *idle)
{
	uint64_t x = next_random(random);
	size_t a = (size_t)(x % *count), b = (size_t)((x >> 32) % *count);

	if (busy(s, from[b], worker) < busy(s, from[a], worker))
		a = b;
	if (*idle && s->set[from[a]]->rows[worker].idle)
		return from[a];
	if (server_enter(s->set[from[a]], s->conf->server_connections_max)) {
		*idle = false;
		return from[a];
	}
	from[a] = from[--*count];
	return -EAGAIN;
}

int servers_choose(struct servers *s, unsigned worker, uint64_t tried, uint64_t now_ms,
		   uint64_t *random, bool *idle)
{
	uint8_t from[CONFIG_SERVERS_MAX];
	size_t count = 0;
	int got = -EAGAIN;

	CHECKED(CHECK(s, s->count && s->count <= CONFIG_SERVERS_MAX));
	for (enum wanted wanted = WANT_UP; !count && wanted <= WANT_ANY; wanted++)
		for (size_t i = 0; i < s->count; i++)
			if (!(tried >> i & 1) && is_wanted(s, i, wanted, now_ms))
				from[count++] = (uint8_t)i;
	if (!count)
		return -ENOENT;
	while (count && got == -EAGAIN)
		got = take_of_two(s, from, &count, worker, random, idle);
	return got;
}

/* --- the queue -------------------------------------------------------------------------------- */

static void want(struct servers *s, unsigned by)
{
	for (size_t i = 0; i < s->count; i++)
		__atomic_fetch_add(&s->set[i]->wanted, by, __ATOMIC_RELAXED);
}

bool servers_wait(struct servers *s)
{
	if (__atomic_fetch_add(&s->waiting, 1, __ATOMIC_RELAXED) < s->conf->queue_max) {
		want(s, 1);
		return true;
	}
	__atomic_fetch_sub(&s->waiting, 1, __ATOMIC_RELAXED);
	return false;
}

void servers_wait_over(struct servers *s)
{
	CHECKED(CHECK(s, (int)__atomic_load_n(&s->waiting, __ATOMIC_RELAXED) > 0));
	__atomic_fetch_sub(&s->waiting, 1, __ATOMIC_RELAXED);
	want(s, -1u);
}

bool servers_have_room(const struct servers *s, unsigned worker)
{
	const unsigned max = s->conf->server_connections_max;

	for (size_t i = 0; i < s->count; i++) {
		const struct server *server = s->set[i];

		if (server_is_ready(server) &&
		    (!max || server->rows[worker].idle ||
		     __atomic_load_n(&server->connections, __ATOMIC_RELAXED) < max))
			return true;
	}
	return false;
}
