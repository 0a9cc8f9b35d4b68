/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll: a ready list as in fs/eventpoll.c. A wakeup puts a socket on it. epoll_wait() asks each
 * socket what is true now: so several changes are one event, and a wakeup may tell of nothing new.
 */
#include "calls.h"

#include <errno.h>

#include "sim_turn.h"
#include "world.h"

static int fails(int err)
{
	errno = err;
	return -1;
}

int __wrap_epoll_create1(int flags)
{
	return world.on ? sock_open(sock_new(SOCK_EPOLL)) : __real_epoll_create1(flags);
}

static void set_events(struct sock *s, const struct epoll_event *ev)
{
	s->watched = true;
	s->events = ev->events | EPOLLERR | EPOLLHUP;
	s->data = ev->data.ptr;
	if (sock_poll(s) & s->events)
		sock_wake(s, 0);
}

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct sock *s = sock_of(fd);

	if (!sock_of(epfd))
		return __real_epoll_ctl(epfd, op, fd, ev);
	if (!s)
		return fails(EBADF);
	switch (op) {
	case EPOLL_CTL_ADD:
		if (s->watched)
			return fails(EEXIST);
		set_events(s, ev);
		return 0;
	case EPOLL_CTL_MOD:
		if (!s->watched)
			return fails(ENOENT);
		set_events(s, ev);
		return 0;
	default:
		s->watched = false; /* the list drops it */
		return 0;
	}
}

/* The first of the list, which is moved behind it if it is level-triggered. 0: nothing is true. */
static uint32_t take_ready(unsigned i, void **data)
{
	struct sock *s = world.ready[i];
	uint32_t mask = s->watched ? sock_poll(s) & s->events : 0;

	for (unsigned k = i + 1; k < world.readies; k++)
		world.ready[k - 1] = world.ready[k];
	world.readies--;
	s->ready = false;
	*data = s->data;
	/* This wakeup is still to come. */
	if (world.looks && s->full)
		mask &= ~(uint32_t)(EPOLLOUT | EPOLLWRNORM);
	if (mask && !(s->events & EPOLLET))
		sock_wake(s, 0);
	if (mask)
		world_log("event", s->id, mask, 0);
	return mask & (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP);
}

/* Some of what is ready, in any order. */
static int harvest(struct epoll_event *ev, int max)
{
	unsigned all = world.readies;
	unsigned some = all > 1 && dice_rare(4) ? dice_between(1, all) : all;
	int n = 0;

	while (some-- && n < max && world.readies) {
		unsigned i = dice_rare(4) ? dice(world.readies) : 0;
		void *data;
		uint32_t mask = take_ready(i, &data);

		if (mask)
			ev[n++] = (struct epoll_event){.events = mask, .data.ptr = data};
	}
	return n;
}

int __wrap_epoll_wait(int epfd, struct epoll_event *ev, int max, int ms)
{
	int n;

	if (!sock_of(epfd))
		return __real_epoll_wait(epfd, ev, max, ms);
	world.kedge_runs = false;
	turn_begin(ms);
	do
		n = harvest(ev, max);
	while (!n && (world.readies || (ms && turn_waits(&ms))));
	world.kedge_runs = true;
	if (!n && dice_rare(256))
		return fails(EINTR);
	return n;
}
