/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates for the metrics. See cert_figures.h. */
#include "daemon/cert_figures.h"

#include <stdlib.h>
#include <string.h>

#include "tls/tls.h"

/* While the list is made. */
struct listing {
	struct cert_figures *figures;
	const char *listener;
	size_t from; /* those of this listener */
};

static void clear(struct cert_figures *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->set[i].listener);
		free(f->set[i].file);
		free(f->set[i].subject);
		free(f->set[i].names);
	}
	free(f->set);
	f->set = NULL;
	f->count = 0;
}

static void add(void *arg, const struct cert_facts *facts)
{
	struct listing *l = arg;
	struct cert_figures *f = l->figures;
	struct metrics_cert *set;

	for (size_t i = l->from; i < f->count; i++)
		if (!strcmp(f->set[i].file, facts->file))
			return;
	set = realloc(f->set, (f->count + 1) * sizeof(*set));
	if (!set)
		return;
	f->set = set;
	set[f->count++] = (struct metrics_cert){.listener = strdup(l->listener),
						.file = strdup(facts->file),
						.subject = strdup(facts->subject),
						.names = strdup(facts->names),
						.not_after = facts->not_after};
	set = &set[f->count - 1];
	if (set->listener && set->file && set->subject && set->names)
		return;
	free(set->listener);
	free(set->file);
	free(set->subject);
	free(set->names);
	f->count--;
}

void cert_figures_set(struct cert_figures *f, const struct doors *doors)
{
	struct cert_figures next = {0}, before;

	for (size_t i = 0; doors && i < doors->count; i++) {
		const struct door *d = doors->doors[i];
		/* In a reload the worker hands on the name later, with the socket. */
		const char *name = (d->before ? d->before : d)->service->name;
		struct listing listing = {&next, name, next.count};

		tls_ctx_facts(d->service->tls, add, &listing);
	}
	pthread_mutex_lock(&f->lock);
	before = (struct cert_figures){.set = f->set, .count = f->count};
	f->set = next.set;
	f->count = next.count;
	pthread_mutex_unlock(&f->lock);
	clear(&before);
}

void cert_figures_each(void *figures, metrics_cert_fn *each, void *arg)
{
	struct cert_figures *f = figures;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->count; i++)
		each(arg, &f->set[i]);
	pthread_mutex_unlock(&f->lock);
}
