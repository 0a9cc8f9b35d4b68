/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which records a client may send after the handshake, and what the others lead to: RFC 8446
 * sections 4.6.3, 5 and 6, RFC 5246 sections 6.2 and 7.2. One table for both record layers: the
 * kernel's if there is kernel TLS (see tests/guest/), otherwise kedge's own and those of the fake
 * kernel. The test seals the client's records itself, also such as no TLS library sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "tests/unit/tls/fake_ktls.h"
#include "tests/unit/tls/fill.h"
#include "tls/control_record.h"
#include "tls/ktls_probe.h"
#include "tls/tls.h"
#include "tls/tls_handoff.h"
#include "tls/tls_types.h"
#include "tests/lib/tls_peer.h"
#include "tests/lib/tls_records.h"

#define BUF_SIZE 65536

static struct ktls_caps caps;
static struct tls_shared shared;
static struct tls_ctx *ctx;
static bool kernel; /* this round's records are the kernel's */

static struct kedge_stats stats;
static uint8_t in[BUF_SIZE], out[BUF_SIZE];
static struct record_scratch scratch = {
	.in = in, .out = out, .in_size = sizeof(in), .out_size = sizeof(out), .stats = &stats};

/* --- a leg after its handshake ---------------------------------------------------------------- */

struct leg {
	struct peer peer;
	struct tls_conn *tls;
	struct record *record;
	int fd;
	bool tls13;
	union ktls_crypto up, down; /* client to server, server to client */
};

/* The ticket of TLS 1.3 comes after the server's last step. */
static bool ticket_arrived(struct leg *l)
{
	uint8_t byte;

	if (!l->tls13)
		return true;
	peer_receive(&l->peer);
	(void)SSL_read(l->peer.ssl, &byte, 1);
	ERR_clear_error();
	return SSL_SESSION_is_resumable(SSL_get_session(l->peer.ssl));
}

/* The client's Finished, opened and sealed again in records of `piece` bytes. */
static void resplit_finished(struct leg *l, size_t piece)
{
	uint8_t plain[100], rec[200], type, *flight, *at;
	long left = BIO_get_mem_data(l->peer.out, &flight);
	union ktls_crypto keys, unused;
	enum kedge_reason reason;
	int n;

	/* Up to the ChangeCipherSpec and with it: then the server has its keys. */
	for (at = flight; at[0] != TLS_CONTENT_CCS; at += 5 + (at[3] << 8 | at[4]))
		;
	at += 6;
	left -= at - flight;
	assert_int_equal(send(l->peer.fd, flight, (size_t)(at - flight), 0), at - flight);
	peer_wait(l->fd);
	assert_int_equal(tls_handshake(l->tls, &reason), TLS_WANT_READ);
	assert_int_equal(keys_derive(l->tls->ssl, &l->tls->watch, &unused, &keys), 0);
	l->up = keys;
	n = record_open(&keys, at, (size_t)left, plain, &type);
	assert_int_equal(n, 16);
	assert_int_equal(type, TLS_CONTENT_HANDSHAKE);
	for (int done = 0; done < n; done += (int)piece) {
		size_t some = piece < (size_t)(n - done) ? piece : (size_t)(n - done);
		int len = record_seal(&l->up, TLS_CONTENT_HANDSHAKE, plain + done, some, rec);

		assert_int_equal(send(l->peer.fd, rec, (size_t)len, 0), len);
	}
	(void)BIO_reset(l->peer.out);
}

/* finished: bytes of the client's Finished in one record (TLS 1.2); 0: all */
static void start_with(struct leg *l, bool tls13, size_t finished)
{
	const struct peer_opts opts = {.version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION};
	enum tls_step step = TLS_WANT_READ;
	enum kedge_reason reason;
	struct tls_facts facts;
	int ends[2], client = 0;

	ERR_clear_error();
	peer_pair(ends);
	*l = (struct leg){.fd = ends[1], .tls13 = tls13};
	peer_open(&l->peer, ends[0], &opts);
	l->tls = tls_conn_new(ctx, l->fd, &scratch);
	while (client != 1 || step != TLS_DONE) {
		client = SSL_do_handshake(l->peer.ssl);
		if (finished && SSL_get_state(l->peer.ssl) == TLS_ST_CW_FINISHED) {
			resplit_finished(l, finished);
			finished = 0;
		}
		peer_send(&l->peer, 0, NULL, NULL);
		if (step != TLS_DONE)
			step = tls_handshake(l->tls, &reason);
		assert_int_not_equal(step, TLS_FAILED);
		if (!peer_receive(&l->peer) && (client != 1 || step != TLS_DONE))
			peer_wait_any(l->peer.fd, l->fd);
	}
	assert_int_equal(finished, 0);
	while (!ticket_arrived(l))
		peer_wait(l->peer.fd);
	assert_int_equal(keys_derive(l->tls->ssl, &l->tls->watch, &l->down, &l->up), 0);
	assert_int_equal(tls_into_record(&l->tls, &l->record, &facts, &reason), 0);
	assert_int_equal(facts.kernel, kernel);
}

static void start(struct leg *l, bool tls13)
{
	start_with(l, tls13, 0);
}

static void stop(struct leg *l)
{
	record_free(l->record);
	peer_close(&l->peer);
	close(l->fd);
	ERR_clear_error();
}

static void client_sends(struct leg *l, const void *bytes, size_t n)
{
	assert_int_equal(send(l->peer.fd, bytes, n, MSG_NOSIGNAL), n);
	peer_wait(l->fd);
}

static void client_seals(struct leg *l, uint8_t type, const void *bytes, size_t n)
{
	static uint8_t rec[2 * RECORD_BYTES_MAX];

	client_sends(l, rec, (size_t)record_seal(&l->up, type, bytes, n, rec));
}

/* Opens the next record of the server; its type, or -1 when none is there, -2 at the end. */
static int client_opens(struct leg *l, uint8_t *plain, size_t *n)
{
	static uint8_t rec[RECORD_BYTES_MAX];
	uint8_t type;
	ssize_t r = recv(l->peer.fd, rec, 5, MSG_PEEK);
	size_t len;

	if (r <= 0)
		return r == 0 ? -2 : -1;
	assert_int_equal(r, 5);
	len = 5 + (size_t)(rec[3] << 8 | rec[4]);
	assert_int_equal(recv(l->peer.fd, rec, len, 0), len);
	r = record_open(&l->down, rec, len, plain, &type);
	assert_true(r >= 0);
	*n = (size_t)r;
	return type;
}

static void expect_alert(struct leg *l, uint8_t level, uint8_t description)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	peer_wait(l->peer.fd);
	assert_int_equal(client_opens(l, got, &n), TLS_CONTENT_ALERT);
	assert_int_equal(n, 2);
	assert_int_equal(got[0], level);
	assert_int_equal(got[1], description);
}

static ssize_t read_some(struct leg *l)
{
	static uint8_t buf[BUF_SIZE];
	ssize_t n;

	do
		n = record_read(l->record, buf, sizeof(buf));
	while (n == -EINTR);
	assert_int_equal(ERR_peek_error(), 0);
	return n;
}

/* As read_some(), but waits for what was sent. */
static ssize_t read_next(struct leg *l)
{
	ssize_t n;

	while ((n = read_some(l)) == -EAGAIN)
		peer_wait(l->fd);
	return n;
}

/* Data passes both ways. */
static void goes_on(struct leg *l)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	client_seals(l, TLS_CONTENT_DATA, "ping", 4);
	assert_int_equal(read_next(l), 4);
	assert_int_equal(record_write(l->record, "pong!", 5), 5);
	peer_wait(l->peer.fd);
	assert_int_equal(client_opens(l, got, &n), TLS_CONTENT_DATA);
	assert_int_equal(n, 5);
}

/* --- the table -------------------------------------------------------------------------------- */

enum how {
	NOTHING,
	SEALED,  /* a record of this type */
	CLEAR,   /* bytes as they are */
	DAMAGED, /* a record with one bit of its tag turned */
	VERSION, /* a record with version 3.4 in its header */
};

struct input {
	enum how how;
	uint8_t type;
	const char *bytes;
	size_t n;
};

#define ALERT(text)                                               \
	{                                                         \
		SEALED, TLS_CONTENT_ALERT, text, sizeof(text) - 1 \
	}
#define HANDSHAKE(text)                                               \
	{                                                             \
		SEALED, TLS_CONTENT_HANDSHAKE, text, sizeof(text) - 1 \
	}
#define DATA(text)                                               \
	{                                                        \
		SEALED, TLS_CONTENT_DATA, text, sizeof(text) - 1 \
	}
#define BYTES(text)                              \
	{                                        \
		CLEAR, 0, text, sizeof(text) - 1 \
	}
/* What TLS 1.3 calls the inner plaintext: content, type, padding. */
#define INNER(text)                               \
	{                                         \
		SEALED, 0, text, sizeof(text) - 1 \
	}

#define V12       1
#define V13       2
#define USER_ONLY 8 /* the kernel waits for more */

enum outcome { GO_ON, END, FATAL };

#define GOES_ON             .outcome = GO_ON, .alert = ALERT_NONE
#define WARNED(description) .outcome = GO_ON, .alert = (description)
#define ENDS                .outcome = END
#define DIES(description, why) \
	.outcome = FATAL, .alert = (description), .reason = KEDGE_REASON_##why

static char zeros[RECORD_BYTES_MAX];

static const struct rule {
	const char *text;
	unsigned versions;
	struct input in[4];
	enum outcome outcome;
	uint8_t alert; /* with FATAL; with GO_ON a warning, unless ALERT_NONE */
	enum kedge_reason reason;
} rules[] = {
	/* RFC 8446 section 6: alerts */
	{"close_notify", V12 | V13, {ALERT("\1\0")}, ENDS},
	{"close_notify, fatal", V13, {ALERT("\2\0")}, ENDS},
	{"user_canceled", V12 | V13, {ALERT("\1\132")}, GOES_ON},
	{"user_canceled, fatal", V13, {ALERT("\2\132")}, GOES_ON},
	{"user_canceled, then the end", V12 | V13, {ALERT("\1\132"), ALERT("\1\0")}, ENDS},
	{"fatal alert", V12 | V13, {ALERT("\2\60")}, DIES(ALERT_NONE, tls_client_alert)},
	{"unknown fatal alert", V12 | V13, {ALERT("\2\310")}, DIES(ALERT_NONE, tls_client_alert)},
	{"error alert of level warning", V13, {ALERT("\1\60")}, DIES(ALERT_NONE, tls_client_alert)},
	{"unknown alert of level warning",
	 V13,
	 {ALERT("\1\310")},
	 DIES(ALERT_NONE, tls_client_alert)},
	{"warning", V12, {ALERT("\1\60")}, GOES_ON},
	{"warning no_renegotiation", V12, {ALERT("\1\144")}, DIES(40, record_control)},
	{"alert of level 3", V12, {ALERT("\3\60")}, DIES(47, record_control)},
	{"alert of no bytes", V12 | V13, {ALERT("")}, DIES(10, record_control)},
	{"alert in two records", V12 | V13, {ALERT("\1"), ALERT("\0")}, DIES(10, record_control)},
	{"alert of three bytes", V12 | V13, {ALERT("\1\0\0")}, DIES(10, record_control)},
	{"two alerts in a record", V12 | V13, {ALERT("\1\132\1\0")}, DIES(10, record_control)},

	/* RFC 8446 section 4.6.3: what stands for any KeyUpdate where the kernel takes no keys is
	 * in a test of its own */
	{"KeyUpdate of value 2", V13, {HANDSHAKE("\30\0\0\1\2")}, DIES(47, record_control)},
	{"KeyUpdate of value 255", V13, {HANDSHAKE("\30\0\0\1\377")}, DIES(47, record_control)},
	{"KeyUpdate without a value", V13, {HANDSHAKE("\30\0\0\0")}, DIES(50, record_control)},
	{"KeyUpdate of two bytes", V13, {HANDSHAKE("\30\0\0\2\0\0")}, DIES(50, record_control)},
	{"huge KeyUpdate", V13, {HANDSHAKE("\30\1\0\1\0")}, DIES(50, record_control)},
	{"two KeyUpdates in a record",
	 V13,
	 {HANDSHAKE("\30\0\0\1\0\30\0\0\1\0")},
	 DIES(10, record_control)},
	{"KeyUpdate and a byte", V13, {HANDSHAKE("\30\0\0\1\0\0")}, DIES(10, record_control)},
	{"KeyUpdate", V12, {HANDSHAKE("\30\0\0\1\0")}, DIES(10, record_control)},
	/* RFC 8446 section 5.1: nothing between the parts of a message */
	{"data in a KeyUpdate", V13, {HANDSHAKE("\30\0"), DATA("x")}, DIES(10, record_control)},
	{"an alert in a KeyUpdate",
	 V13,
	 {HANDSHAKE("\30\0\0\1"), ALERT("\1\0")},
	 DIES(10, record_control)},

	/* other handshake messages, answered as soon as they are one */
	{"handshake of no bytes", V13, {HANDSHAKE("")}, DIES(10, record_control)},
	{"ClientHello", V13, {HANDSHAKE("\1\0\0\1\0")}, DIES(10, record_control)},
	{"empty ClientHello", V13, {HANDSHAKE("\1\0\0\0")}, DIES(10, record_control)},
	{"NewSessionTicket", V13, {HANDSHAKE("\4\0\0\0\0\0\0\0")}, DIES(10, record_control)},
	{"Certificate", V12 | V13, {HANDSHAKE("\13\0\0\4\0\0\0\0")}, DIES(10, record_control)},
	{"Finished again", V12 | V13, {HANDSHAKE("\24\0\0\0")}, DIES(10, record_control)},
	{"message of no known type",
	 V12 | V13,
	 {HANDSHAKE("\143\0\0\0")},
	 DIES(10, record_control)},
	{"HelloRequest", V12, {HANDSHAKE("\0\0\0\0")}, DIES(10, record_control)},

	/* RFC 5246 section 7.2.2: a renegotiation is refused, and the connection goes on */
	{"ClientHello", V12, {HANDSHAKE("\1\0\0\4abcd")}, WARNED(100)},
	{"empty ClientHello", V12, {HANDSHAKE("\1\0\0\0")}, WARNED(100)},
	{"ClientHello, its header in two records",
	 V12,
	 {HANDSHAKE("\1\0"), HANDSHAKE("\0\2ab")},
	 WARNED(100)},
	{"ClientHello in three records",
	 V12,
	 {HANDSHAKE("\1\0\1\0abcd"), {SEALED, TLS_CONTENT_HANDSHAKE, zeros, 251}, HANDSHAKE("x")},
	 WARNED(100)},
	{"data between a header's halves",
	 V12,
	 {HANDSHAKE("\1\0"), DATA("x"), HANDSHAKE("\0\2ab")},
	 WARNED(100)},
	{"data in a ClientHello",
	 V12,
	 {HANDSHAKE("\1\0\0\7ab"), DATA("x")},
	 DIES(10, record_control)},
	{"huge ClientHello", V12, {HANDSHAKE("\1\2\1\105a")}, DIES(47, record_control)},

	/* other types; RFC 8446 section 5: a ChangeCipherSpec only before the client's Finished */
	{"ChangeCipherSpec", V13, {BYTES("\24\3\3\0\1\1")}, DIES(10, record_control)},
	{"encrypted ChangeCipherSpec",
	 V12 | V13,
	 {{SEALED, 20, "\1", 1}},
	 DIES(10, record_control)},
	{"heartbeat", V12 | V13, {{SEALED, 24, "\1\0\4abcd", 7}}, DIES(10, record_control)},
	{"type 99", V12 | V13, {{SEALED, 99, "x", 1}}, DIES(10, record_control)},
	{"alert that is not encrypted", V13, {BYTES("\25\3\3\0\2\1\0")}, DIES(10, record_control)},
	{"handshake that is not encrypted",
	 V13,
	 {BYTES("\26\3\3\0\5\30\0\0\1\0")},
	 DIES(10, record_control)},
	{"outer type other than data",
	 V13,
	 {BYTES("\26\3\3\0\40 thirty-two bytes of nonsense...")},
	 DIES(10, record_control)},

	/* RFC 8446 sections 5.2 and 5.4: records */
	{"wrong MAC", V12 | V13, {{DAMAGED, TLS_CONTENT_DATA, "x", 1}}, DIES(20, record_bad)},
	{"wrong MAC of an alert",
	 V12 | V13,
	 {{DAMAGED, TLS_CONTENT_ALERT, "\1\0", 2}},
	 DIES(20, record_bad)},
	{"record shorter than a tag", V13, {BYTES("\27\3\3\0\4abcd")}, DIES(20, record_bad)},
	{"record of no bytes", V13, {BYTES("\27\3\3\0\0")}, DIES(20, record_bad)},
	/* The kernel looks at a header of TLS 1.2 once as many bytes
	 * as a nonce has are behind it. */
	{"record of no bytes", V12, {BYTES("\27\3\3\0\0abcdefgh")}, DIES(20, record_bad)},
	{"record shorter than a nonce", V12, {BYTES("\27\3\3\0\4abcdefgh")}, DIES(20, record_bad)},
	{"alert of no bytes, not even a tag",
	 V12,
	 {BYTES("\25\3\3\0\0abcdefgh")},
	 DIES(20, record_bad)},
	{"nothing but a nonce", V12, {BYTES("\27\3\3\0\10abcdefgh")}, DIES(20, record_bad)},
	{"a nonce and a tag that lacks a byte",
	 V12,
	 {BYTES("\27\3\3\0\27abcdefghijklmnopqrstuvw")},
	 DIES(20, record_bad)},
	{"too short, its header in two pieces",
	 V12 | USER_ONLY,
	 {BYTES("\27\3\3\0"), BYTES("\10abcdefgh")},
	 DIES(20, record_bad)},
	{"padding and no type", V13, {INNER("\0\0\0\0")}, DIES(10, record_control)},
	{"neither content nor type", V13, {INNER("")}, DIES(10, record_control)},
	{"padded alert", V13, {INNER("\1\132\25\0\0\0")}, GOES_ON},
	{"padded end", V13, {INNER("\1\0\25\0\0\0")}, ENDS},
	{"16385 bytes of data",
	 V12 | V13,
	 {{SEALED, TLS_CONTENT_DATA, zeros, 16385}},
	 DIES(22, record_bad)},
	{"length above all limits",
	 V12 | V13,
	 {BYTES("\27\3\3\377\377abcdefghijkl")},
	 DIES(22, record_bad)},
	{"plain HTTP", V12, {BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}, DIES(70, record_bad)},
	{"plain HTTP", V13, {BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}, DIES(70, record_bad)},

	/* an empty record of data is no end */
	{"empty data", V12 | V13, {DATA(""), DATA(""), DATA("")}, GOES_ON},
	{"data of nothing but padding", V13, {INNER("\27\0\0\0\0\0")}, GOES_ON},
	{"most padding", V13, {INNER("\27\0\0\0"), DATA("")}, GOES_ON},
};

static void put(struct leg *l, const struct input *i)
{
	static uint8_t rec[2 * RECORD_BYTES_MAX];
	size_t len = i->n;

	if (i->how == CLEAR)
		memcpy(rec, i->bytes, len);
	else if (i->how == SEALED && !i->type && i->n) /* its last byte is sealed as the type */
		len = (size_t)record_seal(&l->up, (uint8_t)i->bytes[i->n - 1], i->bytes, i->n - 1,
					  rec);
	else
		len = (size_t)record_seal(&l->up, i->type, i->bytes, i->n, rec);
	if (i->how == DAMAGED)
		rec[len - 1] ^= 1;
	client_sends(l, rec, len);
}

/* TCP ends in order, without a reset, even if the client goes on sending. */
static void ends_in_order(struct leg *l)
{
	static uint8_t buf[BUF_SIZE];
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;
	ssize_t r;

	assert_true(l->record->told);
	assert_int_equal(read_some(l), -EPROTO);
	assert_int_equal(record_write(l->record, "x", 1), -EPIPE);
	shutdown(l->fd, SHUT_WR);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(send(l->peer.fd, zeros, 10000, MSG_NOSIGNAL), 10000);
		r = record_drain(l->record, buf, sizeof(buf));
		assert_true(r > 0 || r == -EAGAIN);
	}
	shutdown(l->peer.fd, SHUT_WR);
	do {
		r = record_drain(l->record, buf, sizeof(buf));
		if (r == -EAGAIN)
			poll(NULL, 0, 1);
	} while (r > 0 || r == -EAGAIN);
	assert_int_equal(r, 0);
	close(l->fd);
	l->fd = dup(0);
	assert_int_equal(client_opens(l, got, &n), -2);
}

static void judge(struct leg *l, const struct rule *rule)
{
	const uint8_t alert = rule->alert;
	ssize_t n = -EAGAIN;

	for (size_t i = 0; i < 4 && rule->in[i].how; i++) {
		put(l, &rule->in[i]);
		n = read_some(l);
		/* It was refused already: nothing more comes. */
		if (n < 0 && n != -EAGAIN)
			break;
	}
	switch (rule->outcome) {
	case GO_ON:
		assert_true(n == -EAGAIN || n > 0);
		if (alert != ALERT_NONE)
			expect_alert(l, 1, alert);
		goes_on(l);
		break;
	case END:
		assert_int_equal(read_next(l), 0);
		assert_true(l->record->clean_end);
		break;
	case FATAL:
		assert_int_equal(read_next(l), -EPROTO);
		assert_int_equal(l->record->reason, rule->reason);
		if (alert != ALERT_NONE)
			expect_alert(l, 2, alert);
		ends_in_order(l);
		break;
	}
}

static void every_rule(void **state)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		for (int tls13 = 0; tls13 < 2; tls13++) {
			struct leg l;

			if (!(rules[i].versions & (tls13 ? V13 : V12)) ||
			    (rules[i].versions & (kernel ? USER_ONLY : 0)))
				continue;
			if (getenv("RULES"))
				print_message("TLS 1.%d, %s\n", 2 + tls13, rules[i].text);
			start(&l, tls13);
			judge(&l, &rules[i]);
			stop(&l);
			/* The same behind data. An emulated machine is too slow for both. */
			if (kernel)
				continue;
			start(&l, tls13);
			goes_on(&l);
			judge(&l, &rules[i]);
			stop(&l);
		}
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void warnings_have_a_limit(void **state)
{
	for (int tls13 = 0; tls13 < 2; tls13++) {
		struct leg l;

		start(&l, tls13);
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < CONTROL_WARNINGS_MAX; i++) {
				client_seals(&l, TLS_CONTENT_ALERT, "\1\132", 2);
				assert_int_equal(read_some(&l), -EAGAIN);
			}
			goes_on(&l);
		}
		for (int i = 0; i <= CONTROL_WARNINGS_MAX; i++)
			client_seals(&l, TLS_CONTENT_ALERT, "\1\132", 2);
		assert_int_equal(read_next(&l), -EPROTO);
		expect_alert(&l, 2, 10);
		ends_in_order(&l);
		stop(&l);
	}
}

static void renegotiations_have_a_limit(void **state)
{
	for (int at_once = 0; at_once < 2; at_once++) {
		struct leg l;

		start(&l, false);
		for (int i = 0; i < CONTROL_RENEGOTIATIONS_MAX; i++) {
			client_seals(&l, TLS_CONTENT_HANDSHAKE, "\1\0\0\0", 4);
			if (at_once)
				continue;
			assert_int_equal(read_some(&l), -EAGAIN);
			expect_alert(&l, 1, 100);
			goes_on(&l);
		}
		for (int i = 0; i < 100; i++)
			client_seals(&l, TLS_CONTENT_HANDSHAKE, "\1\0\0\0", 4);
		assert_int_equal(read_next(&l), -EPROTO);
		assert_int_equal(l.record->reason, KEDGE_REASON_renegotiation);
		for (int i = at_once ? 0 : CONTROL_RENEGOTIATIONS_MAX;
		     i <= CONTROL_RENEGOTIATIONS_MAX; i++)
			expect_alert(&l, 1, 100);
		ends_in_order(&l);
		stop(&l);
	}
}

/* Reads of many records end, others have their turn, and the data behind them is found. */
static void a_read_has_a_budget(void **state)
{
	static uint8_t recs[200 * 100], buf[BUF_SIZE];
	size_t len = 0;
	struct leg l;
	ssize_t n;
	int again = 0, tired = 0;

	if (kernel)
		skip(); /* the kernel drops empty records by itself */
	start(&l, true);
	/* Every 31st has a byte: at most 32 empty ones in a row are taken. */
	for (int i = 0; i < 310; i++)
		len += (size_t)record_seal(&l.up, TLS_CONTENT_DATA, "x", i % 31 == 30, recs + len);
	client_sends(&l, recs, len);
	for (size_t got = 0; got < 10;) {
		n = record_read(l.record, buf, sizeof(buf));
		again += n == -EINTR || (n > 0 && !l.record->drained);
		tired += l.record->tired;
		assert_true(n > 0 || n == -EINTR || n == -EAGAIN);
		got += n > 0 ? (size_t)n : 0;
	}
	assert_true(again > 0);
	assert_int_equal(tired, 1);
	goes_on(&l);
	assert_false(l.record->tired);
	stop(&l);
}

static void empty_records_have_a_limit(void **state)
{
	struct leg l;
	ssize_t n;
	int count = 0;

	if (kernel)
		skip();
	start(&l, true);
	do {
		client_seals(&l, TLS_CONTENT_DATA, "", 0);
		n = read_some(&l);
	} while (n == -EAGAIN && ++count < 100);
	assert_int_equal(n, -EPROTO);
	assert_int_equal(l.record->reason, KEDGE_REASON_record_flood);
	expect_alert(&l, 2, 10);
	stop(&l);
}

/* How many turns the server wants for a handshake of these records before it fails. */
static int turns_of(const uint8_t *records, size_t len)
{
	enum tls_step step = TLS_WANT_READ;
	enum kedge_reason reason;
	struct leg l = {0};
	int ends[2], turns = 0;
	size_t sent = 0;

	peer_pair(ends);
	l.fd = ends[1];
	l.tls = tls_conn_new(ctx, l.fd, &scratch);
	while (step != TLS_FAILED) {
		ssize_t n = send(ends[0], records + sent, len - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		if (sent == len)
			shutdown(ends[0], SHUT_WR);
		if (step == TLS_WANT_READ)
			peer_wait(l.fd);
		step = tls_handshake(l.tls, &reason);
		turns += step == TLS_MORE;
	}
	tls_conn_free(l.tls);
	close(ends[0]);
	close(ends[1]);
	ERR_clear_error();
	return turns;
}

/* A hello that has no end, in records of one byte; warnings; empty records; ChangeCipherSpecs. */
static void a_handshake_has_a_budget(void **state)
{
	static const struct {
		const char *text;
		uint8_t record[8];
		size_t n;
		bool many; /* OpenSSL takes any number */
	} kinds[] = {
		{"hello in single bytes", {22, 3, 1, 0, 1, 1}, 6, true},
		{"warnings", {21, 3, 1, 0, 2, 1, 90}, 7, false},
		{"empty records", {22, 3, 1, 0, 0}, 5, false},
		{"ChangeCipherSpec", {20, 3, 3, 0, 1, 1}, 6, false},
	};
	enum { COUNT = 3000 };
	static uint8_t records[8 * COUNT];

	if (kernel)
		skip(); /* the handshake is the same with the kernel */
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int turns;

		for (size_t j = 0; j < COUNT; j++)
			memcpy(records + j * kinds[i].n, kinds[i].record, kinds[i].n);
		turns = turns_of(records, COUNT * kinds[i].n);
		if (getenv("RULES"))
			print_message("%s: %d turns\n", kinds[i].text, turns);
		if (kinds[i].many)
			assert_true(turns >= COUNT / RECORD_READ_RECORDS_MAX - 1);
		else
			assert_int_equal(turns, 0);
	}
}

/* --- KeyUpdates ------------------------------------------------------------------------------- */

static void skip_without_rekey(void)
{
	if (kernel && !caps.rekey)
		skip();
}

static void split_key_update_is_followed(void **state)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	skip_without_rekey();
	for (size_t piece = 1; piece <= 5; piece++) {
		struct leg l;

		start(&l, true);
		for (size_t at = 0; at < 5; at += piece)
			client_seals(&l, TLS_CONTENT_HANDSHAKE, &"\30\0\0\1\1"[at],
				     piece < 5 - at ? piece : 5 - at);
		assert_int_equal(read_some(&l), -EAGAIN);
		assert_int_equal(record_write(l.record, "pong!", 5), 5);
		peer_wait(l.peer.fd);
		assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_HANDSHAKE);
		assert_int_equal(n, 5);
		assert_memory_equal(got, "\30\0\0\1\0", 5);
		stop(&l);
	}
}

static void key_update_where_keys_stay_is_refused(void **state)
{
	struct leg l;

	if (!kernel || (caps.rekey && !fake.on))
		skip();
	fake.rekey = shared.caps.rekey = false;
	start(&l, true);
	client_seals(&l, TLS_CONTENT_HANDSHAKE, "\30\0\0\1\0", 5);
	assert_int_equal(read_next(&l), -EPROTO);
	assert_int_equal(l.record->reason, KEDGE_REASON_key_update_refused);
	expect_alert(&l, 2, 10);
	ends_in_order(&l);
	stop(&l);
	fake.rekey = shared.caps.rekey = caps.rekey;
}

/* The answer waits for room. Nothing is read before it is sent, and nothing is lost. */
static void key_update_in_a_full_socket(void **state)
{
	static uint8_t buf[BUF_SIZE];
	size_t sent, got = 0, n;
	struct leg l;
	ssize_t r;

	skip_without_rekey();
	start(&l, true);
	sent = fill_socket(l.record, zeros, 16000);
	for (int i = 0; i < 3; i++) {
		/* By the peer, which follows the keys. Its own have moved on by what was sealed: by
		 * nothing so far. */
		SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED);
		assert_int_equal(SSL_write_ex(l.peer.ssl, "ping", 4, &n), 1);
	}
	peer_send(&l.peer, 0, NULL, NULL);
	peer_wait(l.fd);
	r = read_some(&l);
	assert_int_equal(r, -EAGAIN);
	assert_true(l.record->answer_due);
	assert_int_equal(read_some(&l), -EAGAIN);
	for (size_t down = 0; down < sent;) {
		peer_receive(&l.peer);
		while (SSL_read_ex(l.peer.ssl, buf, sizeof(buf), &n) == 1)
			down += n;
		ERR_clear_error();
		(void)record_flush(l.record);
		r = read_some(&l);
		assert_true(r > 0 || r == -EAGAIN);
		got += r > 0 ? (size_t)r : 0;
	}
	while (got < 12) {
		(void)record_flush(l.record);
		r = read_some(&l);
		assert_true(r > 0 || r == -EAGAIN);
		got += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(got, 12);
	assert_false(l.record->answer_due);
	/* Both sides know the keys. */
	assert_int_equal(record_write(l.record, "pong!", 5), 5);
	do {
		peer_wait(l.peer.fd);
		peer_receive(&l.peer);
	} while (SSL_read_ex(l.peer.ssl, buf, sizeof(buf), &n) != 1);
	assert_int_equal(n, 5);
	stop(&l);
}

/* RFC 8446 section 6.1: behind our close_notify nothing is said, but the client may go on. */
static void after_our_end(void **state)
{
	struct leg l;
	size_t n;

	for (int tls13 = 0; tls13 < 2; tls13++) {
		if (tls13)
			skip_without_rekey();
		start(&l, tls13);
		assert_int_equal(record_close_write(l.record), 0);
		expect_alert(&l, 1, 0);
		for (int i = 0; i < 3; i++) {
			if (tls13) {
				SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED);
				assert_int_equal(SSL_write_ex(l.peer.ssl, "ping", 4, &n), 1);
				peer_send(&l.peer, 0, NULL, NULL);
				peer_wait(l.fd);
			} else {
				client_seals(&l, TLS_CONTENT_HANDSHAKE, "\1\0\0\0", 4);
				client_seals(&l, TLS_CONTENT_DATA, "ping", 4);
			}
			assert_int_equal(read_next(&l), 4);
			assert_int_equal(record_flush(l.record), 0);
		}
		stop(&l);
	}
}

/* A client that changes keys for every record of a download, until our keys have changed. */
static void key_updates_of_a_download(void **state)
{
	static uint8_t buf[BUF_SIZE];
	size_t n, down = 0, updates = 0;
	struct leg l;

	skip_without_rekey();
	start(&l, true);
	while (down < 3000000) {
		ssize_t r = record_write(l.record, zeros, 16384);

		assert_true(r > 0 || r == -EAGAIN);
		assert_int_not_equal(read_some(&l), -EPROTO);
		peer_receive(&l.peer);
		while (SSL_read_ex(l.peer.ssl, buf, 16384, &n) == 1) {
			down += n;
			if (down < 1048576)
				continue;
			SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED);
			SSL_do_handshake(l.peer.ssl);
			updates++;
		}
		ERR_clear_error();
		peer_send(&l.peer, 0, NULL, NULL);
		(void)record_flush(l.record);
	}
	assert_true(updates > 100);
	stop(&l);
}

/* --- TLS 1.2: a Finished in pieces ------------------------------------------------------------ */

static void finished_in_several_records(void **state)
{
	for (size_t piece = 1; piece <= 16; piece = piece * 3 + 1) {
		struct leg l;

		start_with(&l, false, piece);
		goes_on(&l);
		goes_on(&l);
		stop(&l);
	}
}

/* --- both rounds ------------------------------------------------------------------------------ */

static int set_up(void **state)
{
	const struct conf conf = {.record = POLICY_PREFER};
	static struct peer_cert files;
	static struct conf_cert pair = {.cert = files.cert, .key = files.key};
	struct ktls_caps all;
	int r;

	/* With these caps the keys are watched. Then the policy keeps the kernel out. */
	memset(&all, 1, sizeof(all));
	peer_cert_make(&files, "rules", PEER_EC, "rules.test", 10);
	r = tls_shared_init(&shared, &conf, kernel ? &caps : &all)
		    ?: tls_ctx_new(&ctx, &pair, 1, MODE_HTTP, &shared);
	shared.record = kernel ? POLICY_REQUIRE : POLICY_OFF;
	return r;
}

static int tear_down(void **state)
{
	tls_ctx_free(ctx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule),
		cmocka_unit_test(warnings_have_a_limit),
		cmocka_unit_test(renegotiations_have_a_limit),
		cmocka_unit_test(a_read_has_a_budget),
		cmocka_unit_test(empty_records_have_a_limit),
		cmocka_unit_test(a_handshake_has_a_budget),
		cmocka_unit_test(split_key_update_is_followed),
		cmocka_unit_test(key_update_where_keys_stay_is_refused),
		cmocka_unit_test(key_update_in_a_full_socket),
		cmocka_unit_test(key_updates_of_a_download),
		cmocka_unit_test(after_our_end),
		cmocka_unit_test(finished_in_several_records),
	};
	int failed;

	ktls_probe(&caps);
	kernel = !caps.ulp_err; /* user space is the same on every kernel */
	if (kernel)
		return cmocka_run_group_tests_name("kernel", tests, set_up, tear_down);
	failed = cmocka_run_group_tests_name("user", tests, set_up, tear_down);
	kernel = true;
	fake_start();
	ktls_probe(&caps);
	return failed + cmocka_run_group_tests_name("fake kernel", tests, set_up, tear_down);
}
