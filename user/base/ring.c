/* SPDX-License-Identifier: BSD-2-Clause */
/* A queue of records between two threads. See ring.h. */
#include "base/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

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

#ifdef KEDGE_CHECKS
void ring_check(const struct ring *r)
{
	size_t used = ring_used(r);

	CHECK(r, r->bytes && r->size && !(r->size & (r->size - 1)));
	CHECK(r, used <= r->size);
	CHECK_IF(r, used, used > sizeof(length)); /* whole records */
}
#endif

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
	CHECKED(ring_check(r));
	return true;
}

#ifdef KEDGE_CHECKS
/* A record that is taken was put whole. */
static void record_check(const struct ring *r, size_t at, length len)
{
	CHECK(r, at + len - r->taken <= ring_used(r));
}
#endif

size_t ring_take(struct ring *r, void *buf, size_t room)
{
	size_t at = r->taken;
	length len;

	if (__atomic_load_n(&r->put, __ATOMIC_ACQUIRE) == at)
		return 0;
	copy_out(r, at, &len, sizeof(len));
	at += sizeof(len);
	CHECKED(record_check(r, at, len));
	copy_out(r, at, buf, len < room ? len : room);
	__atomic_store_n(&r->taken, at + len, __ATOMIC_RELEASE);
	return len;
}

size_t ring_used(const struct ring *r)
{
	size_t taken = __atomic_load_n(&r->taken, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&r->put, __ATOMIC_ACQUIRE) - taken;
}
