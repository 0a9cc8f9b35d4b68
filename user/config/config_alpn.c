/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of protocols of a listener. See config_alpn.h. */
#include "config/config_alpn.h"

#include <string.h>

#include "config/config_options.h"

/* A list of a listener or of a route, and where it was written. */
struct written {
	const struct conf_names *names;
	enum conf_mode mode;
	const struct settings *from;
	int listener;
	size_t route;           /* 0: of the listener */
	const struct place *at; /* where the listener or the route begins */
};

/* Of entry n of its own list. NULL: it has its list from elsewhere. */
static const struct place *own_place(const struct written *w, size_t n)
{
	for (size_t i = 0; i < w->from->count; i++) {
		const struct setting *s = &w->from->all[i];

		if (s->listener == w->listener && s->route == w->route && s->text &&
		    !strcmp(s->opt->name, "alpn") && !n--)
			return &s->place;
	}
	return NULL;
}

static bool listed_before(const struct conf_names *names, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!strcmp(names->set[i], names->set[at]))
			return true;
	return false;
}

/* What is wrong with entry n; NULL: nothing. */
static const char *fault(const struct written *w, size_t n)
{
	if (w->mode == MODE_HTTP && strcmp(w->names->set[n], "http/1.1"))
		return "cannot be offered in mode http, which reads HTTP/1.1 only: leave it out, "
		       "or give mode tcp";
	return listed_before(w->names, n) ? "is listed twice" : NULL;
}

static void check(const struct written *w, struct mistakes *m)
{
	const struct place *own = own_place(w, 0);
	char quoted[QUOTED_MAX];

	if (w->names->count > CONFIG_ALPN_MAX) {
		mistake(m, own ? own : w->at, "more than %d protocols in alpn", CONFIG_ALPN_MAX);
		return;
	}
	for (size_t n = 0; n < w->names->count; n++) {
		const char *what = fault(w, n);

		if (!what)
			continue;
		own = own_place(w, n);
		mistake(m, own ? own : w->at, "%s%s %s",
			own ? "" : "alpn: ", config_quote(quoted, w->names->set[n]), what);
	}
}

void config_check_alpn(struct conf_listener *l, const struct settings *from, int index,
		       struct mistakes *m)
{
	const struct written w = {.names = &l->alpn,
				  .mode = l->mode,
				  .from = from,
				  .listener = index,
				  .at = &from->listeners[index]};
	const struct place *own = own_place(&w, 0);

	if (l->tls) {
		check(&w, m);
		return;
	}
	if (own)
		mistake(m, own, "ALPN is part of a TLS handshake, and tls is off at this listener");
	conf_names_clear(&l->alpn);
}

void config_check_alpn_of_route(const struct conf_route *r, const struct settings *from, int index,
				size_t route, const struct place *at, struct mistakes *m)
{
	check(&(struct written){.names = &r->alpn,
				.mode = r->mode,
				.from = from,
				.listener = index,
				.route = route,
				.at = at},
	      m);
}
