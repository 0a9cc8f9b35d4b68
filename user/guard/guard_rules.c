/* SPDX-License-Identifier: BSD-2-Clause */
/* From listeners and their trust to rows of the guard's maps. See guard_rules.h. */
#include "guard/guard_rules.h"

#include <assert.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define ADDRESS_BITS 64 /* in a key of the trie, in front of the address */

static void clearp(struct guard_rules *rules)
{
	guard_rules_clear(rules);
}

static bool same_trust(const struct conf_cidrs *a, const struct conf_cidrs *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->set[i].bits != b->set[i].bits || memcmp(a->set[i].ip, b->set[i].ip, 16))
			return false;
	return true;
}

/* The first listener with the same list. Equal lists share one set. */
static size_t first_alike(const struct conf *conf, size_t listener)
{
	for (size_t i = 0; i < listener; i++)
		if (conf->listeners[i].proxy != PROXY_PREFIX_OFF &&
		    same_trust(&conf->listeners[i].trust, &conf->listeners[listener].trust))
			return i;
	return listener;
}

/*
 * Each family has its own set. In `trust`, ::/0 means all of IPv6. In the trie it would match IPv4
 * addresses, too.
 */
static uint32_t set_number(size_t listener, bool ipv4)
{
	return (uint32_t)(2 * listener + !ipv4);
}

static void add_prefixes(struct guard_rules *rules, const struct conf_cidrs *trust, size_t listener)
{
	for (size_t i = 0; i < trust->count; i++) {
		const struct cidr *c = &trust->set[i];
		struct kedge_guard_prefix *p = &rules->prefixes[rules->prefixes_count++];

		*p = (struct kedge_guard_prefix){.prefixlen = ADDRESS_BITS + c->bits,
						 .set = set_number(listener, cidr_is_ipv4(c))};
		memcpy(p->ip, c->ip, sizeof(p->ip));
	}
}

static void add_rule(struct guard_rules *rules, const struct conf_listener *l,
		     const union addr *addr, uint16_t port, size_t set_of)
{
	struct guard_rule *r = &rules->rules[rules->rules_count++];

	*r = (struct guard_rule){
		.at.port = htons(port),
		.listener.judge = l->proxy != PROXY_PREFIX_OFF,
		.listener.set = set_number(set_of, addr_is_ipv4(addr)),
	};
	addr_ip(r->at.ip, addr);
}

static void add_listener(struct guard_rules *rules, const struct conf *conf, size_t listener,
			 uint16_t port)
{
	const union addr any4 = {.in = {.sin_family = AF_INET}};
	const struct conf_listener *l = &conf->listeners[listener];
	size_t set_of = first_alike(conf, listener);

	if (!port || (l->addr.family != AF_INET && l->addr.family != AF_INET6))
		return;
	add_rule(rules, l, &l->addr, port, set_of);
	if (l->both_families)
		add_rule(rules, l, &any4, port, set_of);
	if (l->proxy != PROXY_PREFIX_OFF && set_of == listener)
		add_prefixes(rules, &l->trust, listener);
}

int guard_rules_make(struct guard_rules *out, const struct conf *conf, const uint16_t *ports,
		     char *why, size_t size)
{
	_cleanup_(clearp)
	struct guard_rules rules = {0};
	size_t prefixes = 0;

	for (size_t i = 0; i < conf->listeners_count; i++)
		prefixes += conf->listeners[i].trust.count;
	rules.rules = calloc(2 * conf->listeners_count + 1, sizeof(*rules.rules));
	rules.prefixes = calloc(prefixes + 1, sizeof(*rules.prefixes));
	if (!rules.rules || !rules.prefixes) {
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < conf->listeners_count; i++)
		add_listener(&rules, conf, i,
			     ports ? ports[i] : addr_port(&conf->listeners[i].addr));
	if (rules.rules_count > KEDGE_GUARD_LISTENERS_MAX ||
	    rules.prefixes_count > KEDGE_GUARD_PREFIXES_MAX) {
		snprintf(why, size,
			 "%zu addresses and %zu prefixes are more than the %d and %d that there is "
			 "room for: fewer listeners, shorter lists in trust",
			 rules.rules_count, rules.prefixes_count, KEDGE_GUARD_LISTENERS_MAX,
			 KEDGE_GUARD_PREFIXES_MAX);
		return -E2BIG;
	}
	/* The room that was made above. */
	assert(rules.rules_count <= 2 * conf->listeners_count && rules.prefixes_count <= prefixes);
	*out = rules;
	rules = (struct guard_rules){0};
	return 0;
}

void guard_rules_clear(struct guard_rules *rules)
{
	free(rules->rules);
	free(rules->prefixes);
	*rules = (struct guard_rules){0};
}
