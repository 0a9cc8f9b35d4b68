/* SPDX-License-Identifier: BSD-2-Clause */
/* One socket to the application. See leg.h. */
#include "app/leg.h"

#include <stdlib.h>
#include <unistd.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/container_of.h"
#include "base/reset_on_close.h"

/* Of the kernel's <net/tcp_states.h>; netinet/tcp.h, which has it too, differs from linux/tcp.h. */
#define STATE_CLOSE 7

static void bury(struct task *task)
{
	struct legs *legs = container_of(task, struct legs, bury);
	struct leg *l;

	while ((l = LIST_FIRST(&legs->graves))) {
		LIST_REMOVE(l, link);
		free(l);
	}
}

void legs_init(struct legs *legs, struct loop *loop, struct kbpf *bpf)
{
	*legs = (struct legs){.loop = loop, .bpf = bpf, .bury = {.run = bury}};
	LIST_INIT(&legs->graves);
}

void legs_fini(struct legs *legs)
{
	if (legs->loop)
		bury(&legs->bury);
}

struct leg *leg_new(void *owner)
{
	struct leg *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->owner = owner;
	l->fd = -1;
	return l;
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
	LIST_INSERT_HEAD(&legs->graves, l, link);
	loop_later(legs->loop, &legs->bury);
}

static struct tcp_info info_of(const struct leg *l)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

void leg_mark(struct leg *l)
{
	l->acked = l->bypass ? 0 : info_of(l).tcpi_bytes_acked;
}

bool leg_unread(const struct leg *l)
{
	struct tcp_info info;

	/* A reset without a FIN before it acknowledges nothing, even if all was read. */
	if (!l->acked || l->bypass || l->reset || !l->eof)
		return false;
	info = info_of(l);
	return info.tcpi_state == STATE_CLOSE && info.tcpi_bytes_acked == l->acked;
}
