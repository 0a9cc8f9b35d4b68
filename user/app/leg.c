/* SPDX-License-Identifier: BSD-2-Clause */
/* One socket to the application. See leg.h. */
#include "app/leg.h"

#include <unistd.h>

#include "base/check.h"
#include "base/container_of.h"
#include "base/reset_on_close.h"

static void bury(struct task *task)
{
	struct legs *legs = container_of(task, struct legs, bury);
	struct leg *l;

	while ((l = LIST_FIRST(&legs->graves))) {
		LIST_REMOVE(l, link);
		brief_give(l);
	}
}

void legs_init(struct legs *legs, struct loop *loop, struct kbpf *bpf, unsigned worker,
	       struct kedge_stats *stats, void (*ready)(struct watch *w, uint32_t events))
{
	*legs = (struct legs){.loop = loop,
			      .ready = ready,
			      .bpf = bpf,
			      .worker = worker,
			      .stats = stats,
			      .bury = {.run = bury}};
	LIST_INIT(&legs->graves);
	TAILQ_INIT(&legs->idle);
}

void legs_fini(struct legs *legs)
{
	if (!legs->loop)
		return;
	bury(&legs->bury);
	brief_fini(&legs->brief);
}

struct leg *leg_new(struct legs *legs, void *owner)
{
	struct leg *l = brief_take(&legs->brief, sizeof(*l));

	if (!l)
		return NULL;
	l->watch.ready = legs->ready;
	l->brief = &legs->brief;
	l->owner = owner;
	l->fd = -1;
	return l;
}

static struct server_row *row_of(const struct legs *legs, const struct leg *l)
{
	CHECKED(CHECK(l, l->server && legs->worker < l->server->rows_count));
	return &l->server->rows[legs->worker];
}

void leg_set_busy(const struct legs *legs, struct leg *l, bool busy)
{
	uint32_t *count;

	if (l->busy == busy)
		return;
	l->busy = busy;
	count = &row_of(legs, l)->busy;
	CHECKED(CHECK_IF(l, !busy, *count));
	__atomic_store_n(count, *count + (busy ? 1 : -1u), __ATOMIC_RELAXED);
}

void leg_close(struct legs *legs, struct leg *l, bool reset)
{
	if (reset && l->fd >= 0)
		reset_on_close(l->fd);
	edit_free(l->edit);
	l->edit = NULL;
	if (l->kbpf.cookie)
		kbpf_flow_del(legs->bpf, &l->kbpf);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->owner = NULL;
	leg_set_busy(legs, l, false);
	if (l->server)
		server_leave(l->server);
	l->server = NULL;
	LIST_INSERT_HEAD(&legs->graves, l, link);
	loop_later(legs->loop, &legs->bury);
}

/* --- how long it may be idle ------------------------------------------------------------------ */

/* A restart closes legs at any time: that says nothing for long, and nothing of short silences. */
#define SEEN_FOR_MS   (10u * 60 * 1000)
#define SEEN_LEAST_MS 500

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t leg_idle_max_ms(const struct legs *legs, const struct leg *l, uint32_t most_ms)
{
	const struct server_row *row = row_of(legs, l);
	uint32_t said_ms = l->response.keep_alive_s * 1000u;

	if (said_ms)
		most_ms = lesser(most_ms, said_ms > 1500 ? said_ms - 1000 : 500);
	if (row->closes_after_ms && legs->loop->now_ms < row->closed_ms + SEEN_FOR_MS)
		most_ms = lesser(most_ms, row->closes_after_ms / 5 * 4);
	return most_ms;
}

void leg_closed_idle(const struct legs *legs, const struct leg *l)
{
	struct server_row *row = row_of(legs, l);
	const uint64_t now = legs->loop->now_ms;
	const uint64_t idle_ms = l->served_us ? now - l->served_us / 1000 : 0;

	if (idle_ms < SEEN_LEAST_MS || idle_ms > UINT32_MAX)
		return;
	if (!row->closes_after_ms || idle_ms <= row->closes_after_ms ||
	    now >= row->closed_ms + SEEN_FOR_MS)
		row->closes_after_ms = (uint32_t)idle_ms;
	row->closed_ms = now;
}
