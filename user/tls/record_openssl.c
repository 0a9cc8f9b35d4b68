/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client leg when OpenSSL carries the records. One recv() takes many records, one send() sends
 * many, through the buffers that the records of a worker share.
 */
#include "tls/record_openssl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "base/check.h"
#include "base/cleanup.h"
#include "tls/control_record.h"
#include "tls/record_plain.h"

/* Plaintext of a record, and the most that header, nonce, type byte and tag add to it. */
#define PLAINTEXT_MAX   16384
#define RECORD_OVERHEAD 64

/* OpenSSL reports a received alert as 1000 + description. */
#define ALERT_REASON_BASE SSL_AD_REASON_OFFSET

/* SSL_R_RECORD_LAYER_FAILURE, which the headers have since OpenSSL 3.2. */
#define RECORD_LAYER_FAILURE 313

struct record_openssl {
	struct record r;
	SSL *ssl;
	struct wire wire;
	size_t out_limit; /* bytes of ciphertext made at a time: follows what the socket takes */
	int failed;       /* -errno that every read gives from now on, 0 while alive */
	bool ended, alerted, shut;
	uint8_t type;           /* of the last record, as its header has it */
	enum kedge_reason over; /* why nothing more is taken from the client; 0: more is */
	struct control control;
};

/*
 * An error that is left in this thread's queue would be taken for one of the next call. Looking
 * costs a fifth of clearing, and the queue is hardly ever filled.
 */
static void clear_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

static int fail(struct record_openssl *o, int err, enum kedge_reason reason)
{
	if (!o->failed) {
		o->r.reason = reason;
		o->r.told = err == -EPROTO; /* by OpenSSL */
		o->failed = err;
	}
	return o->failed;
}

static void on_update(struct record_openssl *o)
{
	if (control_update_allowed(&o->control)) {
		o->r.scratch->stats->key_updates++;
		return;
	}
	o->over = KEDGE_REASON_key_update_flood;
	wire_poison(&o->wire);
}

/* OpenSSL refuses a renegotiation with this warning, and goes on. */
static void on_refusal(struct record_openssl *o)
{
	if (control_renegotiation_allowed(&o->control))
		return;
	o->over = KEDGE_REASON_renegotiation;
	wire_stop(&o->wire);
}

/*
 * OpenSSL follows the rules of control_record.h by itself, and answers a KeyUpdate with the next
 * data that it writes. It has no limits, so they are here: one SSL_read() may process many records.
 */
static void on_message(int write, int version, int type, const void *buf, size_t len, SSL *ssl,
		       void *arg)
{
	struct record_openssl *o = arg;
	const uint8_t *bytes = buf;

	(void)version;
	(void)ssl;
	if (o->over || !len)
		return;
	if (!write && type == SSL3_RT_HEADER)
		o->type = bytes[0];
	if (!write && type == SSL3_RT_HANDSHAKE && bytes[0] == SSL3_MT_KEY_UPDATE)
		on_update(o);
	else if (write && type == SSL3_RT_ALERT && len == 2 && bytes[1] == ALERT_NO_RENEGOTIATION)
		on_refusal(o);
}

/*
 * OpenSSL refused a record: a bad one, or one that is not allowed here. Kernel records give the
 * same reasons.
 */
static enum kedge_reason reason_of_fault(const struct record_openssl *o, unsigned long err)
{
	switch (ERR_GET_REASON(err)) {
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
	case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
	case SSL_R_DATA_LENGTH_TOO_LONG:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_LENGTH_TOO_SHORT:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return KEDGE_REASON_record_bad;
	case SSL_R_BAD_RECORD_TYPE:
		/* Since OpenSSL 3.2 also of bytes that are no record. */
		if (o->type < SSL3_RT_CHANGE_CIPHER_SPEC || o->type > SSL3_RT_APPLICATION_DATA)
			return KEDGE_REASON_record_bad;
		return KEDGE_REASON_record_control;
	default:
		return ERR_GET_REASON(err) >= ALERT_REASON_BASE ? KEDGE_REASON_tls_client_alert
								: KEDGE_REASON_record_control;
	}
}

/*
 * The last error of SSL tells why. Since OpenSSL 3.2 another one follows it, which only says that
 * the record layer failed, and errors of a cipher may come before.
 */
static unsigned long cause_of_fault(void)
{
	unsigned long err, cause = 0;

	while ((err = ERR_get_error()))
		if (!cause || (ERR_GET_LIB(err) == ERR_LIB_SSL &&
			       ERR_GET_REASON(err) != RECORD_LAYER_FAILURE))
			cause = err;
	return cause;
}

/* After a failed SSL_read(): 0 for the end of the stream, or -errno. */
static int read_failure(struct record_openssl *o)
{
	int err = SSL_get_error(o->ssl, 0);

	if (o->over)
		return fail(o, -EPROTO, o->over);
	switch (err) {
	case SSL_ERROR_WANT_READ:
		return o->wire.spent ? -EINTR : -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		o->r.clean_end = o->ended = true;
		return 0;
	default:
		break;
	}
	if (o->wire.err)
		return fail(o, -ECONNRESET, KEDGE_REASON_client_reset);
	/* OpenSSL 3.5 does not call it ZERO_RETURN if an alert user_canceled came before. */
	if (ERR_peek_error() == 0 && (SSL_get_shutdown(o->ssl) & SSL_RECEIVED_SHUTDOWN)) {
		o->r.clean_end = o->ended = true;
		return 0;
	}
	if (ERR_peek_error() == 0 && o->wire.eof) {
		o->ended = true;
		return 0;
	}
	return fail(o, -EPROTO, reason_of_fault(o, cause_of_fault()));
}

/*
 * Is there anything to read? OpenSSL would take longer to find out that there is not. 1: yes;
 * otherwise as read_failure().
 */
static int anything(struct record_openssl *o)
{
	int r = SSL_has_pending(o->ssl) ? 1 : wire_fill(&o->wire);

	if (r == -ECONNRESET)
		return fail(o, r, KEDGE_REASON_client_reset);
	if (r == 0)
		o->ended = true;
	return r;
}

#ifdef KEDGE_CHECKS
static void openssl_check(const struct record_openssl *o)
{
	CHECK(o, o->ssl && o->wire.scratch == o->r.scratch && o->wire.fd == o->r.fd);
	CHECK(o, o->failed <= 0);
	CHECK_IF(o, o->failed, o->r.reason != KEDGE_REASON_NONE);
	CHECK_IF(o, o->r.told, o->failed == -EPROTO);
	CHECK_IF(o, o->shut, o->alerted);
	CHECK_IF(o, o->r.clean_end, o->ended);
	CHECK_IF(o, o->r.drained, !o->ended && !o->failed && !o->wire.in_len);
	CHECK(o, o->over < KEDGE_REASON_COUNT);
	/* Room for one record at least, and no more than there is. */
	CHECK(o, o->out_limit >= PLAINTEXT_MAX + RECORD_OVERHEAD);
	CHECK(o, o->out_limit <= o->r.scratch->out_size);
	wire_check(&o->wire);
}
#endif

static ssize_t openssl_read(struct record *r, void *buf, size_t len)
{
	struct record_openssl *o = (struct record_openssl *)r;
	uint8_t *out = buf;
	size_t done = 0, n;
	int err;

	if (o->failed || o->ended || !len)
		return o->failed;
	wire_begin(&o->wire);
	err = anything(o);
	while (err == 1 && done < len) {
		clear_errors();
		if (SSL_read_ex(o->ssl, out + done, len - done, &n) != 1) {
			err = read_failure(o);
			clear_errors();
			break;
		}
		done += n;
		/* There is data for the caller. The next recv() is for the next call. */
		o->wire.hold = true;
		if (!o->wire.in_len && !SSL_has_pending(o->ssl))
			break;
	}
	r->tired = o->wire.spent; /* many records take long, however little is in them */
	/* The end of the stream has had its edge. */
	r->drained = o->wire.drained && !o->wire.in_len && !SSL_has_pending(o->ssl) && !o->ended &&
		     !o->failed;
	(void)wire_end(&o->wire); /* a failure shows at the next call */
	(void)control_data(&o->control, done);
	CHECKED(openssl_check(o));
	return done ? (ssize_t)done : err;
}

/* For a slow client, no more ciphertext is made than its socket takes at a time. */
static void adapt_limit(struct record_openssl *o, int sent)
{
	const size_t full = o->r.scratch->out_size;

	if (sent == -EAGAIN)
		o->out_limit = PLAINTEXT_MAX + RECORD_OVERHEAD;
	else
		o->out_limit = o->out_limit > full / 2 ? full : o->out_limit * 2;
}

static int write_failure(struct record_openssl *o, int err)
{
	if (err == -EAGAIN)
		return err;
	if (o->wire.err == EPIPE) {
		o->r.reason = KEDGE_REASON_client_reset;
		return -EPIPE;
	}
	return o->wire.err ? fail(o, -ECONNRESET, KEDGE_REASON_client_reset)
			   : fail(o, -EPROTO, KEDGE_REASON_record_bad);
}

/* Encrypts what fits the limit and sends it at once. How many bytes of buf, or -errno. */
static ssize_t write_gathered(struct record_openssl *o, const uint8_t *buf, size_t len, int *sent)
{
	size_t done = 0, room, n;

	wire_begin(&o->wire);
	while (done < len && o->wire.out_len + RECORD_OVERHEAD < o->out_limit) {
		room = o->out_limit - o->wire.out_len - RECORD_OVERHEAD;
		n = len - done;
		if (n > PLAINTEXT_MAX)
			n = PLAINTEXT_MAX;
		if (n > room)
			n = room;
		clear_errors();
		if (SSL_write_ex(o->ssl, buf + done, n, &n) != 1) {
			clear_errors();
			break;
		}
		done += n;
	}
	*sent = wire_end(&o->wire);
	return done ? (ssize_t)done : -EPROTO;
}

static ssize_t openssl_write(struct record *r, const void *buf, size_t len)
{
	struct record_openssl *o = (struct record_openssl *)r;
	size_t done = 0;
	ssize_t n;
	int err;

	if (o->alerted || r->told)
		return -EPIPE;
	err = wire_flush(&o->wire);
	while (!err && done < len) {
		n = write_gathered(o, (const uint8_t *)buf + done, len - done, &err);
		if (n < 0)
			return write_failure(o, (int)n);
		done += (size_t)n;
		control_data_sent(&o->control, (size_t)n);
		if (!err || err == -EAGAIN)
			adapt_limit(o, err);
	}
	if (err && err != -EAGAIN)
		return write_failure(o, err);
	CHECKED(openssl_check(o));
	return done || !len ? (ssize_t)done : -EAGAIN;
}

static int openssl_flush(struct record *r)
{
	struct record_openssl *o = (struct record_openssl *)r;
	int err = wire_flush(&o->wire);

	return err ? write_failure(o, err) : 0;
}

static int openssl_close_write(struct record *r)
{
	struct record_openssl *o = (struct record_openssl *)r;
	int err = 0;

	if (o->shut)
		return 0;
	if (!o->alerted) {
		wire_begin(&o->wire);
		clear_errors();
		(void)SSL_shutdown(o->ssl); /* sends nothing after a fatal alert */
		clear_errors();
		o->alerted = true;
		err = wire_end(&o->wire);
	} else {
		err = wire_flush(&o->wire);
	}
	if (err)
		return write_failure(o, err);
	o->shut = true;
	if (shutdown(r->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return -errno;
	return 0;
}

/* No need to decrypt what is dropped. */
static ssize_t openssl_drain(struct record *r, void *buf, size_t len)
{
	return record_socket_drain(r->fd, buf, len);
}

static void openssl_free(struct record *r)
{
	struct record_openssl *o = (struct record_openssl *)r;

	SSL_set_quiet_shutdown(o->ssl, 1);
	SSL_free(o->ssl);
	wire_reset(&o->wire);
	free(o);
}

static const struct record_ops openssl_ops = {
	.name = "user",
	.read = openssl_read,
	.write = openssl_write,
	.flush = openssl_flush,
	.close_write = openssl_close_write,
	.drain = openssl_drain,
	.free = openssl_free,
};

/*
 * Bytes of the tag, and of the explicit nonce of AES-GCM: RFC 5288 section 3, RFC 7905 section 2.
 */
static uint8_t shortest_record12(const SSL *ssl)
{
	return SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl)) == NID_chacha20_poly1305 ? 16
											       : 24;
}

struct record *record_openssl_new(SSL **ssl, struct wire *wire)
{
	struct record_openssl *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->r = (struct record){.ops = &openssl_ops, .scratch = wire->scratch, .fd = wire->fd};
	o->out_limit = wire->scratch->out_size;
	o->control.tls13 = SSL_version(*ssl) == TLS1_3_VERSION;
	o->ssl = take_ptr(*ssl);
	wire_move(&o->wire, wire, SSL_get_rbio(o->ssl));
	o->wire.exact = false;
	if (!o->control.tls13)
		wire_expect(&o->wire, shortest_record12(o->ssl));
	SSL_set_msg_callback(o->ssl, on_message);
	SSL_set_msg_callback_arg(o->ssl, o);
	return &o->r;
}
