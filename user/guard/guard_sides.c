/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts rules into the maps and switches sides. See guard_sides.h. */
#include "guard/guard_sides.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Inserts a row, or deletes it. The second of two equal prefixes is gone already. */
static int put_row(int map, const void *key, const void *value, bool in)
{
	if (in)
		return bpf_map_update_elem(map, key, value, BPF_ANY) ? -errno : 0;
	return bpf_map_delete_elem(map, key) && errno != ENOENT ? -errno : 0;
}

/*
 * Inserts the rows of one side up to the first that fails, or deletes them all. 0 or -errno of the
 * first that failed.
 */
static int put_rules(struct guard_sides *s, struct guard_rules *rules, unsigned side, bool in)
{
	const __u8 one = 1;
	int err = 0, first = 0;

	for (size_t i = 0; i < rules->prefixes_count && !(in && first); i++) {
		rules->prefixes[i].side = side;
		err = put_row(s->allow, &rules->prefixes[i], &one, in);
		first = first ?: err;
	}
	for (size_t i = 0; i < rules->rules_count && !(in && first); i++) {
		struct guard_rule *r = &rules->rules[i];

		r->at.side = side;
		err = put_row(s->listener, &r->at, &r->listener, in);
		first = first ?: err;
	}
	return first;
}

static unsigned other_side(const struct guard_sides *s)
{
	return !s->config->side;
}

/* Rules stay until all of their rows are deleted: what is left would be in force with the next. */
static int empty_other_side(struct guard_sides *s)
{
	unsigned side = other_side(s);
	int err = put_rules(s, &s->rules[side], side, false);

	if (!err)
		guard_rules_clear(&s->rules[side]);
	return err;
}

int guard_sides_prepare(struct guard_sides *s, const struct conf *conf, const uint16_t *ports,
			char why[KBPF_WHY_SIZE])
{
	unsigned side = other_side(s);
	int err = empty_other_side(s);

	if (!err) {
		err = guard_rules_make(&s->rules[side], conf, ports, why, KBPF_WHY_SIZE);
		if (err)
			return err;
		err = put_rules(s, &s->rules[side], side, true);
	}
	if (!err)
		return 0;
	guard_sides_cancel(s);
	return kbpf_why(why, err, "its maps cannot be changed: %s: restart kedge", strerror(-err));
}

void guard_sides_cancel(struct guard_sides *s)
{
	(void)empty_other_side(s); /* guard_sides_prepare() tries again */
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
