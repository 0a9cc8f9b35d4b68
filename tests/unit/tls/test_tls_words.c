/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/tls_words.c: each word of a handshake, against what OpenSSL's client knows of it. */
#include "tests/unit/tls/tls_rig.h"

#include <string.h>

#include "tls/tls_words.h"

static struct peer_cert rsa, ec;
static struct conf_cert certs[2];
static struct tls_shared shared;
static struct tls_ctx *ctx;
static struct conn c;
static struct tls_words words;
static struct conf_names alpn; /* empty: what the mode has by itself */

static void up(enum conf_mode mode, size_t first, const struct peer_opts *opts)
{
	const struct tls_offer offer = {
		.certs = certs + first, .certs_count = 2 - first, .alpn = alpn, .mode = mode};

	make_shared(&shared, POLICY_OFF, false, false);
	ctx = NULL;
	assert_int_equal(tls_ctx_new(&ctx, &offer, &shared), 0);
	start(&c, ctx, opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	memset(&words, 0xaa, sizeof(words));
	tls_words(c.tls, &words);
}

static void down(void)
{
	stop(&c);
	tls_ctx_free(ctx);
}

static void version_and_cipher(void **state)
{
	static const struct {
		struct peer_opts opts;
		const char *version, *cipher;
	} rows[] = {
		{{.version = TLS1_2_VERSION, .suites12 = "ECDHE-RSA-AES128-GCM-SHA256"},
		 "TLSv1.2",
		 "ECDHE-RSA-AES128-GCM-SHA256"},
		{{.version = TLS1_3_VERSION, .suites13 = "TLS_CHACHA20_POLY1305_SHA256"},
		 "TLSv1.3",
		 "TLS_CHACHA20_POLY1305_SHA256"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		up(MODE_HTTP, 0, &rows[i].opts);
		assert_string_equal(words.version, rows[i].version);
		assert_string_equal(words.cipher, rows[i].cipher);
		assert_string_equal(words.sni, "");
		assert_int_equal(words.alpn_len, 0);
		down();
	}
}

static void the_certificate(void **state)
{
	(void)state;
	for (size_t first = 0; first < 2; first++) {
		up(MODE_HTTP, first,
		   &(struct peer_opts){.sigalgs = first ? NULL : "rsa_pss_rsae_sha256"});
		assert_string_equal(words.sig_alg, first ? "ecdsa-with-SHA256" : "RSA-SHA256");
		assert_string_equal(words.key_alg, first ? "EC256" : "RSA2048");
		down();
	}
}

static void name_and_protocol(void **state)
{
	(void)state;
	up(MODE_HTTP, 0, &(struct peer_opts){.server_name = "a.test", .alpn = "\x08http/1.1"});
	assert_string_equal(words.sni, "a.test");
	assert_int_equal(words.alpn_len, 8);
	assert_memory_equal(words.alpn, "http/1.1", 8);
	down();
	/* A name that no certificate has, and a protocol that nobody chose. */
	up(MODE_TCP, 0, &(struct peer_opts){.server_name = "other.test", .alpn = "\x02h2"});
	assert_string_equal(words.sni, "other.test");
	assert_int_equal(words.alpn_len, 0);
	down();
	alpn = (struct conf_names){.set = (char *[]){"h2"}, .count = 1};
	up(MODE_TCP, 0, &(struct peer_opts){.alpn = "\x02h2"});
	assert_int_equal(words.alpn_len, 2);
	assert_memory_equal(words.alpn, "h2", 2);
	down();
	alpn = (struct conf_names){0};
}

static void the_longest_name(void **state)
{
	char name[TLS_SNI_BYTES_MAX + 1];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	up(MODE_HTTP, 0, &(struct peer_opts){.server_name = name});
	assert_string_equal(words.sni, name);
	down();
}

/* No certificate is shown, and the name is known. */
static void resumed(int version, const char *name)
{
	struct peer_opts opts = {.version = version, .server_name = name};
	char byte;

	up(MODE_HTTP, 0, &opts);
	while (SSL_do_handshake(c.peer.ssl), (void)SSL_read(c.peer.ssl, &byte, 1),
	       !(opts.session = peer_session(&c.peer))) {
		peer_wait(c.peer.fd);
		peer_receive(&c.peer);
	}
	stop(&c);
	start(&c, ctx, &opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	assert_true(SSL_session_reused(c.peer.ssl));
	tls_words(c.tls, &words);
	assert_string_equal(words.sni, name);
	assert_string_equal(words.sig_alg, "");
	assert_string_equal(words.key_alg, "");
	assert_string_not_equal(words.cipher, "");
	down();
	SSL_SESSION_free(opts.session);
}

static void a_session_that_is_resumed(void **state)
{
	(void)state;
	resumed(TLS1_2_VERSION, "a.test");
	resumed(TLS1_3_VERSION, "a.test");
	/* A name without a certificate: OpenSSL does not keep it. */
	resumed(TLS1_2_VERSION, "b.test");
	resumed(TLS1_3_VERSION, "b.test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_and_cipher),        cmocka_unit_test(the_certificate),
		cmocka_unit_test(name_and_protocol),         cmocka_unit_test(the_longest_name),
		cmocka_unit_test(a_session_that_is_resumed),
	};

	peer_cert_make(&rsa, "rsa", PEER_RSA, "a.test", 30);
	peer_cert_make(&ec, "ec", PEER_EC, "a.test", 30);
	certs[0] = (struct conf_cert){.cert = rsa.cert, .key = rsa.key};
	certs[1] = (struct conf_cert){.cert = ec.cert, .key = ec.key};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
