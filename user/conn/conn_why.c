/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a connection that failed. See conn_why.h. */
#include "conn/conn_why.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "conn/verdict.h"
#include "listen/why.h"
#include "tls/tls.h"
#include "tls/tls_failure.h"

/* Two servers are tried at once. */
#define SERVERS_TEXT (2 * CONFIG_SERVER_NAME_SIZE + 4)

/* Does an application have a part in it? */
static bool is_of_app(enum kedge_reason reason)
{
	switch (reason) {
	case KEDGE_REASON_app_refused:
	case KEDGE_REASON_app_timeout:
	case KEDGE_REASON_app_gone:
	case KEDGE_REASON_app_reset:
	case KEDGE_REASON_app_response_bad:
	case KEDGE_REASON_app_unasked:
	case KEDGE_REASON_app_response_lost:
	case KEDGE_REASON_app_none:
	case KEDGE_REASON_app_queue:
	case KEDGE_REASON_response_timeout:
	case KEDGE_REASON_limit_ports:
	case KEDGE_REASON_peername_family:
		return true;
	default:
		return false;
	}
}

/* Of its leg; or those that were tried last. */
static void servers_text(char buf[SERVERS_TEXT], const struct conn *c)
{
	const struct servers *servers = conn_servers(c);
	uint64_t tried = c->state == CONN_CONNECT ? c->tried : 0;
	size_t len = 0;

	buf[0] = '\0';
	if (c->flow.leg)
		tried |= 1ull << c->flow.leg->index;
	for (size_t i = 0; i < servers->count && len < SERVERS_TEXT; i++)
		if (tried >> i & 1)
			len += (size_t)snprintf(buf + len, SERVERS_TEXT - len, "%s%s",
						len ? ", " : "",
						servers->conf->servers.set[i].name);
}

/* What the socket says, if a prefix has told another client. */
static void find_balancer(struct why *w, const struct conn *c)
{
	socklen_t len = sizeof(w->balancer);
	union addr peer = {0};

	if (!c->prefix_bytes || getpeername(c->client_fd, &peer.sa, &len) < 0 ||
	    peer.family == AF_UNIX || addr_equal(&peer, &w->client))
		return;
	w->balancer = peer;
}

void conn_why(const struct conn *c, enum kedge_reason reason)
{
	struct why w = {.reason = reason, .listener = c->service->conf->name};
	char servers[SERVERS_TEXT];
	struct tls_failure failure;

	if (!why_wanted(&w, c->service->tally, c->worker->loop.now_ms))
		return;
	if (!c->nobody)
		w.client = conn_client(c);
	find_balancer(&w, c);
	w.sni = c->name;
	if (!w.sni && c->tls)
		w.sni = tls_conn_name(c->tls);
	if (c->tls) {
		tls_failure(c->tls, reason, &failure);
		w.text = failure.text[0] ? failure.text : NULL;
		w.alert = failure.alert[0] ? failure.alert : NULL;
		w.next = failure.next;
	}
	if (is_of_app(reason)) {
		servers_text(servers, c);
		w.app = conn_servers(c)->conf->name;
		w.servers = servers[0] && strcmp(servers, w.app) != 0 ? servers : NULL;
	}
	why_say(&w);
}
