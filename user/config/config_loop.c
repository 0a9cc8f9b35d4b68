/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners in a circle. See config_loop.h. */
#include "config/config_loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* --- which listener an address leads to ------------------------------------------------------- */

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The directory, with its slash, goes to dir[]; returns the rest. */
static const char *split_path(char dir[sizeof(((struct sockaddr_un *)0)->sun_path)],
			      const char *path)
{
	size_t n = (size_t)(strrchr(path, '/') + 1 - path);

	memcpy(dir, path, n);
	dir[n] = '\0';
	return path + n;
}

/* Before the first start there is no socket yet, so the directories are compared. */
static bool same_path(const union addr *a, const union addr *b)
{
	char x[sizeof(a->un.sun_path)], y[sizeof(b->un.sun_path)];

	if (!strcmp(split_path(x, a->un.sun_path), split_path(y, b->un.sun_path)) &&
	    (!strcmp(x, y) || same_file(x, y)))
		return true;
	return same_file(a->un.sun_path, b->un.sun_path);
}

static bool same_unix(const union addr *a, const union addr *b)
{
	if (addr_is_path(a) && addr_is_path(b))
		return same_path(a, b);
	return addr_len(a) == addr_len(b) && !memcmp(a, b, addr_len(a));
}

/*
 * Does this host have the address? The kernel chooses it as the source of what is sent to itself.
 * Nothing is sent. Unlike bind(2), this does not depend on ip_nonlocal_bind, and unlike a list of
 * addresses it is allowed by the seccomp filter.
 */
static bool is_of_this_host(const union addr *a)
{
	_cleanup_(close_fdp)
	int fd = socket(a->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union addr own = {0};
	socklen_t len = sizeof(own);
	uint8_t x[16], y[16];

	return fd >= 0 && connect(fd, &a->sa, addr_len(a)) == 0 &&
	       getsockname(fd, &own.sa, &len) == 0 && addr_ip(x, a) && addr_ip(y, &own) &&
	       !memcmp(x, y, sizeof(x));
}

/* Does a connection to this address arrive at the listener? */
static bool leads_to(const union addr *a, const struct conf_listener *l)
{
	if (a->family == AF_UNIX || l->addr.family == AF_UNIX)
		return a->family == l->addr.family && same_unix(a, &l->addr);
	if (!addr_port(a) || addr_port(a) != addr_port(&l->addr))
		return false;
	if (addr_equal(a, &l->addr))
		return true;
	return addr_is_wildcard(&l->addr) &&
	       (addr_is_ipv4(a) == addr_is_ipv4(&l->addr) || l->both_families) &&
	       (addr_is_loopback(a) || is_of_this_host(a));
}

/* The first server of an application that is the listener; NULL: none is. */
static const struct conf_server *server_at(const struct conf *conf, size_t app,
					   const struct conf_listener *l)
{
	const struct conf_servers *s = &conf->apps[app].servers;

	for (size_t i = 0; i < s->count; i++)
		if (leads_to(&s->set[i].addr, l))
			return &s->set[i];
	return NULL;
}

static const struct conf_server *step(const struct conf *conf, const struct conf_listener *from,
				      const struct conf_listener *to)
{
	const struct conf_server *s = server_at(conf, from->app, to);

	for (size_t i = 0; !s && i < from->routes_count; i++)
		s = server_at(conf, from->routes[i].app, to);
	return s;
}

/* --- circles ---------------------------------------------------------------------------------- */

/* How a listener was reached. */
struct way {
	bool known;
	size_t from;
	const struct conf_server *by;
};

/* "A -> B -> A"; a server that is written in another way than its listener is named as well. */
static void put_way(FILE *to, const struct conf *conf, const struct way *ways, size_t at,
		    size_t first)
{
	size_t chain[CONFIG_LISTENERS_MAX], n = 0;

	for (size_t i = at; i != first; i = ways[i].from)
		chain[n++] = i;
	fputs(conf->listeners[first].name, to);
	while (n--) {
		const struct way *w = &ways[chain[n]];
		const char *name = conf->listeners[chain[n]].name;

		fprintf(to, " -> %s", w->by->name);
		if (strcmp(name, w->by->name) != 0)
			fprintf(to, " (%s)", name);
	}
}

static char *circle_text(const struct conf *conf, const struct way *ways, size_t at, size_t first,
			 const struct conf_server *last)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	if (at == first) {
		fprintf(to,
			"the application %s is this listener itself: give the address where the "
			"application listens",
			last->name);
	} else {
		fputs("requests would go round in a circle, each of these is the application of "
		      "the one before: ",
		      to);
		put_way(to, conf, ways, at, first);
		fprintf(to, " -> %s", last->name);
		if (strcmp(conf->listeners[first].name, last->name) != 0)
			fprintf(to, " (%s)", conf->listeners[first].name);
		fputs(": give one of them the address where the application listens", to);
	}
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

/* Breadth first, so that it is a shortest one. Lower listeners were looked at before. */
int config_loop_of(const struct conf *conf, size_t listener, char **text)
{
	_cleanup_(freep)
	struct way *ways = calloc(conf->listeners_count, sizeof(*ways));
	size_t queue[CONFIG_LISTENERS_MAX], head = 0, tail = 0;

	if (!ways)
		return -ENOMEM;
	queue[tail++] = listener;
	while (head < tail) {
		const size_t at = queue[head++];

		for (size_t i = listener; i < conf->listeners_count; i++) {
			const struct conf_server *s =
				ways[i].known
					? NULL
					: step(conf, &conf->listeners[at], &conf->listeners[i]);

			if (!s)
				continue;
			if (i == listener) {
				*text = circle_text(conf, ways, at, listener, s);
				return *text ? 1 : -ENOMEM;
			}
			ways[i] = (struct way){.known = true, .from = at, .by = s};
			queue[tail++] = i;
		}
	}
	return 0;
}

int config_loop_check(const struct conf *conf)
{
	int result = 0;

	for (size_t i = 0; i < conf->listeners_count; i++) {
		_cleanup_(freep)
		char *text = NULL;
		int found = config_loop_of(conf, i, &text);

		if (found < 0)
			return found;
		if (found)
			log_error("listener %s: %s", conf->listeners[i].name, text);
		result = found ? -ELOOP : result;
	}
	return result;
}
