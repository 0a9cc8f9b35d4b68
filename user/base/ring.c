/* SPDX-License-Identifier: BSD-2-Clause */
/* A queue of records between two threads. See ring.h. */
#include "base/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Before each record. */
typedef uint32_t length;

int ring_init(struct ring *r, size_t size)
{
	*r = (struct ring){.bytes = malloc(size), .size = size};
	return r->bytes ? 0 : -ENOMEM;
}

void ring_fini(struct ring *r)
{
	free(r->bytes);
	r->bytes = NULL;
}

static void copy_in(struct ring *r, size_t at, const void *from, size_t len)
{
	size_t begin = at & (r->size - 1);
	size_t first = len < r->size - begin ? len : r->size - begin;

	if (!len)
		return; /* of no piece there may be no address */
	memcpy(r->bytes + begin, from, first);
	memcpy(r->bytes, (const uint8_t *)from + first, len - first);
}

static void copy_out(const struct ring *r, size_t at, void *to, size_t len)
{
	size_t begin = at & (r->size - 1);
	size_t first = len < r->size - begin ? len : r->size - begin;

	memcpy(to, r->bytes + begin, first);
	memcpy((uint8_t *)to + first, r->bytes, len - first);
}

bool ring_put(struct ring *r, const struct iovec *piece, unsigned pieces)
{
	size_t taken = __atomic_load_n(&r->taken, __ATOMIC_ACQUIRE), at = r->put;
	length len = 0;

	for (unsigned i = 0; i < pieces; i++)
		len += (length)piece[i].iov_len;
	if (sizeof(len) + len > r->size - (at - taken))
		return false;
	copy_in(r, at, &len, sizeof(len));
	at += sizeof(len);
	for (unsigned i = 0; i < pieces; i++) {
		copy_in(r, at, piece[i].iov_base, piece[i].iov_len);
		at += piece[i].iov_len;
	}
	__atomic_store_n(&r->put, at, __ATOMIC_RELEASE);
	return true;
}

size_t ring_take(struct ring *r, void *buf, size_t room)
{
	size_t at = r->taken;
	length len;

	if (__atomic_load_n(&r->put, __ATOMIC_ACQUIRE) == at)
		return 0;
	copy_out(r, at, &len, sizeof(len));
	at += sizeof(len);
	copy_out(r, at, buf, len < room ? len : room);
	__atomic_store_n(&r->taken, at + len, __ATOMIC_RELEASE);
	return len;
}

size_t ring_used(const struct ring *r)
{
	size_t taken = __atomic_load_n(&r->taken, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&r->put, __ATOMIC_ACQUIRE) - taken;
}
