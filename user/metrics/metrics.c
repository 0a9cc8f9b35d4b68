/* SPDX-License-Identifier: BSD-2-Clause */
/* Measurements of the workers, and their sums. See metrics.h. */
#include "metrics/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct entry {
	STAILQ_ENTRY(entry) link;
	char name[ADDR_TEXT_MAX];
	struct metrics_listener *rows; /* one a worker */
};

struct metrics {
	unsigned workers;
	bool app_unix; /* atomic */
	struct metrics_row *rows;
	pthread_mutex_t lock; /* protects the list, not its entries */
	STAILQ_HEAD(, entry) listeners;
};

/* Zeroed, with the alignment of a row. */
static void *rows_new(size_t size, unsigned count)
{
	void *rows = aligned_alloc(64, size * count);

	if (rows)
		memset(rows, 0, size * count);
	return rows;
}

struct metrics *metrics_new(unsigned workers)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->workers = workers;
	STAILQ_INIT(&m->listeners);
	pthread_mutex_init(&m->lock, NULL);
	m->rows = rows_new(sizeof(*m->rows), workers);
	if (m->rows)
		return m;
	metrics_free(m);
	return NULL;
}

void metrics_free(struct metrics *m)
{
	struct entry *e;

	if (!m)
		return;
	while ((e = STAILQ_FIRST(&m->listeners))) {
		STAILQ_REMOVE_HEAD(&m->listeners, link);
		free(e->rows);
		free(e);
	}
	pthread_mutex_destroy(&m->lock);
	free(m->rows);
	free(m);
}

void metrics_app_unix(struct metrics *m, bool is)
{
	__atomic_store_n(&m->app_unix, is, __ATOMIC_RELAXED);
}

bool metrics_app_is_unix(const struct metrics *m)
{
	return __atomic_load_n(&m->app_unix, __ATOMIC_RELAXED);
}

const char *metrics_class_name(unsigned class)
{
	static const char *const names[METRICS_CLASSES] = {"other", "1xx", "2xx",
							   "3xx",   "4xx", "5xx"};

	return names[class];
}

struct metrics_row *metrics_row(struct metrics *m, unsigned worker)
{
	return &m->rows[worker];
}

static struct entry *entry_find(struct metrics *m, const char *name)
{
	struct entry *e;

	STAILQ_FOREACH(e, &m->listeners, link)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

static struct entry *entry_new(const struct metrics *m, const char *name)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->rows = rows_new(sizeof(*e->rows), m->workers);
	if (!e->rows) {
		free(e);
		return NULL;
	}
	strncpy(e->name, name, sizeof(e->name) - 1);
	return e;
}

struct metrics_listener *metrics_listener(struct metrics *m, const char *name, unsigned worker)
{
	struct entry *e;

	pthread_mutex_lock(&m->lock);
	e = entry_find(m, name);
	if (!e) {
		e = entry_new(m, name);
		if (e)
			STAILQ_INSERT_TAIL(&m->listeners, e, link);
	}
	pthread_mutex_unlock(&m->lock);
	return e ? &e->rows[worker] : NULL;
}

/* *to += *from: numbers that another thread is writing. */
static void add_numbers(uint64_t *to, const uint64_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void metrics_sum(struct metrics *m, struct metrics_row *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < m->workers; i++)
		add_numbers((uint64_t *)out, (const uint64_t *)&m->rows[i], sizeof(*out));
}

void metrics_each_listener(struct metrics *m,
			   void (*each)(void *arg, const char *name,
					const struct metrics_listener *sum),
			   void *arg)
{
	struct entry *e;

	pthread_mutex_lock(&m->lock);
	STAILQ_FOREACH(e, &m->listeners, link) {
		struct metrics_listener sum = {0};

		for (unsigned i = 0; i < m->workers; i++)
			add_numbers((uint64_t *)&sum, (const uint64_t *)&e->rows[i], sizeof(sum));
		each(arg, e->name, &sum);
	}
	pthread_mutex_unlock(&m->lock);
}
