/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of protocols of a listener. See config_alpn.h. */
#include "config/config_alpn.h"

#include <string.h>

#include "config/config_options.h"

/* Of entry n of the listener's own list. NULL: it has its list from elsewhere. */
static const struct place *own_place(const struct settings *from, int index, size_t n)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct setting *s = &from->all[i];

		if (s->listener == index && s->text && !strcmp(s->opt->name, "alpn") && !n--)
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
static const char *fault(const struct conf_listener *l, size_t n)
{
	if (l->mode == MODE_HTTP && strcmp(l->alpn.set[n], "http/1.1"))
		return "cannot be offered in mode http, which reads HTTP/1.1 only: leave it out, "
		       "or give mode tcp";
	return listed_before(&l->alpn, n) ? "is listed twice" : NULL;
}

void config_check_alpn(struct conf_listener *l, const struct settings *from, int index,
		       struct mistakes *m)
{
	const struct place *own = own_place(from, index, 0);
	char quoted[QUOTED_MAX];

	if (!l->tls) {
		if (own)
			mistake(m, own,
				"ALPN is part of a TLS handshake, and tls is off at this listener");
		conf_names_clear(&l->alpn);
		return;
	}
	if (l->alpn.count > CONFIG_ALPN_MAX) {
		mistake(m, own ? own : &from->listeners[index], "more than %d protocols in alpn",
			CONFIG_ALPN_MAX);
		return;
	}
	for (size_t n = 0; n < l->alpn.count; n++) {
		const char *what = fault(l, n);

		own = own_place(from, index, n);
		if (what && own)
			mistake(m, own, "%s %s", config_quote(quoted, l->alpn.set[n]), what);
		else if (what)
			mistake(m, &from->listeners[index], "alpn: %s %s",
				config_quote(quoted, l->alpn.set[n]), what);
	}
}
