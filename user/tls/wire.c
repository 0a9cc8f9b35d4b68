/* SPDX-License-Identifier: BSD-2-Clause */
/* The BIO between OpenSSL and the socket. Knows bytes, not records; logs and counts nothing. */
#include "tls/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/socket.h>

#include <openssl/ssl3.h>

#include "base/check.h"
#include "base/cleanup.h"

#ifdef KEDGE_CHECKS
/* Of the shared buffers, a wire has nothing outside of its calls. */
static bool is_lent(const struct wire *w)
{
	const uint8_t *in = w->scratch->in;

	return w->in_len && w->in >= in && w->in < in + w->scratch->in_size;
}

void wire_check(const struct wire *w)
{
	unsent_check(&w->unsent);
	CHECK(w, w->first_len <= WIRE_FIRST_BYTES);
	CHECK(w, w->err >= 0);
	CHECK_IF(w, w->in_len, w->in);
	CHECK(w, !is_lent(w));
	CHECK_IF(w, w->in_kept, w->in_len);
	/* What a dead leg had gathered is forgotten by the next wire_begin(). */
	CHECK_IF(w, w->out_len, w->err && w->out_len <= w->scratch->out_size);
}
#endif

static int dead(struct wire *w, int err)
{
	w->err = err;
	return err == EPIPE ? -EPIPE : -ECONNRESET;
}

/* Sends what is kept. Returns as wire_end(). */
static int flush(struct wire *w)
{
	int r;

	if (w->err)
		return w->err == EPIPE ? -EPIPE : -ECONNRESET;
	r = unsent_flush(&w->unsent, w->fd);
	return r && r != -EAGAIN ? dead(w, -r) : r;
}

int wire_send(struct wire *w)
{
	size_t len = w->out_len;
	ssize_t n;
	int r;

	/* What was kept is older, so it goes first. */
	r = flush(w);
	if (!len || (r && r != -EAGAIN))
		return r;
	n = r ? 0 : unsent_send(w->fd, w->scratch->out, len);
	if (n < 0)
		return dead(w, (int)-n);
	w->out_len = 0;
	if ((size_t)n == len)
		return 0;
	r = unsent_add(&w->unsent, w->scratch->out + n, len - (size_t)n);
	return r ? dead(w, -r) : -EAGAIN;
}

/* Takes all of it; otherwise the leg dies. */
static int wire_write(BIO *bio, const char *buf, int len)
{
	struct wire *w = BIO_get_data(bio);
	size_t n = (size_t)len;
	int r;

	BIO_clear_retry_flags(bio);
	if (w->err)
		return -1;
	if (n > wire_room(w)) {
		r = wire_send(w);
		if (r && r != -EAGAIN)
			return -1;
	}
	if (n <= wire_room(w)) {
		assert(w->out_len + n <= w->scratch->out_size);
		memcpy(w->scratch->out + w->out_len, buf, n);
		w->out_len += n;
		return len;
	}
	r = unsent_add(&w->unsent, (const uint8_t *)buf, n);
	if (r) {
		dead(w, -r);
		return -1;
	}
	return len;
}

static ssize_t receive(struct wire *w, void *buf, size_t len)
{
	ssize_t n;

	do
		n = recv(w->fd, buf, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		w->eof = true;
	else if (n < 0 && errno != EAGAIN)
		return dead(w, errno);
	return n < 0 ? -EAGAIN : n;
}

static void note_first(struct wire *w, const uint8_t *bytes, size_t n)
{
	size_t room = sizeof(w->first) - w->first_len;

	if (n > room)
		n = room;
	assert(w->first_len + n <= sizeof(w->first));
	memcpy(w->first + w->first_len, bytes, n);
	w->first_len += (uint8_t)n;
}

/*
 * Receives, unless there is something that OpenSSL has not read yet. 1: there is something for it;
 * 0: the end of the stream; -EAGAIN; -ECONNRESET. Not for an exact wire.
 */
static int fill(struct wire *w)
{
	ssize_t n;

	if (w->in_len)
		return 1;
	if (w->eof || w->err)
		return w->err ? -ECONNRESET : 0;
	free(take_ptr(w->in_kept));
	n = receive(w, w->scratch->in, w->scratch->in_size);
	if (n <= 0)
		return (int)n;
	w->in = w->scratch->in;
	w->in_len = (size_t)n;
	return 1;
}

static ssize_t take(struct wire *w, char *buf, size_t len)
{
	int r;

	if (w->exact)
		return receive(w, buf, len);
	r = fill(w);
	if (r <= 0)
		return r;
	if (len > w->in_len)
		len = w->in_len;
	memcpy(buf, w->in, len);
	w->in += len;
	w->in_len -= len;
	return (ssize_t)len;
}

/* Limits one call of OpenSSL. A peer could make it last with records that carry no data. */
static bool may_read(struct wire *w)
{
	w->spent =
		w->reads >= 2 * RECORD_READ_RECORDS_MAX || w->read_bytes >= RECORD_READ_BYTES_MAX;
	return !w->spent;
}

static ssize_t read_some(struct wire *w, char *buf, size_t len)
{
	ssize_t n;

	if (!may_read(w))
		return -EAGAIN;
	n = take(w, buf, len);
	if (n > 0) {
		w->reads++;
		w->read_bytes += (uint32_t)n;
	}
	return n;
}

static int wire_read(BIO *bio, char *buf, int len)
{
	struct wire *w = BIO_get_data(bio);
	ssize_t n = -EAGAIN;

	BIO_clear_retry_flags(bio);
	if (w->err)
		return -1;
	/* OpenSSL reads when its flight is complete: send it. */
	if (w->out_len) {
		int r = wire_send(w);

		if (r && r != -EAGAIN)
			return -1;
	}
	if (w->in_len || !w->eof)
		n = read_some(w, buf, (size_t)len);
	else if (w->eof)
		return 0;
	if (n > 0) {
		note_first(w, (const uint8_t *)buf, (size_t)n);
		return (int)n;
	}
	if (n == -EAGAIN)
		BIO_set_retry_read(bio);
	return n == 0 ? 0 : -1;
}

/*
 * BIO_CTRL_EOF does not report the end of the stream. OpenSSL would take a missing close_notify for
 * a fatal error and refuse to write, but a client may half-close and wait for its answer.
 */
static long wire_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static int wire_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *method;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kedge wire");
	if (!method)
		return;
	BIO_meth_set_write(method, wire_write);
	BIO_meth_set_read(method, wire_read);
	BIO_meth_set_ctrl(method, wire_ctrl);
	BIO_meth_set_create(method, wire_create);
}

BIO *wire_bio(struct wire *w)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *bio;

	pthread_once(&once, make_method);
	bio = method ? BIO_new(method) : NULL;
	if (bio)
		BIO_set_data(bio, w);
	return bio;
}

void wire_init(struct wire *w, int fd, struct record_scratch *scratch, bool exact)
{
	*w = (struct wire){.scratch = scratch, .fd = fd, .exact = exact};
}

void wire_reset(struct wire *w)
{
	free(take_ptr(w->in_kept));
	unsent_drop(&w->unsent);
	w->in_len = w->out_len = 0;
}

void wire_begin(struct wire *w)
{
	w->spent = false;
	w->reads = 0;
	w->read_bytes = 0;
	w->out_len = 0;
}

int wire_end(struct wire *w)
{
	int r = wire_send(w);

	if (!w->in_len) {
		free(take_ptr(w->in_kept));
	} else if (!w->in_kept) {
		w->in_kept = malloc(w->in_len);
		if (!w->in_kept) {
			w->in_len = 0;
			return dead(w, ENOMEM);
		}
		memcpy(w->in_kept, w->in, w->in_len);
		w->in = w->in_kept;
	}
	CHECKED(wire_check(w));
	return r;
}
