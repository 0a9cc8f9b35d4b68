/* A worker's listeners, from one generation to the next. See listener_set.h. */
#include "listen/listener_set.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "conn/worker.h"

static void set_freep(struct listener_set **set)
{
	listener_set_free(*set);
}

int listener_set_new(struct listener_set **out, struct worker *w, struct generation *g)
{
	size_t count = g->conf->listeners_count;
	_cleanup_(set_freep)
	struct listener_set *set = calloc(1, sizeof(*set) + count * sizeof(set->listeners[0]));
	int err = 0;

	if (!set)
		return log_err(ENOMEM, "worker %u: no listeners", w->index);
	set->generation = generation_get(g);
	while (!err && set->count < count) {
		err = listener_new(&set->listeners[set->count], w, g, set->count);
		set->count += !err;
	}
	if (err)
		return err;
	*out = take_ptr(set);
	return 0;
}

int listener_set_give(struct listener_set *set, struct sockets *sockets, unsigned worker,
		      const struct listener_set *before, const int *from)
{
	int err = 0;

	for (size_t i = 0; !err && i < set->count; i++) {
		int fd = sockets_take(sockets, i, worker);

		if (fd >= 0)
			err = listener_give(set->listeners[i], fd);
		else
			set->listeners[i]->before = before->listeners[from[i]];
	}
	return err;
}

uint16_t *listener_set_ports(const struct listener_set *set)
{
	uint16_t *ports = calloc(set->count + 1, sizeof(*ports));

	for (size_t i = 0; ports && i < set->count; i++) {
		const struct listener *l = set->listeners[i];

		ports[i] = l->before ? l->before->port : l->port;
	}
	return ports;
}

void listener_set_take(struct listener_set *set, struct listener_set *before)
{
	for (size_t i = 0; i < set->count; i++)
		listener_start(set->listeners[i]);
	for (size_t i = 0; before && i < before->count; i++)
		listener_stop(before->listeners[i]);
	listener_set_free(before);
}

void listener_set_free(struct listener_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++)
		listener_put(set->listeners[i]);
	generation_put(set->generation);
	free(set);
}
