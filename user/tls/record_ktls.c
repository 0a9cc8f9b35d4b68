/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client leg when the kernel carries the records. What is left to do here are the records that
 * are not data: alerts and KeyUpdates.
 *
 * A leg that failed stays failed: the kernel reports some errors once and then -EAGAIN for ever.
 */
#include "tls/record_ktls.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "tls/control_record.h"
#include "tls/pace.h"
#include "tls/record_open.h"

/* A read of fewer bytes may split a record, and a control record is judged as a whole. */
#define PLAINTEXT_MAX 16384

struct record_ktls {
	struct record r;
	int failed;         /* -errno that every read gives from now on, 0 while alive */
	bool ended;         /* the client's stream is over */
	bool alerted, shut; /* how far close_write got */
	bool raw;           /* the kernel reads no more records: see ktls_raw() */
	uint8_t answer[5];  /* a control record that must go out before anything is read */
	uint8_t answer_len, answer_type;
	enum tls_suite suite;
	struct control control;
	struct pace pace;
	uint64_t looked_us, wire,
		plain;                /* bytes of TCP up to the last look, and of records since */
	struct keys_traffic *traffic; /* NULL: KeyUpdates are not followed */
};

static int fail(struct record_ktls *k, int err, enum kedge_reason reason)
{
	k->r.reason = reason;
	k->failed = err;
	return err;
}

/*
 * Fails the leg after telling the client why, if there is something to tell and the socket takes
 * it.
 */
static int fail_with_alert(struct record_ktls *k, uint8_t description, enum kedge_reason reason)
{
	const uint8_t level =
		description == ALERT_NO_RENEGOTIATION ? ALERT_LEVEL_WARNING : ALERT_LEVEL_FATAL;
	const uint8_t alert[] = {level, description};

	if (!k->alerted && !k->shut && description != ALERT_NONE)
		(void)ktls_send_control(k->r.fd, TLS_CONTENT_ALERT, alert, sizeof(alert));
	k->alerted = k->r.told = true;
	return fail(k, -EPROTO, reason);
}

/*
 * EBADMSG has several causes, and only one is a wrong MAC: the record may not be encrypted at all,
 * or have no type inside. It is still in TCP's queue.
 */
static uint8_t alert_of_bad_message(struct record_ktls *k)
{
	uint8_t *record = k->r.scratch->in;
	union ktls_crypto rx = {0};
	bool authentic;
	ssize_t n;

	if (!k->control.tls13)
		return ALERT_BAD_RECORD_MAC;
	k->raw = true;
	n = ktls_raw(k->r.fd, record, k->r.scratch->in_size);
	if (n <= 0)
		return ALERT_BAD_RECORD_MAC;
	if (record[0] != TLS_CONTENT_DATA)
		return ALERT_UNEXPECTED_MESSAGE;
	authentic =
		!ktls_rx_keys(k->r.fd, k->suite, &rx) && record_authentic(&rx, record, (size_t)n);
	OPENSSL_cleanse(&rx, sizeof(rx));
	return authentic ? ALERT_UNEXPECTED_MESSAGE : ALERT_BAD_RECORD_MAC;
}

/* The kernel refused a record: what it found is in the number (net/tls/tls_sw.c). */
static int fail_from_record(struct record_ktls *k, int err)
{
	uint8_t alert;

	ktls_take_error(k->r.fd);
	switch (err) {
	case EMSGSIZE:
		return fail_with_alert(k, ALERT_RECORD_OVERFLOW, KEDGE_REASON_record_bad);
	case EINVAL:
		return fail_with_alert(k, ALERT_PROTOCOL_VERSION, KEDGE_REASON_record_bad);
	default:
		alert = alert_of_bad_message(k);
		return fail_with_alert(k, alert,
				       alert == ALERT_UNEXPECTED_MESSAGE
					       ? KEDGE_REASON_record_control
					       : KEDGE_REASON_record_bad);
	}
}

static int fail_from_errno(struct record_ktls *k, int err)
{
	switch (-err) {
	case EBADMSG:
	case EINVAL:
	case EMSGSIZE:
	case EIO:
		return fail_from_record(k, -err);
	case ENOMEM:
	case ENOBUFS:
		return fail(k, -ECONNRESET, KEDGE_REASON_no_memory);
	default:
		return fail(k, -ECONNRESET, KEDGE_REASON_client_reset);
	}
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct record_ktls *k, uint8_t type, const uint8_t *bytes, size_t n)
{
	assert(n <= sizeof(k->answer));
	memcpy(k->answer, bytes, n);
	k->answer_len = (uint8_t)n;
	k->answer_type = type;
}

/* Our direction's new keys: our KeyUpdate was the last record under the old ones. */
static int change_tx_keys(struct record_ktls *k)
{
	union ktls_crypto tx = {0};
	int r = keys_next(k->traffic->suite, k->traffic->server, k->traffic->len, &tx);

	if (!r)
		r = ktls_rekey_tx(k->r.fd, &tx);
	OPENSSL_cleanse(&tx, sizeof(tx));
	return r ? fail_with_alert(k, ALERT_INTERNAL_ERROR, KEDGE_REASON_key_update_refused) : 0;
}

/* Sends what is owed to the client. 0: nothing is, any more; -EAGAIN; or the leg is dead. */
static int send_answer(struct record_ktls *k)
{
	int r;

	if (!k->answer_len || k->alerted) /* after an alert nothing is sent */
		return 0;
	r = ktls_send_control(k->r.fd, k->answer_type, k->answer, k->answer_len);
	k->r.answer_due = r == -EAGAIN || r == -EINTR;
	if (k->r.answer_due)
		return -EAGAIN;
	k->answer_len = 0;
	if (r)
		return fail_from_errno(k, r);
	return k->answer_type == TLS_CONTENT_HANDSHAKE ? change_tx_keys(k) : 0;
}

/* --- control records -------------------------------------------------------------------------- */

static void follow_update(struct record_ktls *k, bool requested)
{
	static const uint8_t update[] = {HANDSHAKE_KEY_UPDATE, 0, 0, 1, 0};
	union ktls_crypto rx = {0};
	int r;

	if (!k->traffic) {
		fail_with_alert(k, ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_key_update_refused);
		return;
	}
	r = keys_next(k->traffic->suite, k->traffic->client, k->traffic->len, &rx);
	if (!r)
		r = ktls_rekey_rx(k->r.fd, &rx);
	OPENSSL_cleanse(&rx, sizeof(rx));
	if (r) {
		fail_with_alert(k, ALERT_INTERNAL_ERROR, KEDGE_REASON_key_update_refused);
		return;
	}
	k->r.scratch->stats->key_updates++;
	if (requested)
		answer(k, TLS_CONTENT_HANDSHAKE, update, sizeof(update));
}

/* Half a KeyUpdate is no reason for new keys yet. */
static void read_on(struct record_ktls *k)
{
	if (ktls_same_rx(k->r.fd, k->suite) < 0)
		fail_with_alert(k, ALERT_INTERNAL_ERROR, KEDGE_REASON_key_update_refused);
}

/* What comes of it shows in the leg's state. */
static void on_control(struct record_ktls *k, uint8_t type, const uint8_t *bytes, size_t n)
{
	static const uint8_t refusal[] = {ALERT_LEVEL_WARNING, ALERT_NO_RENEGOTIATION};

	switch (control_record(&k->control, type, bytes, n)) {
	case CONTROL_GO_ON:
		if (k->traffic && k->control.message_len)
			read_on(k);
		break;
	case CONTROL_END:
		k->r.clean_end = k->ended = true;
		break;
	case CONTROL_UPDATE:
		follow_update(k, false);
		break;
	case CONTROL_UPDATE_ANSWER:
		follow_update(k, true);
		break;
	case CONTROL_REFUSE:
		answer(k, TLS_CONTENT_ALERT, refusal, sizeof(refusal));
		break;
	case CONTROL_FATAL:
		fail_with_alert(k, k->control.alert, k->control.reason);
		break;
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

/*
 * After a read that lasted. A client that sends nothing but empty or tiny records could hold the
 * worker in the kernel for as long as it likes, each time that it is read: what came since the last
 * such read, if that was a moment ago, tells.
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
		       ? fail_with_alert(k, ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_record_flood)
		       : 0;
}

/* One recvmsg(); a control record is there as a whole then, in *at, which is `buf` for data. */
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
		return fail_with_alert(k, k->control.alert, k->control.reason);
	/* The kernel looks for the next record as it gives one out, and signals it
	 * (net/tls/tls_strp.c, tls_strp_msg_done()). But if that is no data it is taken off TCP's
	 * queue at once, to wait in rx_list, and as poll() asks TCP whether something can be read
	 * (tls_sk_poll()), the signal is lost until more comes, were it only a FIN. */
	k->r.drained = k->r.look_again = n < len;
	return (ssize_t)n;
}

static ssize_t ktls_read(struct record *r, void *buf, size_t len)
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
		n = send_answer(k);
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
			return fail_from_errno(k, (int)n);
		if (type != TLS_CONTENT_DATA)
			on_control(k, type, at, (size_t)n);
		else if (n)
			return on_data(k, (size_t)n, len);
		else
			k->ended = true;
	}
	return -EINTR;
}

/* --- writing ---------------------------------------------------------------------------------- */

static ssize_t ktls_write(struct record *r, const void *buf, size_t len)
{
	struct record_ktls *k = (struct record_ktls *)r;
	ssize_t n;

	if (k->alerted)
		return -EPIPE;
	n = send_answer(k); /* RFC 8446 section 4.6.3: before any more data */
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
	return fail_from_errno(k, -errno);
}

/* What the kernel took it sends by itself. */
static int ktls_flush(struct record *r)
{
	return send_answer((struct record_ktls *)r);
}

/*
 * The kernel keeps encrypted records that the socket had no room for (net/tls/tls_sw.c, tx_list);
 * what is still there at the FIN is lost. So the alert waits until a third of the send buffer is
 * free: sending it pushes out what lies before it, which is one record at most.
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
		if (err == -EAGAIN || err == -EINTR)
			return -EAGAIN;
		if (err == -EPIPE) {
			r->reason = KEDGE_REASON_client_reset;
			return err;
		}
		if (err)
			return fail_from_errno(k, err);
		k->alerted = true;
	}
	k->shut = true;
	if (shutdown(r->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return -errno;
	return 0;
}

/* Records as long as the kernel reads them; after a fault the bytes as they come. */
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
