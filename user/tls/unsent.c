/* SPDX-License-Identifier: BSD-2-Clause */
/* Ciphertext that a socket did not take yet. See unsent.h. */
#include "tls/unsent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"

#ifdef KEDGE_CHECKS
void unsent_check(const struct unsent *u)
{
	CHECK(u, !u->bytes == !u->len && u->len <= UNSENT_MAX);
	CHECK_IF(u, u->len, u->at < u->len);
}
#endif

ssize_t unsent_send(int fd, const uint8_t *bytes, size_t n)
{
	size_t sent = 0;

	while (sent < n) {
		ssize_t r = send(fd, bytes + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r >= 0)
			sent += (size_t)r;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)sent;
}

int unsent_add(struct unsent *u, const uint8_t *bytes, size_t n)
{
	uint8_t *grown;

	if (u->at) {
		memmove(u->bytes, u->bytes + u->at, u->len - u->at);
		u->len -= u->at;
		u->at = 0;
	}
	if (u->len + n > UNSENT_MAX)
		return -ENOBUFS;
	grown = realloc(u->bytes, u->len + n);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + u->len, bytes, n);
	u->bytes = grown;
	u->len += (uint32_t)n;
	return 0;
}

int unsent_flush(struct unsent *u, int fd)
{
	ssize_t n;

	if (!u->len)
		return 0;
	n = unsent_send(fd, u->bytes + u->at, u->len - u->at);
	if (n < 0)
		return (int)n;
	u->at += (uint32_t)n;
	if (u->at < u->len)
		return -EAGAIN;
	unsent_drop(u);
	return 0;
}

void unsent_drop(struct unsent *u)
{
	free(u->bytes);
	*u = (struct unsent){0};
}
