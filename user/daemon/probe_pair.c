/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections for the probes. See probe_pair.h. */
#include "daemon/probe_pair.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "app/app.h"
#include "base/cleanup.h"
#include "base/loopback_pair.h"

#define PATIENCE_MS 2000

void probe_pair_close(struct probe_pair *p)
{
	close_fdp(&p->near);
	close_fdp(&p->far);
}

bool probe_wait(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, PATIENCE_MS) == 1;
}

int probe_pair_open(struct probe_pair *p, const struct probe_pair_extra *extra)
{
	static const struct probe_pair_extra none = {0};
	const struct probe_pair_extra *x = extra ? extra : &none;
	union addr addr;
	_cleanup_(close_fdp)
	int listener = loopback_listen(&addr);
	int err;

	if (listener < 0)
		return listener;
	p->near = app_socket(&addr, false);
	if (p->near < 0)
		return p->near;
	err = x->prepare ? x->prepare(x->arg, p->near) : 0;
	if (!err)
		err = app_connect(p->near, &addr);
	if (err)
		return err;
	p->far = loopback_accept(listener, p->near, x->alias, x->peer, SOCK_NONBLOCK);
	if (p->far < 0)
		return p->far;
	return probe_wait(p->near, POLLOUT) ? 0 : -ETIMEDOUT;
}
