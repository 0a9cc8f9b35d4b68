/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client leg when the kernel carries the records: reading and writing. Records that are not
 * data are in record_tls.c, errors in record_ktls_fault.c.
 */
#include "tls/record_ktls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "base/check.h"
#include "base/clock.h"
#include "tls/aead_key.h"
#include "tls/record_ktls_fault.h"

/* Of a record. A smaller read may split one, but a control record is judged as a whole. */
#define CONTENT_MAX 16384
/* The kernel is asked how many records have come once in so many reads. */
#define COUNT_EVERY 4096

/* --- reading ---------------------------------------------------------------------------------- */

/*
 * After a read that took long. A client that sends only empty or tiny records could keep the worker
 * in the kernel with every read. So compare what came over TCP with the data in it, since the last
 * long read, if that was a moment ago. What still waits in TCP's queue says nothing, since its data
 * has not been read: while it may be nearly all that came, the comparison goes on with the next.
 */
static int look_into(struct record_ktls *k, uint64_t now_us)
{
	const uint64_t received = ktls_received(k->t.r.fd), came = received - k->wire;
	const uint64_t queued = ktls_queued(k->t.r.fd), wire = came > queued ? came - queued : 0;
	const bool lately = now_us - k->looked_us < PACE_LATELY_US;

	k->looked_us = now_us;
	if (lately && pace_is_flood(wire, k->plain))
		return record_tls_fail_with_alert(&k->t, ALERT_UNEXPECTED_MESSAGE,
						  KEDGE_REASON_record_flood);
	if (!lately || pace_is_judged(wire)) {
		k->wire = received;
		k->plain = 0;
	}
	return 0;
}

/* One recvmsg(). *at is where the bytes are: `buf` for data; a control record is there whole. */
static ssize_t receive(struct record_ktls *k, void *buf, size_t len, uint8_t *type, uint8_t **at)
{
	ssize_t n;

	*at = buf;
	if (len >= CONTENT_MAX)
		return ktls_recv(k->t.r.fd, buf, len, type);
	n = ktls_peek(k->t.r.fd, type);
	if (n < 0 || *type == TLS_CONTENT_DATA)
		return n < 0 ? n : ktls_recv(k->t.r.fd, buf, len, type);
	*at = k->t.r.scratch->in;
	return ktls_recv(k->t.r.fd, *at, k->t.r.scratch->in_size, type);
}

/*
 * The same into a pipe: at most one record. splice(2) says EINVAL for a record that is not data, as
 * long as that is not taken, and once for a bad header. It says 0 for an empty record and for the
 * end. For all of these, peeking finds out what it is. Data is not taken that way.
 */
static ssize_t receive_piped(struct record_ktls *k, int pipe_fd, size_t len, uint8_t *type,
			     uint8_t **at)
{
	const int fd = k->t.r.fd;
	ssize_t n = splice(fd, NULL, pipe_fd, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	bool refused = n < 0 && errno == EINVAL;

	*type = TLS_CONTENT_DATA;
	*at = NULL;
	if (n > 0)
		return n;
	if (n < 0 && !refused)
		return -errno;
	n = ktls_peek(fd, type);
	if (n < 0)
		return refused && n == -EAGAIN ? -EINVAL : n;
	if (*type == TLS_CONTENT_DATA)
		return n ? -EINTR : 0;
	*at = k->t.r.scratch->in;
	return ktls_recv(fd, *at, k->t.r.scratch->in_size, type);
}

/* For the limit of a key. 0, or the leg is dead. */
static int count_records(struct record_ktls *k)
{
	union ktls_crypto rx = {0};
	struct aead_key key;

	if (++k->reads % COUNT_EVERY || !k->t.traffic.len ||
	    ktls_rx_keys(k->t.r.fd, k->t.suite, &rx))
		return 0;
	aead_key_set(&key, &rx, false);
	k->t.rx_records = key.seq;
	OPENSSL_cleanse(&rx, sizeof(rx));
	OPENSSL_cleanse(&key, sizeof(key));
	return record_tls_received(&k->t, 0);
}

static ssize_t on_data(struct record_ktls *k, size_t n, size_t len, bool piped)
{
	if (control_data(&k->t.control, n) != CONTROL_GO_ON)
		return record_tls_fail_with_alert(&k->t, k->t.control.alert, k->t.control.reason);
	if (count_records(k))
		return k->t.failed;
	if (piped) { /* read on until -EAGAIN */
		k->t.r.drained = false;
		return (ssize_t)n;
	}
	/* When the kernel gives out a record it looks for the next one, and signals it
	 * (tls_strp_msg_done() of net/tls/tls_strp.c). But a control record leaves TCP's queue at
	 * once and waits in rx_list. poll() asks TCP's queue (tls_sk_poll()), so that signal is
	 * lost until more comes, if only a FIN. Hence look_again. */
	k->t.r.drained = k->t.r.look_again = n < len;
	return (ssize_t)n;
}

/* Data goes to buf, or to a pipe if that is NULL. */
static ssize_t read_records(struct record_ktls *k, void *buf, int pipe_fd, size_t len)
{
	struct record *r = &k->t.r;
	uint8_t type = TLS_CONTENT_DATA, *at;
	uint64_t begun_us, now_us;
	ssize_t n;

	r->look_again = false;
	r->tired = false;
	len = pace_limit(&k->pace, len);
	for (int records = 0; records < RECORD_READ_RECORDS_MAX; records++) {
		if (k->t.failed)
			return k->t.failed;
		if (k->t.ended)
			return 0;
		n = record_tls_answer(&k->t);
		if (n < 0)
			return n;
		begun_us = monotonic_us();
		n = buf ? receive(k, buf, len, &type, &at)
			: receive_piped(k, pipe_fd, len, &type, &at);
		now_us = monotonic_us();
		r->tired |= pace_took(&k->pace, n > 0 ? (size_t)n : 0, now_us - begun_us);
		k->plain += n > 0 ? (size_t)n : 0;
		if (now_us - begun_us > PACE_SUSPECT_US && look_into(k, now_us))
			return k->t.failed;
		if (n == -EAGAIN)
			return n;
		if (n == -EINTR)
			continue;
		if (n < 0)
			return record_ktls_fail_from_errno(&k->t, (int)n);
		if (type != TLS_CONTENT_DATA)
			record_tls_control(&k->t, type, at, (size_t)n);
		else if (n)
			return on_data(k, (size_t)n, len, !buf);
		else
			k->t.ended = true;
	}
	return -EINTR;
}

static ssize_t ktls_read(struct record *r, void *buf, size_t len)
{
	ssize_t n = read_records((struct record_ktls *)r, buf, -1, len);

	CHECKED(record_tls_check((struct record_tls *)r));
	return n;
}

static ssize_t ktls_splice_in(struct record *r, int pipe_fd, size_t len)
{
	ssize_t n = read_records((struct record_ktls *)r, NULL, pipe_fd, len);

	CHECKED(record_tls_check((struct record_tls *)r));
	return n;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What is written: bytes of a buffer, or those of a pipe if that is NULL. */
struct source {
	const uint8_t *buf;
	int pipe_fd;
};

/* Bytes [at..at + len) of it; all before have gone. */
static ssize_t send_some(int fd, const struct source *from, size_t at, size_t len, bool more)
{
	ssize_t n;

	do
		n = from->buf ? send(fd, from->buf + at, len,
				     MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0))
			      : splice(from->pipe_fd, NULL, fd, NULL, len,
				       SPLICE_F_MOVE | SPLICE_F_NONBLOCK |
					       (more ? SPLICE_F_MORE : 0));
	while (n < 0 && errno == EINTR);
	return n;
}

/*
 * Left alone, the kernel gives TCP each record with a push, so that each is a segment of its own
 * and wakes the client. Told that more follows, it does that with the last only. A record that is
 * full is closed all the same (tls_sw_sendmsg() of net/tls/tls_sw.c). If the last one does not go
 * now, nothing may wait for it.
 */
static ssize_t send_records(int fd, const struct source *from, size_t len)
{
	const size_t more = len ? (len - 1) / CONTENT_MAX * CONTENT_MAX : 0;
	ssize_t n, last;

	if (!more)
		return send_some(fd, from, 0, len, false);
	n = send_some(fd, from, 0, more, true);
	if (n < 0)
		return n;
	if ((size_t)n == more) {
		last = send_some(fd, from, more, len - more, false);
		if (last >= 0)
			return n + last;
		if (errno != EAGAIN)
			return last;
	}
	ktls_push(fd);
	return n;
}

static ssize_t write_records(struct record_ktls *k, const struct source *from, size_t len)
{
	const int fd = k->t.r.fd;
	ssize_t n;

	if (k->t.alerted)
		return -EPIPE;
	n = record_tls_answer(&k->t); /* RFC 8446 section 4.6.3: before any more data */
	CHECKED(record_tls_check(&k->t));
	if (n < 0)
		return n;
	n = send_records(fd, from, len);
	if (n < 0)
		return record_tls_write_failure(&k->t, -errno);
	control_data_sent(&k->t.control, (size_t)n);
	(void)record_tls_sent(&k->t, (uint64_t)n / CONTENT_MAX + 1);
	return n;
}

static ssize_t ktls_write(struct record *r, const void *buf, size_t len)
{
	return write_records((struct record_ktls *)r, &(struct source){.buf = buf}, len);
}

static ssize_t ktls_splice_out(struct record *r, int pipe_fd, size_t len)
{
	return write_records((struct record_ktls *)r, &(struct source){.pipe_fd = pipe_fd}, len);
}

/* The kernel sends by itself what it took. */
static int ktls_flush(struct record *r)
{
	return record_tls_answer((struct record_tls *)r);
}

/* Records while the kernel reads them, and bytes after a fault. */
static ssize_t ktls_drain(struct record *r, void *buf, size_t len)
{
	struct record_ktls *k = (struct record_ktls *)r;
	uint8_t type = TLS_CONTENT_DATA;
	ssize_t n;

	if (!k->raw && !k->t.failed) {
		uint64_t begun_us = monotonic_us();

		n = ktls_recv(r->fd, buf, pace_limit(&k->pace, len), &type);
		r->tired = pace_took(&k->pace, n > 0 ? (size_t)n : 0, monotonic_us() - begun_us);
		if (n >= 0)
			return type == TLS_CONTENT_ALERT ? 0 : n + (type != TLS_CONTENT_DATA);
		if (n == -EAGAIN || n == -EINTR)
			return -EAGAIN;
	}
	k->raw = true;
	return ktls_raw(r->fd, buf, len);
}

static void ktls_free(struct record *r)
{
	record_tls_wipe((struct record_tls *)r);
	free(r);
}

static const struct record_ops ktls_ops = {
	.name = "kernel",
	.read = ktls_read,
	.write = ktls_write,
	.splice_in = ktls_splice_in,
	.splice_out = ktls_splice_out,
	.flush = ktls_flush,
	.close_write = record_tls_close_write,
	.drain = ktls_drain,
	.free = ktls_free,
};

/* --- what differs from records of user space -------------------------------------------------- */

static int send_control(struct record_tls *t, uint8_t type, const void *bytes, size_t n)
{
	return ktls_send_control(t->r.fd, type, bytes, n);
}

static int set_tx(struct record_tls *t, const union ktls_crypto *tx)
{
	return ktls_rekey_tx(t->r.fd, tx);
}

static int set_rx(struct record_tls *t, const union ktls_crypto *rx)
{
	return ktls_rekey_rx(t->r.fd, rx);
}

static int keep_rx(struct record_tls *t)
{
	return ktls_same_rx(t->r.fd, t->suite);
}

/*
 * The kernel keeps an encrypted record that the socket has no room for (tx_list of
 * net/tls/tls_sw.c), and loses it at the FIN. So the alert waits until a third of the send buffer
 * is free. Sending it then pushes out what is before it, which is one record at most.
 */
static int room_to_end(struct record_tls *t)
{
	struct pollfd room = {.fd = t->r.fd, .events = POLLOUT};

	return poll(&room, 1, 0) < 1 ? -EAGAIN : 0;
}

static int ended(struct record_tls *t)
{
	(void)t;
	return 0;
}

static const struct record_tls_ops ktls_tls_ops = {
	.send_control = send_control,
	.set_tx = set_tx,
	.set_rx = set_rx,
	.keep_rx = keep_rx,
	.room_to_end = room_to_end,
	.ended = ended,
	.fail_from_errno = record_ktls_fail_from_errno,
};

struct record *record_ktls_new(int fd, struct record_scratch *scratch, enum tls_version version,
			       enum tls_suite suite, const struct keys_traffic *traffic)
{
	struct record_ktls *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->t.r = (struct record){.ops = &ktls_ops, .scratch = scratch, .fd = fd};
	record_tls_init(&k->t, &ktls_tls_ops, version, suite, traffic);
	return &k->t.r;
}
