/* SPDX-License-Identifier: BSD-2-Clause */
/* References, TLS contexts and counts of a listener in one worker. See service.h. */
#include "listen/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "tls/tls.h"
#include "tls/tls_listener.h"

int service_new(struct service **out, struct generation *g, size_t index, struct limits *limits,
		bool warn)
{
	struct service *s = calloc(1, sizeof(*s));
	int err = 0;

	if (!s)
		return log_err(ENOMEM, "listener %s", g->conf->listeners[index].name);
	s->refs = 1;
	s->generation = generation_get(g);
	s->conf = &g->conf->listeners[index];
	s->tally = g->tallies[index];
	s->limits = limits;
	if (s->conf->tls)
		err = tls_listener_new(&s->tls, s->conf, &g->tls);
	if (err) {
		service_put(s);
		return err;
	}
	if (s->tls && s->conf->addr.family == AF_UNIX)
		tls_ctx_user_records(s->tls);
	if (warn)
		tls_ctx_warn(s->tls);
	*out = s;
	return 0;
}

#ifdef KEDGE_CHECKS
void service_check(const struct service *s)
{
	const struct generation *g = s->generation;
	size_t index = (size_t)(s->conf - g->conf->listeners);

	CHECK(s, s->refs);
	CHECK(s, __atomic_load_n(&g->refs, __ATOMIC_RELAXED));
	CHECK(s, index < g->conf->listeners_count);
	CHECK(s, s->tally == g->tallies[index]);
	CHECK_IF(s, s->tls, s->conf->tls);
	CHECK(s, memchr(s->name, '\0', sizeof(s->name)));
}
#endif

struct service *service_get(struct service *s)
{
	CHECKED(service_check(s));
	s->refs++;
	return s;
}

void service_put(struct service *s)
{
	CHECKED(service_check(s));
	if (--s->refs)
		return;
	tls_ctx_free(s->tls);
	generation_put(s->generation);
	free(s);
}

enum kedge_reason service_enter(struct service *s)
{
	if (!limits_enter(&s->limits->connections, s->generation->conf->connections_max))
		return KEDGE_REASON_limit_connections;
	if (limits_enter(&s->tally->connections, s->conf->connections_max))
		return KEDGE_REASON_NONE;
	limits_leave(&s->limits->connections);
	return KEDGE_REASON_limit_listener;
}

void service_leave(struct service *s)
{
	limits_leave(&s->tally->connections);
	limits_leave(&s->limits->connections);
}
