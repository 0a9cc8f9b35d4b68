/* SPDX-License-Identifier: BSD-2-Clause */
/* What its socket says of a leg. See leg_proof.h. */
#include "app/leg_proof.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Of the kernel's <net/tcp_states.h>; netinet/tcp.h, which has it too, differs from linux/tcp.h. */
#define STATE_CLOSE 7

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

bool leg_is_stale(const struct leg *l)
{
	char byte;

	return recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}
