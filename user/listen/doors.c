/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker's doors, from one generation to the next. See doors.h. */
#include "listen/doors.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"

static void set_freep(struct doors **set)
{
	doors_free(*set);
}

int doors_new(struct doors **out, struct acceptor *a, struct generation *g)
{
	size_t count = g->conf->listeners_count;
	_cleanup_(set_freep)
	struct doors *set = calloc(1, sizeof(*set) + count * sizeof(set->doors[0]));
	int err = 0;

	if (!set)
		return log_err(ENOMEM, "worker %u: no listeners", a->worker);
	set->generation = generation_get(g);
	while (!err && set->count < count) {
		err = door_new(&set->doors[set->count], a, g, set->count);
		set->count += !err;
	}
	if (err)
		return err;
	*out = take_ptr(set);
	return 0;
}

int doors_give(struct doors *set, struct sockets *sockets, unsigned worker,
	       const struct doors *before, const int *from)
{
	int err = 0;

	for (size_t i = 0; !err && i < set->count; i++) {
		int fd = sockets_take(sockets, i, worker);

		if (fd >= 0)
			err = door_give(set->doors[i], fd);
		else
			set->doors[i]->before = before->doors[from[i]];
	}
	return err;
}

uint16_t *doors_ports(const struct doors *set)
{
	uint16_t *ports = calloc(set->count + 1, sizeof(*ports));

	for (size_t i = 0; ports && i < set->count; i++) {
		const struct door *d = set->doors[i];

		ports[i] = d->before ? d->before->service->port : d->service->port;
	}
	return ports;
}

void doors_take(struct doors *set, struct doors *before)
{
	for (size_t i = 0; i < set->count; i++)
		door_start(set->doors[i]);
	for (size_t i = 0; before && i < before->count; i++)
		door_stop(before->doors[i]);
	doors_free(before);
}

void doors_free(struct doors *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++)
		door_free(set->doors[i]);
	generation_put(set->generation);
	free(set);
}
