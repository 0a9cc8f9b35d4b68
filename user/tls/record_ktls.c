/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client leg when the kernel carries the records: reading, writing, ending. Records that are
 * not data are in record_ktls_control.c, errors in record_ktls_fault.c.
 */
#include "tls/record_ktls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "base/check.h"
#include "base/clock.h"
#include "tls/record_ktls_control.h"
#include "tls/record_ktls_fault.h"

/* A smaller read may split a record, but a control record is judged as a whole. */
#define PLAINTEXT_MAX 16384

/* --- reading ---------------------------------------------------------------------------------- */

/*
 * After a read that took long. A client that sends only empty or tiny records could keep the worker
 * in the kernel with every read. So compare what came over TCP with the data in it, since the last
 * long read, if that was a moment ago.
 */
static int look_into(struct record_ktls *k, uint64_t now_us)
{
	const uint64_t received = ktls_received(k->r.fd), wire = received - k->wire;
	const bool lately = now_us - k->looked_us < PACE_LATELY_US;
	const uint64_t plain = k->plain;

	k->wire = received;
	k->plain = 0;
	k->looked_us = now_us;
	return lately && pace_is_flood(wire, plain)
		       ? record_ktls_fail_with_alert(k, ALERT_UNEXPECTED_MESSAGE,
						     KEDGE_REASON_record_flood)
		       : 0;
}

/* One recvmsg(). *at is where the bytes are: `buf` for data; a control record is there whole. */
static ssize_t receive(struct record_ktls *k, void *buf, size_t len, uint8_t *type, uint8_t **at)
{
	ssize_t n;

	*at = buf;
	if (len >= PLAINTEXT_MAX)
		return ktls_recv(k->r.fd, buf, len, type);
	n = ktls_peek(k->r.fd, type);
	if (n < 0 || *type == TLS_CONTENT_DATA)
		return n < 0 ? n : ktls_recv(k->r.fd, buf, len, type);
	*at = k->r.scratch->in;
	return ktls_recv(k->r.fd, *at, k->r.scratch->in_size, type);
}

static ssize_t on_data(struct record_ktls *k, size_t n, size_t len)
{
	if (control_data(&k->control, n) != CONTROL_GO_ON)
		return record_ktls_fail_with_alert(k, k->control.alert, k->control.reason);
	/* When the kernel gives out a record it looks for the next one, and signals it
	 * (tls_strp_msg_done() of net/tls/tls_strp.c). But a control record leaves TCP's queue at
	 * once and waits in rx_list. poll() asks TCP's queue (tls_sk_poll()), so that signal is
	 * lost until more comes, if only a FIN. Hence look_again. */
	k->r.drained = k->r.look_again = n < len;
	return (ssize_t)n;
}

#ifdef KEDGE_CHECKS
/* A leg that has failed gives its error for ever, and it is known why. */
static void ktls_check(const struct record_ktls *k)
{
	CHECK(k, k->failed <= 0);
	CHECK_IF(k, k->failed, k->r.reason != KEDGE_REASON_NONE);
	CHECK_IF(k, k->r.told, k->failed);
	CHECK(k, k->answer_len <= sizeof(k->answer));
	CHECK_IF(k, k->r.answer_due, k->answer_len);
	CHECK_IF(k, k->answer_len,
		 k->answer_type == TLS_CONTENT_ALERT || k->answer_type == TLS_CONTENT_HANDSHAKE);
	CHECK_IF(k, k->shut, k->alerted);
	CHECK_IF(k, k->r.clean_end, k->ended);
	CHECK_IF(k, k->traffic, k->control.tls13 && k->traffic->len <= KEYS_SECRET_MAX);
	CHECK(k, (unsigned)k->suite < SUITE_COUNT);
	if (!k->failed)
		control_check(&k->control);
}

/* Passes a result of one of its functions on. */
static ssize_t checked(const struct record_ktls *k, ssize_t result)
{
	ktls_check(k);
	return result;
}
#else
#define checked(k, result) (result)
#endif

static ssize_t read_records(struct record *r, void *buf, size_t len)
{
	struct record_ktls *k = (struct record_ktls *)r;
	uint8_t type = TLS_CONTENT_DATA, *at;
	uint64_t begun_us, now_us;
	ssize_t n;

	r->look_again = false;
	r->tired = false;
	len = pace_limit(&k->pace, len);
	for (int records = 0; records < RECORD_READ_RECORDS_MAX; records++) {
		if (k->failed)
			return k->failed;
		if (k->ended)
			return 0;
		n = record_ktls_answer(k);
		if (n < 0)
			return n;
		begun_us = monotonic_us();
		n = receive(k, buf, len, &type, &at);
		now_us = monotonic_us();
		r->tired |= pace_took(&k->pace, n > 0 ? (size_t)n : 0, now_us - begun_us);
		k->plain += n > 0 ? (size_t)n : 0;
		if (now_us - begun_us > PACE_SUSPECT_US && look_into(k, now_us))
			return k->failed;
		if (n == -EAGAIN)
			return n;
		if (n == -EINTR)
			continue;
		if (n < 0)
			return record_ktls_fail_from_errno(k, (int)n);
		if (type != TLS_CONTENT_DATA)
			record_ktls_control(k, type, at, (size_t)n);
		else if (n)
			return on_data(k, (size_t)n, len);
		else
			k->ended = true;
	}
	return -EINTR;
}

static ssize_t ktls_read(struct record *r, void *buf, size_t len)
{
	return checked((struct record_ktls *)r, read_records(r, buf, len));
}

/* --- writing ---------------------------------------------------------------------------------- */

static ssize_t ktls_write(struct record *r, const void *buf, size_t len)
{
	struct record_ktls *k = (struct record_ktls *)r;
	ssize_t n;

	if (k->alerted)
		return -EPIPE;
	n = record_ktls_answer(k); /* RFC 8446 section 4.6.3: before any more data */
	CHECKED(ktls_check(k));
	if (n < 0)
		return n;
	do
		n = send(r->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0) {
		control_data_sent(&k->control, (size_t)n);
		return n;
	}
	if (errno == EAGAIN)
		return -EAGAIN;
	if (errno == EPIPE) {
		r->reason = KEDGE_REASON_client_reset;
		return -EPIPE;
	}
	return record_ktls_fail_from_errno(k, -errno);
}

/* The kernel sends by itself what it took. */
static int ktls_flush(struct record *r)
{
	return record_ktls_answer((struct record_ktls *)r);
}

/*
 * The kernel keeps an encrypted record that the socket has no room for (tx_list of
 * net/tls/tls_sw.c), and loses it at the FIN. So the alert waits until a third of the send buffer
 * is free. Sending it then pushes out what is before it, which is one record at most.
 */
static int ktls_close_write(struct record *r)
{
	static const uint8_t close_notify[] = {ALERT_LEVEL_WARNING, ALERT_CLOSE_NOTIFY};
	struct record_ktls *k = (struct record_ktls *)r;
	int err;

	if (k->shut)
		return 0;
	if (!k->alerted) {
		struct pollfd room = {.fd = r->fd, .events = POLLOUT};

		if (poll(&room, 1, 0) < 1)
			return -EAGAIN;
		err = ktls_send_control(r->fd, TLS_CONTENT_ALERT, close_notify,
					sizeof(close_notify));
		if (err == -EAGAIN)
			return err;
		if (err == -EPIPE) {
			r->reason = KEDGE_REASON_client_reset;
			return err;
		}
		if (err)
			return record_ktls_fail_from_errno(k, err);
		k->alerted = true;
	}
	k->shut = true;
	if (shutdown(r->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return -errno;
	return 0;
}

/* Records while the kernel reads them, and bytes after a fault. */
static ssize_t ktls_drain(struct record *r, void *buf, size_t len)
{
	struct record_ktls *k = (struct record_ktls *)r;
	uint8_t type = TLS_CONTENT_DATA;
	ssize_t n;

	if (!k->raw && !k->failed) {
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
	struct record_ktls *k = (struct record_ktls *)r;

	OPENSSL_clear_free(k->traffic, sizeof(*k->traffic));
	free(k);
}

static const struct record_ops ktls_ops = {
	.name = "kernel",
	.read = ktls_read,
	.write = ktls_write,
	.flush = ktls_flush,
	.close_write = ktls_close_write,
	.drain = ktls_drain,
	.free = ktls_free,
};

struct record *record_ktls_new(int fd, struct record_scratch *scratch, enum tls_version version,
			       enum tls_suite suite, const struct keys_traffic *traffic)
{
	struct record_ktls *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->r = (struct record){.ops = &ktls_ops, .scratch = scratch, .fd = fd};
	k->suite = suite;
	k->control.tls13 = version == VERSION_TLS13;
	if (traffic) {
		k->traffic = OPENSSL_memdup(traffic, sizeof(*traffic));
		if (!k->traffic) {
			free(k);
			return NULL;
		}
	}
	return &k->r;
}
