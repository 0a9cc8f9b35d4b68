/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interface of record.h behind a TLS handshake. It runs twice: with OpenSSL's records and with
 * the kernel's. Without kernel TLS (tests/guest/ has it) fake_ktls.h takes the kernel's part.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "tests/unit/tls/fake_ktls.h"
#include "tls/ktls_probe.h"
#include "tls/tls.h"
#include "tls/tls_handoff.h"
#include "tests/lib/tls_peer.h"
#include "tests/lib/assert_reason.h"

static struct conf_cert pair;
static struct ktls_caps caps;
static struct tls_shared shared;
static bool kernel; /* this round's records are the kernel's */
static struct tls_ctx *ctx;

static struct kedge_stats stats;
static uint8_t in[65536], out[65536];
static struct record_scratch scratch = {
	.in = in, .out = out, .in_size = sizeof(in), .out_size = sizeof(out), .stats = &stats};

/* Bytes of an endless stream that does not repeat soon, from this position on. */
static void fill(uint8_t *buf, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++, at++)
		buf[i] = (uint8_t)((at * 2654435761u) >> 13 ^ at);
}

static void expect(const uint8_t *buf, size_t n, size_t at)
{
	static uint8_t want[1 << 20];

	fill(want, n, at);
	assert_memory_equal(buf, want, n);
}

/* --- a leg after its handshake ---------------------------------------------------------------- */

struct leg {
	struct peer peer;
	struct tls_conn *tls;
	struct record *record;
	int fd;
	enum tls_step step;
};

/* Other legs of the worker use the shared buffers between any two calls. */
static void spoil_scratch(void)
{
	memset(in, 0xee, sizeof(in));
	memset(out, 0xee, sizeof(out));
}

static void shake(struct leg *l)
{
	enum kedge_reason reason;

	if (l->step != TLS_DONE)
		l->step = tls_handshake(l->tls, &reason);
	assert_int_not_equal(l->step, TLS_FAILED);
}

static void start_with(struct leg *l, const struct peer_opts *opts)
{
	enum kedge_reason reason = KEDGE_REASON_NONE;
	struct tls_facts facts;
	int ends[2];

	ERR_clear_error();
	*l = (struct leg){0};
	peer_pair(ends);
	l->fd = ends[1];
	peer_open(&l->peer, ends[0], opts);
	l->tls = tls_conn_new(ctx, l->fd, &scratch);
	for (int client = 0; client != 1 || l->step != TLS_DONE;) {
		client = SSL_do_handshake(l->peer.ssl);
		peer_send(&l->peer, 0, NULL, NULL);
		shake(l);
		if (!peer_receive(&l->peer) && (client != 1 || l->step != TLS_DONE))
			peer_wait_any(l->peer.fd, l->fd);
	}
	assert_int_equal(tls_into_record(&l->tls, &l->record, &facts, &reason), 0);
	assert_int_equal(facts.kernel, kernel);
	assert_string_equal(l->record->ops->name, kernel ? "kernel" : "user");
	spoil_scratch();
}

static void start(struct leg *l, int version)
{
	start_with(l, &(struct peer_opts){.version = version});
}

static void stop(struct leg *l)
{
	record_free(l->record);
	peer_close(&l->peer);
	close(l->fd);
	ERR_clear_error();
}

static ssize_t read_some(struct leg *l, void *buf, size_t len)
{
	ssize_t n = record_read(l->record, buf, len);

	spoil_scratch();
	assert_int_equal(ERR_peek_error(), 0);
	return n;
}

/* Waits until something comes; then as read_some(). */
static ssize_t read_next(struct leg *l, void *buf, size_t len)
{
	ssize_t n;

	while ((n = read_some(l, buf, len)) == -EAGAIN)
		peer_wait(l->fd);
	return n;
}

static ssize_t write_some(struct leg *l, const void *buf, size_t len)
{
	ssize_t n = record_write(l->record, buf, len);

	spoil_scratch();
	return n;
}

static void client_writes(struct leg *l, size_t n, size_t at)
{
	static uint8_t buf[1 << 20];

	fill(buf, n, at);
	for (size_t done = 0; done < n;) {
		size_t len = 0;

		assert_int_equal(SSL_write_ex(l->peer.ssl, buf + done, n - done, &len), 1);
		done += len;
	}
}

/* Takes what the client can decrypt, and compares it with the stream. Returns how much. */
static size_t client_reads(struct leg *l, size_t at)
{
	static uint8_t buf[65536];
	size_t total = 0, n;

	peer_receive(&l->peer);
	while (SSL_read_ex(l->peer.ssl, buf, sizeof(buf), &n) == 1) {
		expect(buf, n, at + total);
		total += n;
	}
	ERR_clear_error();
	return total;
}

/* --- both ways -------------------------------------------------------------------------------- */

static void talk(struct leg *l)
{
	static uint8_t buf[20000];

	for (size_t at = 0; at < 60000; at += sizeof(buf)) {
		size_t got = 0;

		client_writes(l, sizeof(buf), at);
		peer_send(&l->peer, 0, NULL, NULL);
		while (got < sizeof(buf)) {
			ssize_t n;

			peer_wait(l->fd);
			n = read_some(l, buf, sizeof(buf));
			assert_true(n > 0 || n == -EAGAIN);
			if (n > 0)
				expect(buf, (size_t)n, at + got);
			got += n > 0 ? (size_t)n : 0;
		}
		fill(buf, sizeof(buf), at);
		assert_int_equal(write_some(l, buf, sizeof(buf)), sizeof(buf));
		for (got = 0; got < sizeof(buf);) {
			peer_wait(l->peer.fd);
			got += client_reads(l, at + got);
		}
	}
}

static void every_suite_full_and_resumed(void **state)
{
	static const char *const v12[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
					  "ECDHE-ECDSA-AES256-GCM-SHA384",
					  "ECDHE-ECDSA-CHACHA20-POLY1305"};
	static const char *const v13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					  "TLS_CHACHA20_POLY1305_SHA256"};

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int i = 0; i < SUITE_COUNT; i++) {
			struct peer_opts opts = {
				.version = version, .suites12 = v12[i], .suites13 = v13[i]};
			struct leg l;

			start_with(&l, &opts);
			talk(&l);
			opts.session = peer_session(&l.peer);
			assert_non_null(opts.session);
			stop(&l);
			start_with(&l, &opts);
			assert_true(SSL_session_reused(l.peer.ssl));
			talk(&l);
			stop(&l);
			SSL_SESSION_free(opts.session);
		}
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reading {
	struct leg *leg;
	size_t len, at;
};

/* Reads until there is nothing more, as a mover does. */
static void drain(void *arg)
{
	static uint8_t buf[65536];
	struct reading *r = arg;
	ssize_t n;

	while ((n = read_some(r->leg, buf, r->len)) > 0) {
		expect(buf, (size_t)n, r->at);
		r->at += (size_t)n;
	}
	assert_int_equal(n, -EAGAIN);
}

/* The last bytes may still be on their way. */
static void drain_up_to(struct reading *r, size_t total)
{
	while (r->at < total) {
		peer_wait(r->leg->fd);
		drain(r);
	}
	assert_int_equal(r->at, total);
}

static void reads_records_in_any_pieces(void **state)
{
	static const size_t pieces[] = {1, 3, 1000, 0}, lens[] = {1, 100, 65536};

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int p = 0; p < 4; p++)
			for (int n = 0; n < 3; n++) {
				struct reading r = {.len = lens[n]};
				struct leg l;

				start(&l, version);
				r.leg = &l;
				client_writes(&l, 1, 0);
				client_writes(&l, 700, 1);
				client_writes(&l, 2000, 701);
				peer_send(&l.peer, pieces[p], drain, &r);
				drain_up_to(&r, 2701);
				stop(&l);
			}
}

static void one_read_takes_many_records(void **state)
{
	uint8_t buf[4096];
	struct leg l;

	start(&l, TLS1_3_VERSION);
	for (size_t at = 0; at < 3000; at += 30)
		client_writes(&l, 30, at);
	peer_send(&l.peer, 0, NULL, NULL);
	peer_wait(l.fd);
	assert_int_equal(read_next(&l, buf, sizeof(buf)), 3000);
	expect(buf, 3000, 0);
	stop(&l);
}

/* A reader that stops early leaves ciphertext behind. Bytes of other legs do not get into it. */
static void what_is_left_survives_other_legs(void **state)
{
	uint8_t buf[100];
	struct leg l;

	start(&l, TLS1_3_VERSION);
	for (size_t at = 0; at < 3000; at += 100)
		client_writes(&l, 100, at);
	peer_send(&l.peer, 0, NULL, NULL);
	peer_wait(l.fd);
	for (size_t at = 0; at < 3000; at += 50) {
		assert_int_equal(read_next(&l, buf, 50), 50);
		expect(buf, 50, at);
	}
	assert_int_equal(read_some(&l, buf, 50), -EAGAIN);
	stop(&l);
}

/*
 * A read that is served from kept bytes makes no recv(), so it does not know what is in the socket.
 * It must not say "drained": more may have come, and its edge is over.
 */
static void kept_bytes_do_not_tell_that_all_is_read(void **state)
{
	uint8_t buf[4096];
	struct leg l;

	start(&l, TLS1_3_VERSION);
	client_writes(&l, 100, 0);
	client_writes(&l, 100, 100);
	peer_send(&l.peer, 0, NULL, NULL);
	peer_wait(l.fd);
	assert_int_equal(read_next(&l, buf, 100), 100);
	assert_false(l.record->drained);
	client_writes(&l, 100, 200);
	peer_send(&l.peer, 0, NULL, NULL);
	peer_wait(l.fd);
	for (size_t at = 100; at < 300;) {
		ssize_t n = read_some(&l, buf, sizeof(buf));

		assert_true(n > 0);
		expect(buf, (size_t)n, at);
		at += (size_t)n;
		assert_true(at == 300 || !l.record->drained);
	}
	stop(&l);
}

static void large_upload(void **state)
{
	const size_t total = 600000;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct leg l;
		struct reading r = {.leg = &l, .len = 65536};

		start(&l, version);
		client_writes(&l, total, 0);
		peer_send(&l.peer, 0, drain, &r);
		drain_up_to(&r, total);
		stop(&l);
	}
}

/* --- writing ---------------------------------------------------------------------------------- */

static void large_download_to_a_client_that_stops(void **state)
{
	static uint8_t buf[300000];
	const size_t total = 6000000;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		size_t sent = 0, got = 0, stalls = 0;
		struct leg l;

		start(&l, version);
		while (got < total) {
			size_t len = sizeof(buf) < total - sent ? sizeof(buf) : total - sent;
			ssize_t n = 0;

			fill(buf, len, sent);
			if (len)
				n = write_some(&l, buf, len);
			assert_true(n >= 0 || n == -EAGAIN);
			if (n > 0)
				sent += (size_t)n;
			stalls += len && n != (ssize_t)len;
			if (!len || n != (ssize_t)len) {
				got += client_reads(&l, got);
				(void)record_flush(l.record);
			}
		}
		assert_int_equal(got, total);
		assert_true(stalls > 0);
		assert_int_equal(record_flush(l.record), 0);
		stop(&l);
	}
}

static void write_to_a_closed_client_fails(void **state)
{
	const struct linger now = {.l_onoff = 1};
	static uint8_t buf[100000];
	struct leg l;
	ssize_t n;

	start(&l, TLS1_3_VERSION);
	setsockopt(l.peer.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(l.peer.fd);
	l.peer.fd = -1;
	do
		n = write_some(&l, buf, sizeof(buf));
	while (n > 0);
	assert_true(n == -ECONNRESET || n == -EPIPE);
	assert_reason(l.record->reason, KEDGE_REASON_client_reset);
	stop(&l);

	start(&l, TLS1_3_VERSION);
	setsockopt(l.peer.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(l.peer.fd);
	l.peer.fd = -1;
	assert_int_equal(read_next(&l, buf, sizeof(buf)), -ECONNRESET);
	assert_reason(l.record->reason, KEDGE_REASON_client_reset);
	assert_int_equal(read_next(&l, buf, sizeof(buf)), -ECONNRESET);
	stop(&l);
}

/* --- endings ---------------------------------------------------------------------------------- */

static void close_notify_is_a_clean_end(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		uint8_t buf[100];
		struct leg l;

		start(&l, version);
		client_writes(&l, 10, 0);
		SSL_shutdown(l.peer.ssl);
		peer_send(&l.peer, 0, NULL, NULL);
		peer_wait(l.fd);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 10);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 0);
		assert_true(l.record->clean_end);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 0);
		/* Our direction is still open. */
		fill(buf, 50, 0);
		assert_int_equal(write_some(&l, buf, 50), 50);
		peer_wait(l.peer.fd);
		peer_receive(&l.peer);
		assert_int_equal(SSL_read(l.peer.ssl, buf, sizeof(buf)), 50);
		stop(&l);
	}
}

/*
 * The alert comes together with data. A reader that waits for an edge after the data must get one.
 */
static void close_notify_behind_data_is_not_overlooked(void **state)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int ep = epoll_create1(EPOLL_CLOEXEC);
	uint8_t buf[4096];
	struct leg l;
	ssize_t n;

	start(&l, TLS1_3_VERSION);
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, l.fd, &event), 0);
	epoll_wait(ep, &event, 1, 0);
	client_writes(&l, 100, 0);
	SSL_shutdown(l.peer.ssl);
	peer_send(&l.peer, 0, NULL, NULL);
	assert_int_equal(epoll_wait(ep, &event, 1, 5000), 1);
	for (size_t got = 0; got < 100; got += (size_t)n) {
		n = read_next(&l, buf, sizeof(buf));
		assert_true(n > 0);
	}
	if (l.record->drained && (!l.record->look_again || read_some(&l, buf, sizeof(buf)) < 0))
		assert_int_equal(epoll_wait(ep, &event, 1, 5000), 1);
	assert_int_equal(read_next(&l, buf, sizeof(buf)), 0);
	assert_true(l.record->clean_end);
	close(ep);
	stop(&l);
}

static void bare_fin_is_an_end_but_not_a_clean_one(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		uint8_t buf[100];
		struct leg l;

		start(&l, version);
		client_writes(&l, 10, 0);
		peer_send(&l.peer, 0, NULL, NULL);
		shutdown(l.peer.fd, SHUT_WR);
		peer_wait(l.fd);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 10);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 0);
		assert_false(l.record->clean_end);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 0);
		/* A client that half-closes like this still waits for its answer. */
		fill(buf, 50, 0);
		assert_int_equal(write_some(&l, buf, 50), 50);
		peer_wait(l.peer.fd);
		assert_int_equal(client_reads(&l, 0), 50);
		stop(&l);
	}
}

static void our_close_reaches_the_client(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		uint8_t buf[100];
		struct leg l;

		start(&l, version);
		fill(buf, 20, 0);
		assert_int_equal(write_some(&l, buf, 20), 20);
		assert_int_equal(record_close_write(l.record), 0);
		assert_int_equal(record_close_write(l.record), 0);
		assert_int_equal(write_some(&l, buf, 1), -EPIPE);
		while (!l.peer.eof) {
			peer_wait(l.peer.fd);
			peer_receive(&l.peer);
		}
		assert_int_equal(SSL_read(l.peer.ssl, buf, sizeof(buf)), 20);
		assert_int_equal(SSL_read(l.peer.ssl, buf, sizeof(buf)), 0);
		assert_int_equal(SSL_get_shutdown(l.peer.ssl), SSL_RECEIVED_SHUTDOWN);
		/* And the client goes on sending. */
		client_writes(&l, 30, 0);
		peer_send(&l.peer, 0, NULL, NULL);
		peer_wait(l.fd);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 30);
		stop(&l);
	}
}

static void close_waits_for_what_is_unsent(void **state)
{
	static uint8_t buf[300000];
	size_t sent = 0, got = 0;
	struct leg l;
	ssize_t n;

	start(&l, TLS1_3_VERSION);
	do {
		fill(buf, sizeof(buf), sent);
		n = write_some(&l, buf, sizeof(buf));
		sent += n > 0 ? (size_t)n : 0;
	} while (n == (ssize_t)sizeof(buf));
	assert_int_equal(record_close_write(l.record), -EAGAIN);
	spoil_scratch();
	assert_int_equal(record_close_write(l.record), -EAGAIN);
	while (got < sent) {
		got += client_reads(&l, got);
		if (record_flush(l.record) == 0)
			assert_int_equal(record_close_write(l.record), 0);
	}
	assert_int_equal(got, sent);
	while (!l.peer.eof) {
		peer_wait(l.peer.fd);
		peer_receive(&l.peer);
	}
	assert_int_equal(client_reads(&l, got), 0);
	assert_int_equal(SSL_get_shutdown(l.peer.ssl), SSL_RECEIVED_SHUTDOWN);
	stop(&l);
}

/* --- records that are not data ---------------------------------------------------------------- */

static void skip_without_rekey(void)
{
	if (kernel && !caps.rekey)
		skip();
}

/* KeyUpdates that the client has received. */
static int answers;

static void count_answers(int write, int version, int type, const void *buf, size_t len, SSL *ssl,
			  void *arg)
{
	answers +=
		!write && type == SSL3_RT_HANDSHAKE && *(const uint8_t *)buf == SSL3_MT_KEY_UPDATE;
}

static void key_updates_are_followed(void **state)
{
	const uint64_t before = stats.key_updates;
	uint8_t buf[100];
	struct leg l;

	skip_without_rekey();
	start(&l, TLS1_3_VERSION);
	answers = 0;
	SSL_set_msg_callback(l.peer.ssl, count_answers);
	for (size_t i = 0; i < 10; i++) {
		SSL_key_update(l.peer.ssl,
			       i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
		client_writes(&l, 10, i * 10);
		peer_send(&l.peer, 0, NULL, NULL);
		peer_wait(l.fd);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 10);
		expect(buf, 10, i * 10);
		fill(buf, 10, i * 10);
		assert_int_equal(write_some(&l, buf, 10), 10);
		peer_wait(l.peer.fd);
		assert_int_equal(client_reads(&l, i * 10), 10);
	}
	assert_int_equal(stats.key_updates - before, 10);
	assert_int_equal(answers, 5); /* one for each that asked */
	stop(&l);
}

/* Sends KeyUpdates with so many bytes behind each until the leg dies. Returns how many it took. */
static int flood(size_t bytes_between)
{
	static uint8_t buf[65536];
	struct leg l;
	int count = 0;
	ssize_t n;

	start(&l, TLS1_3_VERSION);
	do {
		assert_true(++count < 1000);
		SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(l.peer.ssl);
		if (bytes_between)
			client_writes(&l, bytes_between, 0);
		peer_send(&l.peer, 0, NULL, NULL);
		peer_wait(l.fd);
		do
			n = read_some(&l, buf, sizeof(buf));
		while (n > 0);
	} while (n == -EAGAIN && count < 300);
	if (n != -EAGAIN) {
		assert_int_equal(n, -EPROTO);
		assert_reason(l.record->reason, KEDGE_REASON_key_update_flood);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), -EPROTO);
	}
	stop(&l);
	return count;
}

static void key_update_flood_ends_the_leg(void **state)
{
	skip_without_rekey();
	assert_int_equal(flood(0), 33);
	assert_int_equal(flood(1), 33);
	/* One for every 64 KB is no flood. */
	assert_int_equal(flood(65536), 300);
}

/* Many in one segment: reading stops at the first one too many, not at the last. */
static void key_update_flood_in_one_piece(void **state)
{
	const uint64_t before = stats.key_updates;
	uint8_t buf[100];
	struct leg l;

	skip_without_rekey();
	start(&l, TLS1_3_VERSION);
	for (int i = 0; i < 500; i++) {
		SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(l.peer.ssl);
	}
	peer_send(&l.peer, 0, NULL, NULL);
	peer_wait(l.fd);
	assert_int_equal(read_next(&l, buf, sizeof(buf)), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_key_update_flood);
	assert_int_equal(stats.key_updates - before, 32);
	/* The client is told. */
	assert_true(l.record->told);
	peer_wait(l.peer.fd);
	peer_receive(&l.peer);
	assert_true(SSL_read(l.peer.ssl, buf, sizeof(buf)) <= 0);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE);
	stop(&l);
}

static void damaged_record_is_refused(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		uint8_t buf[200];
		struct leg l;
		char *bytes;
		long n;

		start(&l, version);
		client_writes(&l, 10, 0);
		client_writes(&l, 100, 10);
		n = BIO_get_mem_data(l.peer.out, &bytes);
		bytes[n - 1] ^= 1;
		peer_send(&l.peer, 0, NULL, NULL);
		peer_wait(l.fd);
		/* What came before it still counts. */
		assert_int_equal(read_next(&l, buf, sizeof(buf)), 10);
		assert_int_equal(read_next(&l, buf, sizeof(buf)), -EPROTO);
		assert_reason(l.record->reason, KEDGE_REASON_record_bad);
		if (kernel) { /* it cannot tell the client */
			stop(&l);
			continue;
		}
		peer_wait(l.peer.fd);
		peer_receive(&l.peer);
		assert_true(SSL_read(l.peer.ssl, buf, sizeof(buf)) <= 0);
		assert_int_equal(ERR_GET_REASON(ERR_get_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
		stop(&l);
	}
}

static void plaintext_instead_of_records_is_refused(void **state)
{
	uint8_t buf[200];
	struct leg l;

	start(&l, TLS1_3_VERSION);
	assert_int_equal(send(l.peer.fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	peer_wait(l.fd);
	assert_int_equal(read_next(&l, buf, sizeof(buf)), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_record_bad);
	stop(&l);
}

/* --- both rounds ------------------------------------------------------------------------------ */

static int set_up(void **state)
{
	const struct conf conf = {.record = kernel ? POLICY_REQUIRE : POLICY_OFF};
	static struct peer_cert files;

	peer_cert_make(&files, "record", PEER_EC, "record.test", 10);
	pair = (struct conf_cert){.cert = files.cert, .key = files.key};
	return tls_shared_init(&shared, &conf, &caps)
		       ?: tls_ctx_new(&ctx, &(struct tls_offer){.certs = &pair, .certs_count = 1},
				      &shared);
}

static int tear_down(void **state)
{
	tls_ctx_free(ctx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tls[] = {
		cmocka_unit_test(every_suite_full_and_resumed),
		cmocka_unit_test(reads_records_in_any_pieces),
		cmocka_unit_test(one_read_takes_many_records),
		cmocka_unit_test(what_is_left_survives_other_legs),
		cmocka_unit_test(kept_bytes_do_not_tell_that_all_is_read),
		cmocka_unit_test(large_upload),
		cmocka_unit_test(large_download_to_a_client_that_stops),
		cmocka_unit_test(write_to_a_closed_client_fails),
		cmocka_unit_test(close_notify_is_a_clean_end),
		cmocka_unit_test(close_notify_behind_data_is_not_overlooked),
		cmocka_unit_test(bare_fin_is_an_end_but_not_a_clean_one),
		cmocka_unit_test(our_close_reaches_the_client),
		cmocka_unit_test(close_waits_for_what_is_unsent),
		cmocka_unit_test(key_updates_are_followed),
		cmocka_unit_test(key_update_flood_ends_the_leg),
		cmocka_unit_test(key_update_flood_in_one_piece),
		cmocka_unit_test(damaged_record_is_refused),
		cmocka_unit_test(plaintext_instead_of_records_is_refused),
	};
	int failed;

	failed = cmocka_run_group_tests_name("user", tls, set_up, tear_down);
	kernel = true;
	ktls_probe(&caps);
	if (!caps.ulp_err)
		return failed + cmocka_run_group_tests_name("kernel", tls, set_up, tear_down);
	print_message("no kernel TLS here: %s\n", strerror(caps.ulp_err));
	fake_start();
	ktls_probe(&caps);
	return failed + cmocka_run_group_tests_name("fake kernel", tls, set_up, tear_down);
}
