/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: one connection of tls.h, with OpenSSL's own client in the same thread. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <unistd.h>

#include <openssl/err.h>

#include "tests/lib/tls_peer.h"
#include "tls/tls.h"

static struct kedge_stats stats;
static uint8_t scratch_in[65536], scratch_out[65536];
static struct record_scratch scratch = {.in = scratch_in,
					.out = scratch_out,
					.in_size = sizeof(scratch_in),
					.out_size = sizeof(scratch_out),
					.stats = &stats};

struct conn {
	struct peer peer;
	struct tls_conn *tls;
	int fd;
	enum tls_step step;
	enum kedge_reason reason;
};

static inline void step(void *arg)
{
	struct conn *c = arg;

	if (c->step == TLS_WANT_READ || c->step == TLS_WANT_WRITE)
		c->step = tls_handshake(c->tls, &c->reason);
}

static inline void start(struct conn *c, struct tls_ctx *ctx, const struct peer_opts *opts)
{
	int ends[2];

	*c = (struct conn){.step = TLS_WANT_READ};
	peer_pair(ends);
	c->fd = ends[1];
	peer_open(&c->peer, ends[0], opts);
	c->tls = tls_conn_new(ctx, c->fd, &scratch);
	assert_non_null(c->tls);
}

/*
 * Lets both sides go on until the server is done or has failed. Returns the client's last result.
 */
static inline int shake_hands(struct conn *c, size_t piece)
{
	int client = 0;
	size_t got;

	ERR_clear_error();
	for (;;) {
		client = SSL_do_handshake(c->peer.ssl);
		peer_send(&c->peer, piece, step, c);
		step(c);
		got = peer_receive(&c->peer);
		if (c->step == TLS_DONE || c->step == TLS_FAILED)
			break;
		if (!got)
			peer_wait_any(c->peer.fd, c->fd);
	}
	return client;
}

/* Until the client is done; its last words may still be in its hands. */
static inline void client_handshake(struct conn *c)
{
	while (SSL_do_handshake(c->peer.ssl) != 1) {
		peer_send(&c->peer, 0, step, c);
		step(c);
		if (!peer_receive(&c->peer))
			peer_wait_any(c->peer.fd, c->fd);
	}
}

/* Until the server is done. */
static inline void server_handshake(struct conn *c)
{
	for (step(c); c->step == TLS_WANT_READ; step(c))
		peer_wait(c->fd);
	assert_int_equal(c->step, TLS_DONE);
}

static inline void stop(struct conn *c)
{
	tls_conn_free(c->tls);
	peer_close(&c->peer);
	close(c->fd);
}

static inline void make_shared(struct tls_shared *s, enum policy record, bool tls13_only,
			       bool kernel)
{
	const struct conf conf = {.record = record, .tls13_only = tls13_only};
	struct ktls_caps caps = {0};

	for (int i = 0; kernel && i < SUITE_COUNT; i++)
		for (int v = 0; v < VERSION_COUNT; v++)
			caps.tx[v][i] = caps.rx[v][i] = true;
	assert_int_equal(tls_shared_init(s, &conf, &caps), 0);
}

static inline void wait_for_fin(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	assert_int_equal(poll(&p, 1, 10000), 1);
}
