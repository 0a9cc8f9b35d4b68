/* SPDX-License-Identifier: BSD-2-Clause */
/* Contexts, certificates and handshakes of tls.h, against OpenSSL's own client. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "tls/tls.h"
#include "tls/tls_handoff.h"
#include "tests/lib/tls_peer.h"
#include "tests/unit/tls/tls_rig.h"
#include "tests/lib/assert_reason.h"

static const char *const suites12[] = {
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
};
static const char *const suites13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
				       "TLS_CHACHA20_POLY1305_SHA256"};

enum { EC_A, RSA_A, EC_WILD, RSA_NO_SAN, PAIRS };
static struct peer_cert files[PAIRS];
static struct conf_cert pairs[PAIRS];
static struct conf_names protocols; /* of the next context */

static struct tls_ctx *make_ctx_of(enum conf_mode mode, const struct tls_shared *s, size_t first,
				   size_t count)
{
	const struct tls_offer offer = {
		.certs = pairs + first, .certs_count = count, .mode = mode, .alpn = protocols};
	struct tls_ctx *ctx = NULL;

	assert_int_equal(tls_ctx_new(&ctx, &offer, s), 0);
	assert_non_null(ctx);
	return ctx;
}

static struct tls_ctx *make_ctx(const struct tls_shared *s, size_t first, size_t count)
{
	return make_ctx_of(MODE_HTTP, s, first, count);
}

/* --- handshakes ------------------------------------------------------------------------------- */

static void every_version_and_suite_in_any_pieces(void **state)
{
	static const size_t pieces[] = {0, 1, 5, 100};
	struct tls_shared shared;
	struct tls_ctx *ctx;

	for (int kernel = 0; kernel <= 1; kernel++) {
		make_shared(&shared, POLICY_PREFER, false, kernel);
		ctx = make_ctx(&shared, 0, PAIRS);
		for (int v = 0; v < VERSION_COUNT; v++)
			for (int s = 0; s < SUITE_COUNT; s++)
				for (int p = 0; p < 4; p++) {
					const struct peer_opts opts = {
						.version = v ? TLS1_3_VERSION : TLS1_2_VERSION,
						.suites12 = suites12[s],
						.suites13 = suites13[s],
					};
					struct conn c;

					start(&c, ctx, &opts);
					shake_hands(&c, pieces[p]);
					assert_int_equal(c.step, TLS_DONE);
					stop(&c);
				}
		tls_ctx_free(ctx);
	}
}

/* What the client sends right behind its Finished is for the kernel: it must not be read. */
static void nothing_is_read_beyond_the_handshake(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct tls_shared shared;
	struct tls_ctx *ctx;

	make_shared(&shared, POLICY_PREFER, false, true);
	ctx = make_ctx(&shared, 0, 1);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct conn c;
		int records = 0, queued = 0;
		char *bytes;

		start(&c, ctx, &(struct peer_opts){.version = version});
		client_handshake(&c);
		/* In TLS 1.3 the client's Finished is not sent yet. It goes with these. */
		for (int i = 0; i < 3; i++) {
			long before = BIO_get_mem_data(c.peer.out, &bytes);

			assert_int_equal(SSL_write(c.peer.ssl, request, sizeof(request)),
					 sizeof(request));
			records += (int)(BIO_get_mem_data(c.peer.out, &bytes) - before);
		}
		peer_send(&c.peer, 0, NULL, NULL);
		server_handshake(&c);
		/* Readable only when all of it has arrived. Nothing of it may be missing then. */
		assert_int_equal(
			setsockopt(c.fd, SOL_SOCKET, SO_RCVLOWAT, &records, sizeof(records)), 0);
		peer_wait(c.fd);
		assert_int_equal(ioctl(c.fd, FIONREAD, &queued), 0);
		assert_int_equal(queued, records);
		stop(&c);
	}
	tls_ctx_free(ctx);
}

/* Without the kernel one recv() takes all, and the record gets the rest of it. */
static void early_data_reaches_the_record(void **state)
{
	struct tls_shared shared;
	struct tls_ctx *ctx;

	make_shared(&shared, POLICY_OFF, false, true);
	ctx = make_ctx(&shared, 0, 1);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		enum kedge_reason reason = KEDGE_REASON_NONE;
		struct record *record = NULL;
		struct tls_facts facts;
		char got[100];
		struct conn c;

		start(&c, ctx, &(struct peer_opts){.version = version});
		client_handshake(&c);
		assert_int_equal(SSL_write(c.peer.ssl, "one", 3), 3);
		assert_int_equal(SSL_write(c.peer.ssl, "two", 3), 3);
		peer_send(&c.peer, 0, NULL, NULL);
		server_handshake(&c);
		/* Another connection uses the shared buffers meanwhile. */
		memset(scratch_in, 0xee, sizeof(scratch_in));
		assert_int_equal(tls_into_record(&c.tls, &record, &facts, &reason), 0);
		assert_null(c.tls);
		assert_string_equal(record->ops->name, "user");
		assert_false(facts.kernel);
		assert_int_equal(facts.version, version == TLS1_3_VERSION);
		for (ssize_t n = 0, r; n<6; n += r> 0 ? r : 0) {
			r = record_read(record, got + n, sizeof(got) - (size_t)n);
			if (r == -EAGAIN)
				peer_wait(c.fd);
			else
				assert_true(r > 0);
		}
		assert_memory_equal(got, "onetwo", 6);
		assert_int_equal(record_read(record, got, sizeof(got)), -EAGAIN);
		record_free(record);
		stop(&c);
	}
	tls_ctx_free(ctx);
}

/* Shows a session, which began in mode http with all pairs, to a context in `mode` with others. */
static struct conf_names first_protocols; /* of the context that it began with */

static void shows_a_session(enum conf_mode mode, unsigned from, unsigned count, bool resumed)
{
	struct tls_shared shared;
	struct tls_ctx *first, *second;

	make_shared(&shared, POLICY_OFF, false, false);
	protocols = first_protocols;
	first = make_ctx(&shared, 0, PAIRS);
	protocols.count = 0;
	second = make_ctx_of(mode, &shared, from, count);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct peer_opts opts = {.version = version, .server_name = "a.test"};
		enum kedge_reason reason = KEDGE_REASON_NONE;
		struct record *record = NULL;
		struct tls_facts facts;
		char got[10];
		struct conn c;

		start(&c, first, &opts);
		shake_hands(&c, 0);
		/* TLS 1.3 tickets come like data. */
		while (SSL_do_handshake(c.peer.ssl), (void)SSL_read(c.peer.ssl, got, sizeof(got)),
		       !(opts.session = peer_session(&c.peer))) {
			peer_wait(c.peer.fd);
			peer_receive(&c.peer);
		}
		assert_int_equal(tls_into_record(&c.tls, &record, &facts, &reason), 0);
		assert_false(facts.resumed);
		record_free(record);
		stop(&c);

		start(&c, second, &opts);
		shake_hands(&c, 0);
		assert_int_equal(c.step, TLS_DONE);
		assert_int_equal(SSL_session_reused(c.peer.ssl), resumed);
		assert_int_equal(tls_into_record(&c.tls, &record, &facts, &reason), 0);
		assert_int_equal(facts.resumed, resumed);
		record_free(record);
		stop(&c);
		SSL_SESSION_free(opts.session);
	}
	tls_ctx_free(first);
	tls_ctx_free(second);
}

static void resumes_in_another_context(void **state)
{
	shows_a_session(MODE_HTTP, 0, PAIRS, true);
}

/* A client that has met an HTTP server must not take a listener in mode tcp for the same. */
static void resumes_in_no_other_mode(void **state)
{
	shows_a_session(MODE_TCP, 0, PAIRS, false);
}

static void resumes_with_no_other_protocols(void **state)
{
	char *names[] = {(char *)"http/1.1"};

	first_protocols = (struct conf_names){.set = names, .count = 1};
	shows_a_session(MODE_HTTP, 0, PAIRS, false);
	first_protocols.count = 0;
}

/* Not even if it has the certificate with which the session began. */
static void resumes_with_no_other_certificates(void **state)
{
	shows_a_session(MODE_HTTP, 0, PAIRS - 1, false);
	shows_a_session(MODE_HTTP, 0, 1, false);
	shows_a_session(MODE_HTTP, 1, PAIRS - 1, false);
}

/* --- what is offered -------------------------------------------------------------------------- */

/* The reason why a client with these options fails; NONE if it does not. */
static enum kedge_reason outcome(struct tls_ctx *ctx, const struct peer_opts *opts)
{
	enum kedge_reason reason;
	struct conn c;

	start(&c, ctx, opts);
	shake_hands(&c, 0);
	assert_true(c.step == TLS_DONE || c.step == TLS_FAILED);
	reason = c.step == TLS_DONE ? KEDGE_REASON_NONE : c.reason;
	stop(&c);
	ERR_clear_error();
	return reason;
}

static void old_or_weak_is_refused(void **state)
{
	static const struct peer_opts weak[] = {
		{.version = TLS1_VERSION, .suites12 = "ALL:@SECLEVEL=0"},
		{.version = TLS1_1_VERSION, .suites12 = "ALL:@SECLEVEL=0"},
		{.version = TLS1_2_VERSION, .suites12 = "ECDHE-ECDSA-AES128-SHA"},
		{.version = TLS1_2_VERSION, .suites12 = "AES128-GCM-SHA256"},
		{.version = TLS1_2_VERSION, .suites12 = "DHE-RSA-AES128-GCM-SHA256"},
		{.version = TLS1_3_VERSION, .suites13 = "TLS_AES_128_CCM_SHA256"},
	};
	struct tls_shared shared;
	struct tls_ctx *ctx;

	make_shared(&shared, POLICY_OFF, false, false);
	ctx = make_ctx(&shared, 0, PAIRS);
	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++)
		assert_reason(outcome(ctx, &weak[i]), KEDGE_REASON_tls_no_shared);
	tls_ctx_free(ctx);
}

static void tls13_only_refuses_tls12(void **state)
{
	struct tls_shared shared;
	struct tls_ctx *ctx;

	make_shared(&shared, POLICY_OFF, true, false);
	ctx = make_ctx(&shared, 0, 1);
	assert_reason(outcome(ctx, &(struct peer_opts){.version = TLS1_2_VERSION}),
		      KEDGE_REASON_tls_no_shared);
	assert_reason(outcome(ctx, &(struct peer_opts){.version = TLS1_3_VERSION}),
		      KEDGE_REASON_NONE);
	tls_ctx_free(ctx);
}

static void require_offers_only_what_the_kernel_carries(void **state)
{
	struct tls_shared shared;
	struct tls_ctx *ctx = NULL;

	make_shared(&shared, POLICY_REQUIRE, false, false);
	assert_int_equal(
		tls_ctx_new(&ctx, &(struct tls_offer){.certs = pairs, .certs_count = 1}, &shared),
		-EOPNOTSUPP);
	assert_null(ctx);

	shared.caps.tx[VERSION_TLS13][SUITE_AES_256_GCM] = true;
	shared.caps.rx[VERSION_TLS13][SUITE_AES_256_GCM] = true;
	shared.caps.tx[VERSION_TLS13][SUITE_AES_128_GCM] = true; /* one direction is not enough */
	ctx = make_ctx(&shared, 0, 1);
	assert_reason(outcome(ctx, &(struct peer_opts){.version = TLS1_2_VERSION}),
		      KEDGE_REASON_tls_no_shared);
	assert_reason(outcome(ctx, &(struct peer_opts){.suites13 = suites13[SUITE_AES_128_GCM]}),
		      KEDGE_REASON_tls_no_shared);
	assert_reason(outcome(ctx, &(struct peer_opts){.suites13 = suites13[SUITE_AES_256_GCM]}),
		      KEDGE_REASON_NONE);
	tls_ctx_free(ctx);
}

static void suites_of_the_kernel_come_first(void **state)
{
	struct tls_shared shared;
	struct tls_ctx *ctx;
	struct conn c;

	make_shared(&shared, POLICY_PREFER, false, false);
	shared.caps.tx[VERSION_TLS13][SUITE_CHACHA20_POLY1305] = true;
	shared.caps.rx[VERSION_TLS13][SUITE_CHACHA20_POLY1305] = true;
	ctx = make_ctx(&shared, 0, 1);
	start(&c, ctx, &(struct peer_opts){.version = TLS1_3_VERSION});
	shake_hands(&c, 0);
	assert_string_equal(SSL_get_cipher_name(c.peer.ssl), suites13[SUITE_CHACHA20_POLY1305]);
	stop(&c);
	tls_ctx_free(ctx);
}

struct alpn_case {
	const char *offer, *want;
};

static void select_by_alpn(enum conf_mode mode, const struct alpn_case *cases, size_t count)
{
	struct tls_shared shared;
	struct tls_ctx *ctx;

	make_shared(&shared, POLICY_OFF, false, false);
	ctx = make_ctx_of(mode, &shared, 0, PAIRS);
	for (size_t i = 0; i < count; i++) {
		const struct peer_opts opts = {.alpn = cases[i].offer, .server_name = "a.test"};
		const unsigned char *got;
		unsigned len;
		struct conn c;

		start(&c, ctx, &opts);
		shake_hands(&c, 0);
		if (cases[i].want) {
			assert_int_equal(c.step, TLS_DONE);
			SSL_get0_alpn_selected(c.peer.ssl, &got, &len);
			assert_int_equal(len, strlen(cases[i].want));
			assert_memory_equal(got, cases[i].want, len);
		} else {
			assert_int_equal(c.step, TLS_FAILED);
			assert_reason(c.reason, KEDGE_REASON_tls_no_protocol);
			while (SSL_do_handshake(c.peer.ssl), !ERR_peek_error()) {
				peer_wait(c.peer.fd);
				peer_receive(&c.peer);
			}
			assert_int_not_equal(SSL_do_handshake(c.peer.ssl), 1);
			assert_int_equal(ERR_GET_REASON(ERR_get_error()),
					 SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
		}
		stop(&c);
	}
	tls_ctx_free(ctx);
}

static void alpn_selects_http11_or_refuses(void **state)
{
	static const struct alpn_case cases[] = {
		{"\x02h2\x08http/1.1", "http/1.1"},
		{"\x08http/1.0\x08http/1.1", "http/1.1"},
		{"\x08http/1.0", "http/1.0"},
		{"\x02h2", NULL},
		{"\x02h2\x02h3", NULL},
	};

	select_by_alpn(MODE_HTTP, cases, sizeof(cases) / sizeof(cases[0]));
}

static void alpn_selects_from_a_list(void **state)
{
	static const struct alpn_case cases[] = {
		{"\x08http/1.1\x02h2", "h2"}, {"\x02h2", "h2"},  {"\x04imap\x03h2c\x02xx", "imap"},
		{"\x08http/1.1", NULL},       {"\x03h2c", NULL}, {"\x01h", NULL},
	};
	char *names[] = {(char *)"h2", (char *)"imap"};

	protocols = (struct conf_names){.set = names, .count = 2};
	select_by_alpn(MODE_TCP, cases, sizeof(cases) / sizeof(cases[0]));
	names[0] = (char *)"http/1.1";
	protocols.count = 1;
	select_by_alpn(MODE_HTTP, &(struct alpn_case){"\x08http/1.0\x08http/1.1", "http/1.1"}, 1);
	select_by_alpn(MODE_HTTP, &(struct alpn_case){"\x08http/1.0", NULL}, 1);
	protocols.count = 0;
}

/* RFC 7301 asks nothing of a client that does not know ALPN. */
static void alpn_need_not_be_offered(void **state)
{
	char *names[] = {(char *)"h2"};
	struct tls_shared shared;
	struct tls_ctx *ctx;

	make_shared(&shared, POLICY_OFF, false, false);
	protocols = (struct conf_names){.set = names, .count = 1};
	ctx = make_ctx_of(MODE_TCP, &shared, 0, 1);
	protocols.count = 0;
	assert_reason(outcome(ctx, &(struct peer_opts){0}), KEDGE_REASON_NONE);
	tls_ctx_free(ctx);
}

static void alpn_is_not_answered_in_mode_tcp(void **state)
{
	const struct peer_opts opts = {.alpn = "\x02h2\x08http/1.1", .server_name = "a.test"};
	struct tls_shared shared;
	struct tls_ctx *ctx;
	const unsigned char *got;
	unsigned len;
	struct conn c;

	make_shared(&shared, POLICY_OFF, false, false);
	ctx = make_ctx_of(MODE_TCP, &shared, 0, PAIRS);
	start(&c, ctx, &opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	SSL_get0_alpn_selected(c.peer.ssl, &got, &len);
	assert_int_equal(len, 0);
	stop(&c);
	tls_ctx_free(ctx);
}

/* --- certificates ----------------------------------------------------------------------------- */

/* The common name (and file name) of the certificate that such a client gets. */
static const char *served(struct tls_ctx *ctx, const char *name, const char *sigalgs)
{
	static char cn[100];
	const struct peer_opts opts = {.server_name = name, .sigalgs = sigalgs};
	struct conn c;
	X509 *x;

	start(&c, ctx, &opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	x = SSL_get1_peer_certificate(c.peer.ssl);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	X509_free(x);
	stop(&c);
	return cn;
}

#define RSA_ONLY "RSA-PSS+SHA256"
#define EC_ONLY  "ECDSA+SHA256"

static void certificate_by_name_and_key_type(void **state)
{
	struct tls_shared shared;
	struct tls_ctx *ctx;

	make_shared(&shared, POLICY_OFF, false, false);
	ctx = make_ctx(&shared, 0, PAIRS);
	assert_string_equal(served(ctx, "a.test", EC_ONLY), "ec-a");
	assert_string_equal(served(ctx, "a.test", RSA_ONLY), "rsa-a");
	assert_string_equal(served(ctx, "X.Wild.TEST", NULL), "ec-wild");
	assert_string_equal(served(ctx, "only-rsa.test", NULL), "rsa-a");
	assert_string_equal(served(ctx, "x.wild.test", NULL), "ec-wild");
	/* An exact name of one key type and a wildcard of the other go together. */
	assert_string_equal(served(ctx, "exact.wild.test", RSA_ONLY), "rsa-a");
	assert_string_equal(served(ctx, "exact.wild.test", EC_ONLY), "ec-wild");
	/* A wildcard is one label, not two, and not none. */
	assert_string_equal(served(ctx, "x.y.wild.test", EC_ONLY), "ec-a");
	assert_string_equal(served(ctx, "wild.test", EC_ONLY), "ec-a");
	/* Unknown and missing names get the first pair's name, in both key types. */
	assert_string_equal(served(ctx, "unknown.test", EC_ONLY), "ec-a");
	assert_string_equal(served(ctx, NULL, EC_ONLY), "ec-a");
	assert_string_equal(served(ctx, NULL, RSA_ONLY), "rsa-a");
	tls_ctx_free(ctx);

	ctx = make_ctx(&shared, RSA_NO_SAN, 1);
	assert_string_equal(served(ctx, "anything.test", NULL), "rsa-no-san");
	tls_ctx_free(ctx);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

/* The reason after the client has sent these bytes and perhaps closed. */
static enum kedge_reason after_bytes(const void *bytes, size_t n, bool close_it)
{
	struct tls_shared shared;
	struct tls_ctx *ctx;
	struct conn c;
	enum kedge_reason reason;

	make_shared(&shared, POLICY_PREFER, false, n % 2);
	ctx = make_ctx(&shared, 0, 1);
	start(&c, ctx, &(struct peer_opts){0});
	if (n)
		assert_int_equal(send(c.peer.fd, bytes, n, 0), n);
	if (close_it)
		shutdown(c.peer.fd, SHUT_WR);
	peer_wait(c.fd);
	step(&c);
	reason = c.step == TLS_FAILED ? c.reason : KEDGE_REASON_NONE;
	assert_int_equal(ERR_peek_error(), 0);
	stop(&c);
	tls_ctx_free(ctx);
	return reason;
}

static enum kedge_reason after_text(const char *text)
{
	return after_bytes(text, strlen(text), false);
}

static void failures_are_told_apart(void **state)
{
	assert_int_equal(after_text("GET / HTTP/1.1\r\n\r\n"), KEDGE_REASON_tls_plain_http);
	assert_int_equal(after_text("OPTIONS * HTTP/1.1\r\n\r\n"), KEDGE_REASON_tls_plain_http);
	assert_int_equal(after_text("PROPFIND / HTTP/1.1\r\n\r\n"), KEDGE_REASON_tls_plain_http);
	assert_int_equal(after_text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
			 KEDGE_REASON_tls_plain_http);
	assert_int_equal(after_text("CONNECT a:1 HTTP/1.1\r\n\r\n"), KEDGE_REASON_tls_plain_http);
	assert_int_equal(after_text("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"),
			 KEDGE_REASON_tls_not_tls);
	assert_int_equal(after_text("SSH-2.0-OpenSSH_9.2p1\r\n"), KEDGE_REASON_tls_not_tls);
	assert_int_equal(after_bytes("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9, false),
			 KEDGE_REASON_tls_handshake);
	assert_int_equal(after_bytes("", 0, true), KEDGE_REASON_tls_client_gone);
	assert_int_equal(after_bytes("\x16\x03\x01", 3, true), KEDGE_REASON_tls_client_gone);
	assert_int_equal(after_bytes("\x16\x03\x01\x02\x00\x01", 6, true),
			 KEDGE_REASON_tls_client_gone);
}

/* As curl does when it does not know the CA. */
static void client_alert_is_the_clients_doing(void **state)
{
	struct tls_shared shared;
	struct tls_ctx *ctx;

	for (int kernel = 0; kernel <= 1; kernel++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct conn c;

			make_shared(&shared, POLICY_PREFER, false, kernel);
			ctx = make_ctx(&shared, 0, 1);
			start(&c, ctx, &(struct peer_opts){.version = version});
			SSL_set_verify(c.peer.ssl, SSL_VERIFY_PEER, NULL);
			shake_hands(&c, 0);
			assert_int_equal(c.step, TLS_FAILED);
			assert_reason(c.reason, KEDGE_REASON_tls_client_alert);
			assert_int_equal(ERR_peek_error(), 0);
			stop(&c);
			tls_ctx_free(ctx);
		}
}

static void client_reset_is_the_client_gone(void **state)
{
	const struct linger now = {.l_onoff = 1};
	struct tls_shared shared;
	struct tls_ctx *ctx;
	struct conn c;

	make_shared(&shared, POLICY_OFF, false, false);
	ctx = make_ctx(&shared, 0, 1);
	start(&c, ctx, &(struct peer_opts){0});
	SSL_do_handshake(c.peer.ssl);
	peer_send(&c.peer, 0, step, &c);
	setsockopt(c.peer.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c.peer.fd);
	c.peer.fd = -1;
	peer_wait(c.fd);
	step(&c);
	assert_int_equal(c.step, TLS_FAILED);
	assert_reason(c.reason, KEDGE_REASON_tls_client_gone);
	stop(&c);
	tls_ctx_free(ctx);
}

/* The client reads nothing, so the flight does not fit the socket. */
static void full_socket_is_waited_for(void **state)
{
	struct tls_shared shared;
	struct tls_ctx *ctx;
	int ends[2], small = 1, turns = 0;
	struct conn c = {.step = TLS_WANT_READ};

	make_shared(&shared, POLICY_OFF, false, false);
	ctx = make_ctx(&shared, RSA_A, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	c.fd = ends[1];
	peer_open(&c.peer, ends[0], &(struct peer_opts){0});
	c.tls = tls_conn_new(ctx, c.fd, &scratch);
	/* Fill the socket first. */
	while (send(c.fd, "x", 1, 0) == 1)
		turns++;
	assert_true(turns > 0);
	SSL_do_handshake(c.peer.ssl);
	peer_send(&c.peer, 0, NULL, NULL);
	step(&c);
	assert_int_equal(c.step, TLS_WANT_WRITE);
	memset(scratch_out, 0xee, sizeof(scratch_out));
	step(&c);
	assert_int_equal(c.step, TLS_WANT_WRITE);
	for (char x; turns; turns--)
		assert_int_equal(recv(c.peer.fd, &x, 1, 0), 1);
	for (turns = 0; turns < 1000 && c.step != TLS_DONE && c.step != TLS_FAILED; turns++) {
		step(&c);
		memset(scratch_out, 0xee, sizeof(scratch_out));
		peer_receive(&c.peer);
		SSL_do_handshake(c.peer.ssl);
		peer_send(&c.peer, 0, NULL, NULL);
	}
	assert_int_equal(c.step, TLS_DONE);
	stop(&c);
	tls_ctx_free(ctx);
}

static int make_certs(void **state)
{
	peer_cert_make(&files[EC_A], "ec-a", PEER_EC, "a.test", 10);
	peer_cert_make(&files[RSA_A], "rsa-a", PEER_RSA, "a.test,only-rsa.test,exact.wild.test",
		       10);
	peer_cert_make(&files[EC_WILD], "ec-wild", PEER_EC, "*.wild.test", 10);
	peer_cert_make(&files[RSA_NO_SAN], "rsa-no-san", PEER_RSA, "", 10);
	for (int i = 0; i < PAIRS; i++)
		pairs[i] = (struct conf_cert){.cert = files[i].cert, .key = files[i].key};
	return 0;
}

/* --- reload ----------------------------------------------------------------------------------- */

static void random_ticket_keys_outlive_a_reload(void **state)
{
	struct conf conf = {0};
	struct tls_shared before, after;

	make_shared(&before, POLICY_PREFER, false, true);
	conf.tls_policy = TLS_POLICY_MODERN;
	assert_int_equal(tls_shared_next(&after, &before, &conf), 0);
	assert_memory_equal(&after.tickets, &before.tickets, sizeof(after.tickets));
	assert_memory_equal(&after.caps, &before.caps, sizeof(after.caps));
	assert_true(after.tls13_only);
	/* From a file to none: others know the keys of the file, so new ones are made. */
	before.tickets_random = false;
	assert_int_equal(tls_shared_next(&after, &before, &conf), 0);
	assert_memory_not_equal(&after.tickets, &before.tickets, sizeof(after.tickets));
	/* A file that is missing changes nothing. */
	conf.ticket_keys = (char *)"/nowhere/keys";
	assert_int_equal(tls_shared_next(&after, &before, &conf), -ENOENT);
	tls_shared_wipe(&before);
	tls_shared_wipe(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_and_suite_in_any_pieces),
		cmocka_unit_test(nothing_is_read_beyond_the_handshake),
		cmocka_unit_test(early_data_reaches_the_record),
		cmocka_unit_test(resumes_in_another_context),
		cmocka_unit_test(resumes_in_no_other_mode),
		cmocka_unit_test(resumes_with_no_other_protocols),
		cmocka_unit_test(resumes_with_no_other_certificates),
		cmocka_unit_test(old_or_weak_is_refused),
		cmocka_unit_test(tls13_only_refuses_tls12),
		cmocka_unit_test(require_offers_only_what_the_kernel_carries),
		cmocka_unit_test(suites_of_the_kernel_come_first),
		cmocka_unit_test(alpn_selects_http11_or_refuses),
		cmocka_unit_test(alpn_selects_from_a_list),
		cmocka_unit_test(alpn_need_not_be_offered),
		cmocka_unit_test(alpn_is_not_answered_in_mode_tcp),
		cmocka_unit_test(certificate_by_name_and_key_type),
		cmocka_unit_test(failures_are_told_apart),
		cmocka_unit_test(client_alert_is_the_clients_doing),
		cmocka_unit_test(client_reset_is_the_client_gone),
		cmocka_unit_test(full_socket_is_waited_for),
		cmocka_unit_test(random_ticket_keys_outlive_a_reload),
	};

	return cmocka_run_group_tests(tests, make_certs, NULL);
}
