/*
 * The client leg when the kernel carries the records. What is left to do here are the records that
 * are not data: alerts and KeyUpdates.
 *
 * A leg that failed stays failed: the kernel reports some errors once and then -EAGAIN for ever.
 */
#include "record_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#define ALERT_WARNING 1
#define ALERT_FATAL   2

/* Alert descriptions, RFC 8446 section 6. */
#define ALERT_CLOSE_NOTIFY       0
#define ALERT_UNEXPECTED_MESSAGE 10
#define ALERT_INTERNAL_ERROR     80

#define KEY_UPDATE 24 /* handshake message type, RFC 8446 section 4.6.3 */

struct record_ktls {
	struct record r;
	int failed;         /* -errno that every read gives from now on, 0 while alive */
	bool ended;         /* the client's stream is over */
	bool alerted, shut; /* how far close_write got */
	uint8_t control[5]; /* of the control record that is being read: a KeyUpdate's size */
	uint8_t control_len;
	uint8_t control_type;
	struct record_updates updates;
	struct keys_traffic *traffic; /* NULL: KeyUpdates are not followed */
};

static int fail(struct record_ktls *k, int err, enum kedge_reason reason)
{
	k->r.reason = reason;
	k->failed = err;
	return err;
}

/* Fails the leg after telling the client why, if the socket will take that. */
static int fail_with_alert(struct record_ktls *k, uint8_t description, enum kedge_reason reason)
{
	const uint8_t alert[] = {ALERT_FATAL, description};

	if (!k->alerted && !k->shut)
		(void)ktls_send_control(k->r.fd, TLS_CONTENT_ALERT, alert, sizeof(alert));
	k->alerted = true;
	return fail(k, -EPROTO, reason);
}

static int fail_from_errno(struct record_ktls *k, int err)
{
	switch (-err) {
	case EBADMSG:
	case EINVAL:
	case EMSGSIZE:
	case EIO:
		return fail(k, -EPROTO, KEDGE_REASON_record_bad);
	case ENOMEM:
	case ENOBUFS:
		return fail(k, -ECONNRESET, KEDGE_REASON_no_memory);
	default:
		return fail(k, -ECONNRESET, KEDGE_REASON_client_reset);
	}
}

/* 1: the record is dealt with, read on; 0: the stream is over; or -errno. */
static int on_alert(struct record_ktls *k)
{
	const uint8_t level = k->control[0], description = k->control[1];

	if (description == ALERT_CLOSE_NOTIFY) {
		k->r.clean_end = k->ended = true;
		return 0;
	}
	if (level == ALERT_WARNING && record_update_allowed(&k->updates))
		return 1; /* user_canceled; TLS 1.2 has a few others */
	return fail(k, -EPROTO, KEDGE_REASON_tls_client_alert);
}

/*
 * Our direction's new keys, asked for by the client. Our KeyUpdate is the last record under the old
 * ones. It can not wait for room in the socket, since the client may send on without end: a client
 * that wants keys but reads nothing loses the leg.
 */
static int answer_update(struct record_ktls *k)
{
	static const uint8_t update[] = {KEY_UPDATE, 0, 0, 1, 0};
	union ktls_crypto tx = {0};
	int r;

	if (k->alerted)
		return 0; /* nothing will be sent any more */
	r = ktls_send_control(k->r.fd, TLS_CONTENT_HANDSHAKE, update, sizeof(update));
	if (!r)
		r = keys_next(k->traffic->suite, k->traffic->server, k->traffic->len, &tx);
	if (!r)
		r = ktls_rekey_tx(k->r.fd, &tx);
	OPENSSL_cleanse(&tx, sizeof(tx));
	return r;
}

static int follow_update(struct record_ktls *k, bool requested)
{
	union ktls_crypto rx = {0};
	int r = keys_next(k->traffic->suite, k->traffic->client, k->traffic->len, &rx);

	if (!r)
		r = ktls_rekey_rx(k->r.fd, &rx);
	OPENSSL_cleanse(&rx, sizeof(rx));
	if (!r && requested)
		r = answer_update(k);
	if (r)
		return fail_with_alert(k, ALERT_INTERNAL_ERROR, KEDGE_REASON_key_update_refused);
	k->r.scratch->stats->key_updates++;
	return 1;
}

static int on_handshake(struct record_ktls *k)
{
	static const uint8_t head[] = {KEY_UPDATE, 0, 0, 1};

	if (memcmp(k->control, head, sizeof(head)) || k->control[4] > 1)
		return fail_with_alert(k, ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_record_control);
	if (!record_update_allowed(&k->updates))
		return fail_with_alert(k, ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_key_update_flood);
	if (!k->traffic)
		return fail_with_alert(k, ALERT_UNEXPECTED_MESSAGE,
				       KEDGE_REASON_key_update_refused);
	return follow_update(k, k->control[4] == 1);
}

/* A piece of a control record; a caller with a tiny buffer gets it in several. As on_alert(). */
static int on_control(struct record_ktls *k, uint8_t type, const uint8_t *bytes, size_t n)
{
	const size_t want = type == TLS_CONTENT_ALERT ? 2 : sizeof(k->control);

	if ((type != TLS_CONTENT_ALERT && type != TLS_CONTENT_HANDSHAKE) || !n ||
	    n > want - k->control_len || (k->control_len && type != k->control_type))
		return fail_with_alert(k, ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_record_control);
	memcpy(k->control + k->control_len, bytes, n);
	k->control_len += (uint8_t)n;
	k->control_type = type;
	if (k->control_len < want)
		return 1;
	k->control_len = 0;
	return type == TLS_CONTENT_ALERT ? on_alert(k) : on_handshake(k);
}

static ssize_t ktls_read(struct record *r, void *buf, size_t len)
{
	struct record_ktls *k = (struct record_ktls *)r;
	uint8_t type;
	ssize_t n;

	r->look_again = false;
	for (;;) {
		if (k->failed)
			return k->failed;
		if (k->ended)
			return 0;
		n = ktls_recv(r->fd, buf, len, &type);
		if (n == -EAGAIN)
			return n;
		if (n == -EINTR)
			continue;
		if (n < 0)
			return fail_from_errno(k, (int)n);
		if (n == 0 && type == TLS_CONTENT_DATA) {
			k->ended = true;
			return 0;
		}
		if (type == TLS_CONTENT_DATA && !k->control_len) {
			k->updates.data_bytes += (size_t)n;
			/* The kernel looks for the next record as it gives one out, and signals
			 * it (net/tls/tls_strp.c, tls_strp_msg_done()). But if that is no data it
			 * is taken off TCP's queue at once, to wait in rx_list, and as poll()
			 * asks TCP whether something can be read (tls_sk_poll()), the signal is
			 * lost until more comes, were it only a FIN. */
			r->drained = r->look_again = (size_t)n < len;
			return n;
		}
		on_control(k, type, buf, (size_t)n);
	}
}

static ssize_t ktls_write(struct record *r, const void *buf, size_t len)
{
	struct record_ktls *k = (struct record_ktls *)r;
	ssize_t n;

	if (k->alerted)
		return -EPIPE;
	do
		n = send(r->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
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
	return 0;
}

/*
 * The kernel keeps encrypted records that the socket had no room for (net/tls/tls_sw.c, tx_list);
 * what is still there at the FIN is lost. So the alert waits until a third of the send buffer is
 * free: sending it pushes out what lies before it, which is one record at most.
 */
static int ktls_close_write(struct record *r)
{
	static const uint8_t close_notify[] = {ALERT_WARNING, ALERT_CLOSE_NOTIFY};
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
	.free = ktls_free,
};

struct record *record_ktls_new(int fd, struct record_scratch *scratch,
			       const struct keys_traffic *traffic)
{
	struct record_ktls *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->r = (struct record){.ops = &ktls_ops, .scratch = scratch, .fd = fd};
	if (traffic) {
		k->traffic = OPENSSL_memdup(traffic, sizeof(*traffic));
		if (!k->traffic) {
			free(k);
			return NULL;
		}
	}
	return &k->r;
}
