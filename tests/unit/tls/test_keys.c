/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hand-off without a kernel. After real handshakes the derived keys must open the client's
 * records and seal records that it can read, with the record number that was counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "tls/keys_tap.h"
#include "tests/lib/tls_peer.h"
#include "tests/lib/tls_records.h"

/* Sizes of what was wiped, by OpenSSL too. */
static bool wiped[100];

void OPENSSL_cleanse(void *p, size_t n)
{
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
	if (n < sizeof(wiped))
		wiped[n] = true;
}

static const char *const suites12[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
				       "ECDHE-ECDSA-AES256-GCM-SHA384",
				       "ECDHE-ECDSA-CHACHA20-POLY1305"};
static const char *const suites13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
				       "TLS_CHACHA20_POLY1305_SHA256"};

static struct peer_cert cert;

struct session {
	SSL_CTX *ctx;
	SSL *server;
	struct keys_watch watch;
	struct peer peer;
	int fd;
	union ktls_crypto tx, rx;
};

static SSL_CTX *server_ctx(int tickets)
{
	static uint8_t ticket_keys[80] = "the same for all contexts";
	SSL_CTX *ctx = keys_ssl_ctx_new();

	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, cert.cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, cert.key, SSL_FILETYPE_PEM), 1);
	SSL_CTX_set_tlsext_ticket_keys(ctx, ticket_keys, sizeof(ticket_keys));
	SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"test", 4);
	SSL_CTX_set_num_tickets(ctx, (size_t)tickets);
	return ctx;
}

static void shake_hands(struct session *s)
{
	for (;;) {
		int client = SSL_do_handshake(s->peer.ssl), server;
		size_t got;

		peer_send(&s->peer, 0, NULL, NULL);
		keys_enter(&s->watch);
		server = SSL_do_handshake(s->server);
		keys_leave();
		got = peer_receive(&s->peer);
		if (client == 1 && server == 1)
			return;
		if (!got)
			peer_wait_any(s->peer.fd, s->fd);
	}
}

static void start(struct session *s, int version, int suite, int tickets, SSL_SESSION *resume)
{
	const struct peer_opts opts = {
		.version = version,
		.suites12 = suites12[suite],
		.suites13 = suites13[suite],
		.session = resume,
	};
	int ends[2];

	*s = (struct session){0};
	peer_pair(ends);
	s->fd = ends[1];
	peer_open(&s->peer, ends[0], &opts);
	s->ctx = server_ctx(tickets);
	s->server = SSL_new(s->ctx);
	SSL_set_fd(s->server, s->fd);
	SSL_set_accept_state(s->server);
	keys_watch(s->server, &s->watch);
	shake_hands(s);
	assert_int_equal(SSL_session_reused(s->server), resume != NULL);
	assert_int_equal(keys_derive(s->server, &s->watch, &s->tx, &s->rx), 0);
}

static void stop(struct session *s)
{
	SSL_free(s->server);
	SSL_CTX_free(s->ctx);
	peer_close(&s->peer);
	close(s->fd);
}

/* The next whole record from the socket, without OpenSSL. */
static size_t read_record(int fd, uint8_t *rec)
{
	size_t want = 5, have = 0;

	while (have < want) {
		ssize_t n;

		peer_wait(fd);
		n = recv(fd, rec + have, want - have, 0);
		assert_true(n > 0);
		have += (size_t)n;
		if (have == 5)
			want = 5 + (size_t)(rec[3] << 8 | rec[4]);
	}
	return have;
}

static void expect_from_client(struct session *s, uint8_t type, const void *bytes, size_t n)
{
	static uint8_t rec[RECORD_BYTES_MAX], plain[RECORD_BYTES_MAX];
	uint8_t got;
	size_t len = read_record(s->fd, rec);

	assert_int_equal(record_open(&s->rx, rec, len, plain, &got), n);
	assert_int_equal(got, type);
	assert_memory_equal(plain, bytes, n);
}

static void client_says(struct session *s, const char *text)
{
	assert_int_equal(SSL_write(s->peer.ssl, text, (int)strlen(text)), strlen(text));
	peer_send(&s->peer, 0, NULL, NULL);
}

static void server_says(struct session *s, uint8_t type, const void *bytes, size_t n)
{
	static uint8_t rec[RECORD_BYTES_MAX];
	int len = record_seal(&s->tx, type, bytes, n, rec);

	assert_int_equal(send(s->fd, rec, (size_t)len, 0), len);
}

static void expect_from_server(struct session *s, const char *text)
{
	char got[200];
	int n;

	/* Tickets may come before it. */
	do {
		peer_wait(s->peer.fd);
		peer_receive(&s->peer);
		n = SSL_read(s->peer.ssl, got, sizeof(got));
	} while (n < 0 && SSL_get_error(s->peer.ssl, n) == SSL_ERROR_WANT_READ);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static void talk(struct session *s)
{
	for (int i = 0; i < 3; i++) {
		client_says(s, "GET / HTTP/1.1\r\n");
		expect_from_client(s, TLS_CONTENT_DATA, "GET / HTTP/1.1\r\n", 16);
		server_says(s, TLS_CONTENT_DATA, "HTTP/1.1 200 OK\r\n", 17);
		expect_from_server(s, "HTTP/1.1 200 OK\r\n");
	}
}

static void derived_keys_open_and_seal(void **state)
{
	static const int tickets[] = {0, 1, 2, 4};

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int suite = 0; suite < SUITE_COUNT; suite++)
			for (int t = 0; t < 4; t++) {
				struct session s;

				start(&s, version, suite, tickets[t], NULL);
				assert_int_equal(s.watch.rx_seq, version == TLS1_2_VERSION);
				assert_int_equal(s.watch.tx_seq,
						 version == TLS1_2_VERSION ? 1 : tickets[t]);
				talk(&s);
				stop(&s);
			}
}

static void derived_keys_of_a_resumed_session(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int suite = 0; suite < SUITE_COUNT; suite++) {
			SSL_SESSION *session;
			struct session s;

			start(&s, version, suite, 1, NULL);
			talk(&s); /* the client reads tickets of TLS 1.3 with the data */
			session = peer_session(&s.peer);
			assert_non_null(session);
			stop(&s);
			start(&s, version, suite, 1, session);
			talk(&s);
			stop(&s);
			SSL_SESSION_free(session);
		}
}

static void large_and_empty_records(void **state)
{
	static char text[16385];
	struct session s;

	memset(text, 'x', 16384);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		start(&s, version, SUITE_AES_128_GCM, 2, NULL);
		client_says(&s, text);
		expect_from_client(&s, TLS_CONTENT_DATA, text, 16384);
		server_says(&s, TLS_CONTENT_DATA, "", 0);
		server_says(&s, TLS_CONTENT_DATA, "after an empty one", 18);
		expect_from_server(&s, "after an empty one");
		stop(&s);
	}
}

static void key_updates_are_followed(void **state)
{
	static const uint8_t asks[] = {24, 0, 0, 1, 1}, tells[] = {24, 0, 0, 1, 0};

	for (int suite = 0; suite < SUITE_COUNT; suite++) {
		struct keys_traffic *t;
		struct session s;

		start(&s, TLS1_3_VERSION, suite, 2, NULL);
		t = &s.watch.traffic;
		for (int round = 0; round < 3; round++) {
			SSL_key_update(s.peer.ssl, SSL_KEY_UPDATE_REQUESTED);
			client_says(&s, "new keys");
			expect_from_client(&s, TLS_CONTENT_HANDSHAKE, asks, sizeof(asks));
			assert_int_equal(keys_next(suite, t->client, t->len, &s.rx), 0);
			expect_from_client(&s, TLS_CONTENT_DATA, "new keys", 8);

			server_says(&s, TLS_CONTENT_HANDSHAKE, tells, sizeof(tells));
			assert_int_equal(keys_next(suite, t->server, t->len, &s.tx), 0);
			server_says(&s, TLS_CONTENT_DATA, "here too", 8);
			expect_from_server(&s, "here too");
		}
		stop(&s);
	}
}

static void without_secrets_nothing_is_left_in_the_outputs(void **state)
{
	static const union ktls_crypto zero;
	struct session s;

	start(&s, TLS1_3_VERSION, SUITE_AES_256_GCM, 0, NULL);
	keys_wipe(&s.watch);
	memset(&s.tx, 0xaa, sizeof(s.tx));
	memset(&s.rx, 0xaa, sizeof(s.rx));
	assert_int_equal(keys_derive(s.server, &s.watch, &s.tx, &s.rx), -ENOKEY);
	assert_memory_equal(&s.tx, &zero, sizeof(zero));
	assert_memory_equal(&s.rx, &zero, sizeof(zero));
	stop(&s);
}

/* --- what is left behind ---------------------------------------------------------------------- */

static void the_watch_is_wiped(void **state)
{
	static const struct keys_watch zero;
	struct keys_watch w;

	memset(&w, 0xaa, sizeof(w));
	keys_wipe(&w);
	assert_memory_equal(&w, &zero, sizeof(w));
}

/* The new secret, key and IV on the stack; and those of TLS 1.2. */
static void copies_are_wiped(void **state)
{
	uint8_t secret[KEYS_SECRET_MAX] = "of the suite's length";
	union ktls_crypto out;
	struct session s;

	for (int suite = 0; suite < SUITE_COUNT; suite++)
		for (int good = 0; good < 2; good++) {
			memset(wiped, 0, sizeof(wiped));
			assert_int_equal(keys_next(suite, secret,
						   !good                        ? 31
						   : suite == SUITE_AES_256_GCM ? 48
										: 32,
						   &out),
					 good ? 0 : -EIO);
			assert_true(wiped[KEYS_SECRET_MAX] && wiped[32] && wiped[12]);
		}
	start(&s, TLS1_2_VERSION, SUITE_CHACHA20_POLY1305, 0, NULL);
	memset(wiped, 0, sizeof(wiped));
	assert_int_equal(keys_derive(s.server, &s.watch, &s.tx, &s.rx), 0);
	assert_true(wiped[12]);
	stop(&s);
}

static void a_secret_of_another_length_changes_nothing(void **state)
{
	static const size_t lens[] = {0, 16, 31, 33, 47};

	for (int suite = 0; suite < SUITE_COUNT; suite++)
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			uint8_t secret[KEYS_SECRET_MAX] = "secret", before[KEYS_SECRET_MAX];
			union ktls_crypto out, untouched;

			memcpy(before, secret, sizeof(before));
			memset(&out, 0xaa, sizeof(out));
			untouched = out;
			assert_int_equal(keys_next(suite, secret, lens[i], &out), -EIO);
			assert_memory_equal(secret, before, sizeof(before));
			assert_memory_equal(&out, &untouched, sizeof(out));
		}
}

/* --- what is not complete --------------------------------------------------------------------- */

static void each_missing_part_is_missed(void **state)
{
	for (int part = 0; part < 6; part++) {
		static const union ktls_crypto zero;
		struct session s;

		start(&s, TLS1_3_VERSION, SUITE_AES_128_GCM, 0, NULL);
		switch (part) {
		case 0:
			s.watch.traffic.len = 0;
			break;
		case 1:
			s.watch.traffic.len = 48; /* of another suite */
			break;
		case 2:
			s.watch.client.key_len = 32;
			break;
		case 3:
			s.watch.client.iv_len = 0;
			break;
		case 4:
			s.watch.server.key_len = 0;
			break;
		default:
			s.watch.server.iv_len = 8;
		}
		assert_int_equal(keys_derive(s.server, &s.watch, &s.tx, &s.rx), -ENOKEY);
		assert_memory_equal(&s.tx, &zero, sizeof(zero));
		assert_memory_equal(&s.rx, &zero, sizeof(zero));
		stop(&s);
	}
}

static void a_key_block_that_is_too_short(void **state)
{
	static const uint8_t needed[SUITE_COUNT] = {40, 72, 88};

	for (int suite = 0; suite < SUITE_COUNT; suite++) {
		struct session s;

		start(&s, TLS1_2_VERSION, suite, 0, NULL);
		assert_true(s.watch.block_len >= needed[suite]);
		s.watch.block_len = needed[suite];
		assert_int_equal(keys_derive(s.server, &s.watch, &s.tx, &s.rx), 0);
		s.watch.block_len--;
		assert_int_equal(keys_derive(s.server, &s.watch, &s.tx, &s.rx), -ENOKEY);
		stop(&s);
	}
}

static void versions_and_suites_of_others(void **state)
{
	union ktls_crypto tx, rx;
	enum tls_version version;
	struct keys_watch watch = {0};
	enum tls_suite suite;
	SSL_CTX *ctx = server_ctx(0);
	SSL *ssl = SSL_new(ctx); /* without a handshake there is no suite */

	assert_int_equal(keys_suite(ssl, &version, &suite), -EPROTONOSUPPORT);
	assert_int_equal(keys_derive(ssl, &watch, &tx, &rx), -EPROTONOSUPPORT);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static int make_cert(void **state)
{
	peer_cert_make(&cert, "keys", PEER_EC, "keys.test", 10);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derived_keys_open_and_seal),
		cmocka_unit_test(derived_keys_of_a_resumed_session),
		cmocka_unit_test(large_and_empty_records),
		cmocka_unit_test(key_updates_are_followed),
		cmocka_unit_test(without_secrets_nothing_is_left_in_the_outputs),
		cmocka_unit_test(the_watch_is_wiped),
		cmocka_unit_test(copies_are_wiped),
		cmocka_unit_test(a_secret_of_another_length_changes_nothing),
		cmocka_unit_test(each_missing_part_is_missed),
		cmocka_unit_test(a_key_block_that_is_too_short),
		cmocka_unit_test(versions_and_suites_of_others),
	};

	return cmocka_run_group_tests(tests, make_cert, NULL);
}
