/* SPDX-License-Identifier: BSD-2-Clause */
/* Reference counts of configurations. See generation.h. */
#include "listen/generation.h"

#include <stdlib.h>

#include "base/check.h"
#include "config/config_diff.h"
#include "listen/why.h"

static unsigned alive;

#ifdef KEDGE_CHECKS
/* Somebody has a reference to what these belong to. */
static void refs_check(const unsigned *refs)
{
	CHECK(refs, (int)__atomic_load_n(refs, __ATOMIC_RELAXED) > 0);
}
#endif

static void tally_put(struct tally *t, const char *listener)
{
	if (t)
		CHECKED(refs_check(&t->refs));
	if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		return;
	why_say_rest(t, listener, UINT64_MAX);
	free(t);
}

static bool tallies_make(struct generation *g)
{
	size_t n = g->conf->listeners_count;

	g->tallies = calloc(n, sizeof(struct tally *));
	for (size_t i = 0; g->tallies && i < n; i++) {
		g->tallies[i] = calloc(1, sizeof(*g->tallies[i]));
		if (!g->tallies[i])
			return false;
		g->tallies[i]->refs = 1;
	}
	return g->tallies != NULL;
}

static bool apps_make(struct generation *g, unsigned workers)
{
	size_t n = g->conf->apps_count;
	int err = 0;

	g->apps = calloc(n ? n : 1, sizeof(*g->apps));
	for (size_t i = 0; g->apps && !err && i < n; i++)
		err = servers_init(&g->apps[i], &g->conf->apps[i], workers);
	return g->apps && !err;
}

struct generation *generation_new(struct conf *conf, unsigned number, unsigned workers)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g) {
		config_free(conf);
		return NULL;
	}
	__atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
	g->refs = 1;
	g->number = number;
	g->conf = conf;
	if (tallies_make(g) && apps_make(g, workers))
		return g;
	generation_put(g);
	return NULL;
}

static void apps_inherit(struct generation *g, const struct generation *before)
{
	for (size_t i = 0; i < g->conf->apps_count; i++)
		for (size_t k = 0; k < before->conf->apps_count; k++)
			if (config_same_app(&before->conf->apps[k], &g->conf->apps[i]))
				servers_inherit(&g->apps[i], &before->apps[k]);
}

void generation_inherit(struct generation *g, const struct generation *before, const int *from)
{
	for (size_t i = 0; i < g->conf->listeners_count; i++) {
		if (from[i] < 0)
			continue;
		tally_put(g->tallies[i], g->conf->listeners[i].name);
		g->tallies[i] = before->tallies[from[i]];
		__atomic_add_fetch(&g->tallies[i]->refs, 1, __ATOMIC_RELAXED);
	}
	apps_inherit(g, before);
}

struct generation *generation_get(struct generation *g)
{
	CHECKED(refs_check(&g->refs));
	__atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
	return g;
}

void generation_put(struct generation *g)
{
	if (g)
		CHECKED(refs_check(&g->refs));
	if (!g || __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; g->tallies && i < g->conf->listeners_count; i++)
		tally_put(g->tallies[i], g->conf->listeners[i].name);
	free(g->tallies);
	for (size_t i = 0; g->apps && i < g->conf->apps_count; i++)
		servers_fini(&g->apps[i]);
	free(g->apps);
	tls_shared_wipe(&g->tls);
	config_free(g->conf);
	free(g);
	__atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
}

unsigned generation_count(void)
{
	return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}
