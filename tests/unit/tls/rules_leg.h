/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a leg of TLS after its handshake, in either record layer, whose client's records the
 * test seals itself, also such as no TLS library sends. A program runs its tests once for each
 * layer that there is: the kernel's if there is kernel TLS (see tests/guest/), otherwise kedge's
 * own and that of the fake kernel.
 */
#pragma once

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
static char zeros[RECORD_BYTES_MAX];
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
static inline bool ticket_arrived(struct leg *l)
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
static inline void resplit_finished(struct leg *l, size_t piece)
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
static inline void start_with(struct leg *l, bool tls13, size_t finished)
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

static inline void start(struct leg *l, bool tls13)
{
	start_with(l, tls13, 0);
}

static inline void stop(struct leg *l)
{
	record_free(l->record);
	peer_close(&l->peer);
	close(l->fd);
	ERR_clear_error();
}

static inline void client_sends(struct leg *l, const void *bytes, size_t n)
{
	assert_int_equal(send(l->peer.fd, bytes, n, MSG_NOSIGNAL), n);
	peer_wait(l->fd);
}

static inline void client_seals(struct leg *l, uint8_t type, const void *bytes, size_t n)
{
	static uint8_t rec[2 * RECORD_BYTES_MAX];

	client_sends(l, rec, (size_t)record_seal(&l->up, type, bytes, n, rec));
}

/* Opens the next record of the server; its type, or -1 when none is there, -2 at the end. */
static inline int client_opens(struct leg *l, uint8_t *plain, size_t *n)
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

static inline void expect_alert(struct leg *l, uint8_t level, uint8_t description)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	peer_wait(l->peer.fd);
	assert_int_equal(client_opens(l, got, &n), TLS_CONTENT_ALERT);
	assert_int_equal(n, 2);
	assert_int_equal(got[0], level);
	assert_int_equal(got[1], description);
}

static inline ssize_t read_some(struct leg *l)
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
static inline ssize_t read_next(struct leg *l)
{
	ssize_t n;

	while ((n = read_some(l)) == -EAGAIN)
		peer_wait(l->fd);
	return n;
}

/* Data passes both ways. */
static inline void goes_on(struct leg *l)
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

/* TCP ends in order, without a reset, even if the client goes on sending. */
static inline void ends_in_order(struct leg *l)
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

/* --- both rounds ------------------------------------------------------------------------------ */

static inline int set_up(void **state)
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
		    ?: tls_ctx_new(&ctx, &(struct tls_offer){.certs = &pair, .certs_count = 1},
				   &shared);
	shared.record = kernel ? POLICY_REQUIRE : POLICY_OFF;
	return r;
}

static inline int tear_down(void **state)
{
	tls_ctx_free(ctx);
	return 0;
}

/* Runs `tests` in each layer. The exit status. */
#define RUN_IN_EACH_LAYER(tests)                                                                 \
	({                                                                                       \
		int failed_ = 0;                                                                 \
                                                                                                 \
		ktls_probe(&caps);                                                               \
		kernel = !caps.ulp_err; /* user space is the same on every kernel */             \
		if (!kernel) {                                                                   \
			failed_ = cmocka_run_group_tests_name("user", tests, set_up, tear_down); \
			kernel = true;                                                           \
			fake_start();                                                            \
			ktls_probe(&caps);                                                       \
		}                                                                                \
		failed_ + cmocka_run_group_tests_name(fake.on ? "fake kernel" : "kernel", tests, \
						      set_up, tear_down);                        \
	})
