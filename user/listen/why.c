/* SPDX-License-Identifier: BSD-2-Clause */
/* The line about a connection that failed. See why.h. */
#include "listen/why.h"

#include <stdio.h>

#include "base/printable.h"
#include "http/reason.h"

/* A name of 255 bytes, each of them escaped. */
#define SNI_TEXT (4 * 255 + 5)

bool why_wanted(struct why *w, struct tally *t, uint64_t now_ms)
{
	struct log_quota *quota = &t->quotas[w->reason];

	w->level = reason_level(w->reason);
	w->left_out = 0;
	if (w->level > log_level())
		return false;
	if (log_quota_take(quota, now_ms, &w->left_out))
		return true;
	if (log_level() < LOG_LEVEL_DEBUG)
		return false;
	log_quota_rest(quota, UINT64_MAX); /* it is not left out */
	w->level = LOG_LEVEL_DEBUG;
	return true;
}

/* "client 192.0.2.1:4000 through 10.0.0.1:5000 for "example.com", application web, server a: " */
static void who(char *buf, size_t size, const struct why *w)
{
	char client[ADDR_TEXT_MAX], balancer[ADDR_TEXT_MAX], sni[SNI_TEXT];
	const bool known = w->client.family != AF_UNSPEC;
	const bool through = w->balancer.family != AF_UNSPEC;

	addr_format(client, &w->client);
	addr_format(balancer, &w->balancer);
	printable(sni, sizeof(sni), w->sni ? w->sni : "");
	snprintf(buf, size, "%s%s%s%s%s%s%s%s%s%s%s", known ? "client " : "unknown client",
		 known ? client : "", through ? " through " : "", through ? balancer : "",
		 w->sni ? " for \"" : "", sni, w->sni ? "\"" : "", w->app ? ", application " : "",
		 w->app ? w->app : "", w->servers ? ", server " : "", w->servers ? w->servers : "");
}

void why_say(const struct why *w)
{
	char about[SNI_TEXT + 4 * ADDR_TEXT_MAX + 256], left[64] = "", count[16] = "";
	char client[ADDR_TEXT_MAX], balancer[ADDR_TEXT_MAX];
	const char *next = w->next ? w->next : reason_next(w->reason);
	const struct log_field fields[] = {
		{"reason", reason_name(w->reason), false},
		{"listener", w->listener, false},
		{"client", w->client.family == AF_UNSPEC ? NULL : client, false},
		{"balancer", w->balancer.family == AF_UNSPEC ? NULL : balancer, false},
		{"left_out", w->left_out ? count : NULL, true},
		{"application", w->app, false},
		{"server", w->servers, false},
		{"alert", w->alert, false},
		{"sni", w->sni, false}, /* the longest: where a line is cut, the others are whole */
		{"next", next, false},
	};

	addr_format(client, &w->client);
	addr_format(balancer, &w->balancer);
	who(about, sizeof(about), w);
	if (w->left_out) {
		snprintf(count, sizeof(count), "%u", w->left_out);
		snprintf(left, sizeof(left), " (%u %s like this %s left out)", w->left_out,
			 w->left_out == 1 ? "line" : "lines", w->left_out == 1 ? "was" : "were");
	}
	log_emit_fields(w->level, fields, sizeof(fields) / sizeof(fields[0]),
			"listener %s: %s: %s: %s; next step: %s%s", w->listener,
			reason_name(w->reason), about, w->text ? w->text : reason_text(w->reason),
			next, left);
}

static void say_rest(enum kedge_reason reason, const char *listener, uint32_t n)
{
	char count[16];
	const struct log_field fields[] = {
		{"reason", reason_name(reason), false},
		{"listener", listener, false},
		{"left_out", count, true},
	};

	snprintf(count, sizeof(count), "%u", n);
	log_emit_fields(reason_level(reason), fields, sizeof(fields) / sizeof(fields[0]),
			"listener %s: %s: %u %s left out: %s", listener, reason_name(reason), n,
			n == 1 ? "line was" : "lines were", reason_text(reason));
}

void why_say_rest(struct tally *t, const char *listener, uint64_t now_ms)
{
	for (unsigned i = 0; i < KEDGE_REASON_COUNT; i++) {
		uint32_t n = log_quota_rest(&t->quotas[i], now_ms);

		if (n)
			say_rest((enum kedge_reason)i, listener, n);
	}
}
