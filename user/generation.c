/* Reference counts of configurations. See generation.h. */
#include "generation.h"

#include <stdlib.h>

static unsigned alive;

struct generation *generation_new(struct conf *conf, unsigned number)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g) {
		config_free(conf);
		return NULL;
	}
	g->refs = 1;
	g->number = number;
	g->conf = conf;
	__atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
	return g;
}

struct generation *generation_get(struct generation *g)
{
	__atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
	return g;
}

void generation_put(struct generation *g)
{
	if (!g || __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL))
		return;
	tls_shared_wipe(&g->tls);
	config_free(g->conf);
	free(g);
	__atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
}

unsigned generation_count(void)
{
	return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}
