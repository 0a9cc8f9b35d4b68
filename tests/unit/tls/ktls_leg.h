/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a leg of kernel records whose other end is made of records that the test seals itself
 * with known keys, so that it can send what no TLS library would.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "tests/lib/tls_peer.h"
#include "tests/lib/tls_records.h"
#include "tls/control_record.h"
#include "tls/record_ktls.h"
#include "tls/record_ktls_types.h"

static struct kedge_stats stats;
static uint8_t scratch_in[65536];
static struct record_scratch leg_scratch = {
	.in = scratch_in, .in_size = sizeof(scratch_in), .stats = &stats};

struct leg {
	struct record *record;
	int fd, peer;
	union ktls_crypto up, down;  /* client to server, server to client */
	struct keys_traffic traffic; /* made up; the keys above do not come of it */
	struct record_ktls *k;       /* the record from inside */
};

/* Followed: with secrets, so that KeyUpdates are. */
static inline void start_with(struct leg *l, enum tls_version v, enum tls_suite s, bool followed)
{
	static const uint8_t key[2][32] = {"the key of the client's records.",
					   "and the one of the server's: 32."};
	static const uint8_t iv[2][12] = {"client's iv", "server's iv"};
	int ends[2];

	peer_pair(ends);
	*l = (struct leg){.fd = ends[1], .peer = ends[0]};
	ktls_fill(&l->up, v, s, key[0], iv[0], 0);
	ktls_fill(&l->down, v, s, key[1], iv[1], 0);
	assert_int_equal(ktls_take_over(l->fd, &l->down, &l->up), 0);
	l->traffic.suite = s;
	l->traffic.len = s == SUITE_AES_256_GCM ? 48 : 32;
	memset(l->traffic.client, 'c', l->traffic.len);
	memset(l->traffic.server, 's', l->traffic.len);
	l->record = record_ktls_new(l->fd, &leg_scratch, v, s, followed ? &l->traffic : NULL);
	assert_non_null(l->record);
	l->k = (struct record_ktls *)l->record;
}

static inline void start(struct leg *l, enum tls_version v, enum tls_suite s)
{
	start_with(l, v, s, false);
}

static inline void stop(struct leg *l)
{
	record_free(l->record);
	close(l->fd);
	close(l->peer);
}

static inline void client_seals(struct leg *l, uint8_t type, const void *bytes, size_t n)
{
	static uint8_t rec[RECORD_BYTES_MAX];
	int len = record_seal(&l->up, type, bytes, n, rec);

	assert_int_equal(send(l->peer, rec, (size_t)len, 0), len);
	peer_wait(l->fd);
}

/* Opens the next record that the server sent; its type, or -1 at the end of the stream. */
static inline int client_opens(struct leg *l, uint8_t *bytes, size_t *n)
{
	static uint8_t rec[RECORD_BYTES_MAX], plain[RECORD_BYTES_MAX];
	size_t want = 5, have = 0;
	uint8_t type;
	int len;

	while (have < want) {
		ssize_t r;

		peer_wait(l->peer);
		r = recv(l->peer, rec + have, want - have, 0);
		if (r <= 0)
			return -1;
		have += (size_t)r;
		if (have == 5)
			want = 5 + (size_t)(rec[3] << 8 | rec[4]);
	}
	len = record_open(&l->down, rec, have, plain, &type);
	assert_true(len >= 0);
	memcpy(bytes, plain, (size_t)len);
	*n = (size_t)len;
	return type;
}

static inline void expect_alert(struct leg *l, uint8_t level, uint8_t description)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	assert_int_equal(client_opens(l, got, &n), TLS_CONTENT_ALERT);
	assert_int_equal(n, 2);
	assert_int_equal(got[0], level);
	assert_int_equal(got[1], description);
}

static inline void expect_nothing(struct leg *l)
{
	char byte;

	assert_int_equal(recv(l->peer, &byte, 1, MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

static inline ssize_t read_byte(struct leg *l)
{
	uint8_t byte;

	return record_read(l->record, &byte, 1);
}
