/* SPDX-License-Identifier: BSD-2-Clause */
/* Servers for the metrics. See server_figures.h. */
#include "daemon/server_figures.h"

#include "base/clock.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

void server_figures_set(struct server_figures *f, struct generation *g)
{
	struct generation *before;

	pthread_mutex_lock(&f->lock);
	before = f->generation;
	f->generation = g ? generation_get(g) : NULL;
	pthread_mutex_unlock(&f->lock);
	generation_put(before);
}

static struct generation *take(struct server_figures *f)
{
	struct generation *g;

	pthread_mutex_lock(&f->lock);
	g = f->generation ? generation_get(f->generation) : NULL;
	pthread_mutex_unlock(&f->lock);
	return g;
}

static struct metrics_app_server figures_of(const struct servers *app, const struct server *s,
					    uint64_t now_ms)
{
	struct metrics_app_server sum = {
		.application = app->conf->name,
		.server = s->name,
		.up = server_is_ready(s) && server_is_up(s, now_ms),
		.ready = server_is_ready(s),
		.connections = LOAD(s->connections),
	};

	for (unsigned i = 0; i < s->rows_count; i++) {
		sum.busy += LOAD(s->rows[i].busy);
		sum.connects += LOAD(s->rows[i].legs);
		sum.failures += LOAD(s->rows[i].failed);
	}
	return sum;
}

void server_figures_each(void *figures, metrics_app_server_fn *each, void *arg)
{
	struct generation *g = take(figures);
	uint64_t now_ms = monotonic_ms();

	for (size_t i = 0; g && i < g->conf->apps_count; i++)
		for (size_t k = 0; k < g->apps[i].count; k++) {
			const struct metrics_app_server sum =
				figures_of(&g->apps[i], g->apps[i].set[k], now_ms);

			each(arg, &sum);
		}
	generation_put(g);
}

void server_figures_each_app(void *figures, metrics_app_fn *each, void *arg)
{
	struct generation *g = take(figures);

	for (size_t i = 0; g && i < g->conf->apps_count; i++)
		each(arg, g->apps[i].conf->name, LOAD(g->apps[i].waiting));
	generation_put(g);
}
