/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts rules into the maps and switches sides. See guard_sides.h. */
#include "guard/guard_sides.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Inserts the rows of one side, or deletes them. 0 or -errno of the first that failed. */
static int put_rules(struct guard_sides *s, struct guard_rules *rules, unsigned side, bool in)
{
	const __u8 one = 1;
	int err = 0;

	for (size_t i = 0; i < rules->prefixes_count && !err; i++) {
		struct kedge_guard_prefix *p = &rules->prefixes[i];

		p->side = side;
		if (in && bpf_map_update_elem(s->allow, p, &one, BPF_ANY))
			err = -errno;
		else if (!in)
			bpf_map_delete_elem(s->allow,
					    p); /* fails for the second of two equal prefixes */
	}
	for (size_t i = 0; i < rules->rules_count && !err; i++) {
		struct guard_rule *r = &rules->rules[i];

		r->at.side = side;
		if (in && bpf_map_update_elem(s->listener, &r->at, &r->listener, BPF_ANY))
			err = -errno;
		else if (!in)
			bpf_map_delete_elem(s->listener, &r->at);
	}
	return err;
}

static unsigned other_side(const struct guard_sides *s)
{
	return !s->config->side;
}

int guard_sides_prepare(struct guard_sides *s, const struct conf *conf, const uint16_t *ports,
			char why[KBPF_WHY_SIZE])
{
	unsigned side = other_side(s);
	struct guard_rules *rules = &s->rules[side];
	int err = guard_rules_make(rules, conf, ports, why, KBPF_WHY_SIZE);

	if (err)
		return err;
	err = put_rules(s, rules, side, true);
	if (!err)
		return 0;
	guard_sides_cancel(s);
	return kbpf_why(why, err, "its maps cannot be changed: %s: restart kedge", strerror(-err));
}

void guard_sides_cancel(struct guard_sides *s)
{
	unsigned side = other_side(s);

	put_rules(s, &s->rules[side], side, false);
	guard_rules_clear(&s->rules[side]);
}

static uint32_t flags_of(const struct conf_guard *conf)
{
	return (conf->observe ? KEDGE_GUARD_OBSERVE : 0u) |
	       (conf->cookies ? KEDGE_GUARD_COOKIES : 0u) |
	       (conf->follow ? KEDGE_GUARD_FOLLOW : 0u);
}

void guard_sides_commit(struct guard_sides *s, const struct conf_guard *conf)
{
	struct kedge_guard_config *to = s->config;

	__atomic_store_n(&to->source_rate, conf->source_rate, __ATOMIC_RELAXED);
	__atomic_store_n(&to->source_burst, conf->source_burst, __ATOMIC_RELAXED);
	__atomic_store_n(&to->total_rate, conf->total_rate, __ATOMIC_RELAXED);
	__atomic_store_n(&to->total_burst, conf->total_burst, __ATOMIC_RELAXED);
	__atomic_store_n(&to->source_bits_v4, conf->source_bits_v4, __ATOMIC_RELAXED);
	__atomic_store_n(&to->source_bits_v6, conf->source_bits_v6, __ATOMIC_RELAXED);
	__atomic_store_n(&to->flags, flags_of(conf), __ATOMIC_RELAXED);
	__atomic_store_n(&to->side, other_side(s), __ATOMIC_RELEASE);
	guard_sides_cancel(s); /* the side that was in force until now */
}

void guard_sides_clear(struct guard_sides *s)
{
	for (int side = 0; side < 2; side++)
		guard_rules_clear(&s->rules[side]);
}
