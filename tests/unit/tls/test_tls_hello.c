/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_hello.c: what a ClientHello decides, against OpenSSL's own client and against bytes. */
#include "tests/unit/tls/tls_rig.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/heard.h"
#include "tests/lib/assert_reason.h"
#include "tls/tls_handoff.h"

enum { A, B, WILD, PAIRS };
static struct peer_cert files[PAIRS];
static struct conf_cert pairs[PAIRS];
static struct tls_shared shared;

static struct tls_ctx *make_ctx(bool strict)
{
	const struct tls_offer offer = {.certs = pairs, .certs_count = PAIRS};
	struct tls_ctx *ctx = NULL;

	assert_int_equal(tls_ctx_new(&ctx, &offer, &shared), 0);
	if (strict)
		tls_ctx_strict_sni(ctx);
	return ctx;
}

/* --- names ------------------------------------------------------------------------------------ */

/*
 * The common name of the certificate that a client of this name gets; "refused": it got the alert
 * unrecognized_name.
 */
static const char *served(struct tls_ctx *ctx, int version, const char *name)
{
	static char cn[100];
	const struct peer_opts opts = {.version = version, .server_name = name};
	struct conn c;
	X509 *x;

	start(&c, ctx, &opts);
	shake_hands(&c, 0);
	if (c.step == TLS_DONE) {
		x = SSL_get1_peer_certificate(c.peer.ssl);
		X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
		X509_free(x);
	} else {
		assert_reason(c.reason, KEDGE_REASON_tls_unknown_name);
		while (SSL_do_handshake(c.peer.ssl), !ERR_peek_error()) {
			peer_wait(c.peer.fd);
			peer_receive(&c.peer);
		}
		assert_int_equal(ERR_GET_REASON(ERR_get_error()), SSL_R_TLSV1_UNRECOGNIZED_NAME);
		strcpy(cn, "refused");
	}
	stop(&c);
	ERR_clear_error();
	return cn;
}

static void names_are_chosen_by(void **state)
{
	struct tls_ctx *ctx = make_ctx(false), *strict = make_ctx(true);
	static const struct {
		const char *name, *lax, *strict;
	} cases[] = {
		{"a.test", "a", "a"},
		{"b.test", "b", "b"},
		{"B.Test", "b", "b"},
		{"x.wild.test", "wild", "wild"},
		{"X.WILD.TEST", "wild", "wild"},
		/* One label, no more and no less, and not the star itself. */
		{"x.y.wild.test", "a", "refused"},
		{"wild.test", "a", "refused"},
		{"*.wild.test", "a", "refused"},
		{".wild.test", "a", "refused"},
		{"c.test", "a", "refused"},
		{"192.0.2.1", "a", "refused"},
		{"2001:db8::1", "a", "refused"},
		{"b.test ", "a", "refused"},
		{".", "a", "refused"},
		{NULL, "a", "refused"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			assert_string_equal(served(ctx, version, cases[i].name), cases[i].lax);
			assert_string_equal(served(strict, version, cases[i].name),
					    cases[i].strict);
		}
	tls_ctx_free(ctx);
	tls_ctx_free(strict);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* The session of a client that has named this host. */
static SSL_SESSION *session_of(struct tls_ctx *ctx, const struct peer_opts *opts)
{
	enum kedge_reason reason = KEDGE_REASON_NONE;
	struct record *record = NULL;
	SSL_SESSION *session;
	struct tls_facts facts;
	char got[10];
	struct conn c;

	start(&c, ctx, opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	/* TLS 1.3 tickets come like data. */
	while (SSL_do_handshake(c.peer.ssl), (void)SSL_read(c.peer.ssl, got, sizeof(got)),
	       !(session = peer_session(&c.peer))) {
		peer_wait(c.peer.fd);
		peer_receive(&c.peer);
	}
	assert_int_equal(tls_into_record(&c.tls, &record, &facts, &reason), 0);
	record_free(record);
	stop(&c);
	return session;
}

static bool resumes(struct tls_ctx *ctx, const struct peer_opts *opts)
{
	bool resumed;
	struct conn c;

	start(&c, ctx, opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	resumed = SSL_session_reused(c.peer.ssl);
	stop(&c);
	return resumed;
}

/* RFC 6066 section 3, also where the same certificates are behind both names. */
static void a_session_is_for_one_name(void **state)
{
	static const char *const names[] = {"a.test", "b.test", "a2.test", "unknown.test", NULL};
	struct tls_ctx *ctx = make_ctx(false);

	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int from = 0; from < 5; from++)
			for (int to = 0; to < 5; to++) {
				struct peer_opts opts = {.version = version,
							 .server_name = names[from]};

				opts.session = session_of(ctx, &opts);
				opts.server_name = names[to];
				assert_int_equal(resumes(ctx, &opts), from == to);
				SSL_SESSION_free(opts.session);
			}
	tls_ctx_free(ctx);
}

/* --- a second hello --------------------------------------------------------------------------- */

/* The client shows a key share that kedge does not take, so it is asked for another. */
static enum kedge_reason after_retry(struct tls_ctx *ctx, const char *then)
{
	struct conn c;
	enum kedge_reason reason;

	start(&c, ctx, &(struct peer_opts){.version = TLS1_3_VERSION, .server_name = "a.test"});
	assert_int_equal(SSL_set1_groups_list(c.peer.ssl, "P-521:P-256"), 1);
	SSL_do_handshake(c.peer.ssl);
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
	step(&c);
	assert_int_equal(c.step, TLS_WANT_READ);
	SSL_set_tlsext_host_name(c.peer.ssl, then);
	peer_wait(c.peer.fd);
	peer_receive(&c.peer);
	shake_hands(&c, 0);
	reason = c.step == TLS_DONE ? KEDGE_REASON_NONE : c.reason;
	stop(&c);
	ERR_clear_error();
	return reason;
}

static void the_name_may_not_change_between_hellos(void **state)
{
	struct tls_ctx *ctx = make_ctx(false);

	(void)state;
	assert_int_equal(after_retry(ctx, "a.test"), KEDGE_REASON_NONE);
	assert_int_equal(after_retry(ctx, "b.test"), KEDGE_REASON_tls_handshake);
	assert_int_equal(after_retry(ctx, "unknown.test"), KEDGE_REASON_tls_handshake);
	assert_reason(after_retry(ctx, NULL), KEDGE_REASON_tls_handshake);
	tls_ctx_free(ctx);
}

/* --- routes ----------------------------------------------------------------------------------- */

/*
 * 0: r.test and *.r.test with h2, certificate of B. 1: r.test with any protocol, mode http,
 * certificate of A. 2: a.test, mode tcp, the listener's certificates. 3: b.test with h2, alike.
 */
static struct tls_ctx *make_routes(bool strict)
{
	struct tls_ctx *ctx = make_ctx(strict);
	char *r_names[] = {(char *)"r.test", (char *)"*.r.test"}, *a[] = {(char *)"a.test"},
	     *b[] = {(char *)"b.test"}, *h2[] = {(char *)"h2"};
	const struct {
		struct conf_names names;
		struct tls_offer offer;
	} all[] = {
		{{r_names, 2},
		 {.certs = &pairs[B], .certs_count = 1, .alpn = {h2, 1}, .mode = MODE_TCP}},
		{{r_names, 1}, {.certs = &pairs[A], .certs_count = 1}},
		{{a, 1}, {.mode = MODE_TCP}},
		{{b, 1}, {.alpn = {h2, 1}, .mode = MODE_TCP}},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		assert_int_equal(tls_ctx_add_route(ctx, &all[i].names, &all[i].offer), 0);
	return ctx;
}

static void routes_have_certificates_and_protocols(void **state)
{
	static const struct {
		const char *name, *offer, *cert;
		int route;
		const char *protocol;
	} cases[] = {
		{"r.test", "\x02h2\x08http/1.1", "b", 0, "h2"},
		{"R.Test", "\x08http/1.1\x02h2", "b", 0, "h2"},
		{"x.r.test", "\x02h2", "b", 0, "h2"},
		{"r.test", "\x08http/1.1", "a", 1, "http/1.1"},
		{"r.test", NULL, "a", 1, ""},
		{"a.test", "\x08http/1.1", "a", 2, ""},
		{"b.test", "\x02h2", "b", 3, "h2"},
		/* No route: the listener's own offer. */
		{"b.test", "\x08http/1.1", "b", -1, "http/1.1"},
		{"x.r.test", NULL, "a", -1, ""},
		{"x.x.r.test", "\x08http/1.1", "a", -1, "http/1.1"},
		{"y.wild.test", NULL, "wild", -1, ""},
		{NULL, "\x08http/1.1", "a", -1, "http/1.1"},
	};
	struct tls_ctx *ctx = make_routes(false);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			const struct peer_opts opts = {.version = version,
						       .server_name = cases[i].name,
						       .alpn = cases[i].offer};
			enum kedge_reason reason = KEDGE_REASON_NONE;
			struct record *record = NULL;
			struct tls_facts facts;
			const unsigned char *got;
			char cn[100];
			unsigned len;
			struct conn c;
			X509 *x;

			start(&c, ctx, &opts);
			shake_hands(&c, 0);
			assert_int_equal(c.step, TLS_DONE);
			assert_int_equal(tls_conn_route(c.tls), cases[i].route);
			x = SSL_get1_peer_certificate(c.peer.ssl);
			X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn,
						  sizeof(cn));
			X509_free(x);
			assert_string_equal(cn, cases[i].cert);
			SSL_get0_alpn_selected(c.peer.ssl, &got, &len);
			assert_int_equal(len, strlen(cases[i].protocol));
			assert_memory_equal(got, cases[i].protocol, len);
			assert_int_equal(tls_into_record(&c.tls, &record, &facts, &reason), 0);
			assert_int_equal(facts.route, cases[i].route);
			record_free(record);
			stop(&c);
		}
	tls_ctx_free(ctx);
}

static enum kedge_reason outcome(struct tls_ctx *ctx, const char *name, const char *offer)
{
	enum kedge_reason reason;
	struct conn c;

	start(&c, ctx, &(struct peer_opts){.server_name = name, .alpn = offer});
	shake_hands(&c, 0);
	reason = c.step == TLS_DONE ? KEDGE_REASON_NONE : c.reason;
	stop(&c);
	ERR_clear_error();
	return reason;
}

static void strict_names_with_routes(void **state)
{
	struct tls_ctx *ctx = make_routes(true);

	(void)state;
	/* It has a route, but no certificate. */
	assert_int_equal(outcome(ctx, "r.test", NULL), KEDGE_REASON_NONE);
	assert_int_equal(outcome(ctx, "x.r.test", "\x02h2"), KEDGE_REASON_NONE);
	/* The name is known, but not with these protocols. */
	assert_int_equal(outcome(ctx, "x.r.test", "\x08http/1.1"), KEDGE_REASON_tls_no_protocol);
	assert_int_equal(outcome(ctx, "x.r.test", NULL), KEDGE_REASON_tls_no_protocol);
	/* It has a certificate of the listener. */
	assert_int_equal(outcome(ctx, "b.test", NULL), KEDGE_REASON_NONE);
	assert_int_equal(outcome(ctx, "c.test", NULL), KEDGE_REASON_tls_unknown_name);
	assert_reason(outcome(ctx, NULL, NULL), KEDGE_REASON_tls_unknown_name);
	tls_ctx_free(ctx);
}

/* Not even under the same name. */
static void a_session_is_for_one_route(void **state)
{
	static const struct {
		const char *name, *offer;
	} clients[] = {
		{"r.test", "\x02h2"},         {"r.test", "\x08http/1.1"},
		{"x.r.test", "\x02h2"},       {"a.test", "\x08http/1.1"},
		{"b.test", "\x02h2"},         {"b.test", "\x08http/1.1"},
		{NULL, "\x02h2\x08http/1.1"},
	};
	const int count = sizeof(clients) / sizeof(*clients);
	struct tls_ctx *ctx = make_routes(false), *without = make_ctx(false);

	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int from = 0; from < count; from++)
			for (int to = 0; to < count; to++) {
				struct peer_opts opts = {.version = version,
							 .server_name = clients[from].name,
							 .alpn = clients[from].offer};

				opts.session = session_of(ctx, &opts);
				opts.server_name = clients[to].name;
				opts.alpn = clients[to].offer;
				assert_int_equal(resumes(ctx, &opts), from == to);
				SSL_SESSION_free(opts.session);
			}
	/* A listener without the route, but with all of its certificates. */
	for (int from = 0; from < 4; from++) {
		struct peer_opts opts = {.server_name = clients[from].name,
					 .alpn = clients[from].offer};

		opts.session = session_of(ctx, &opts);
		opts.alpn = "\x08http/1.1";
		assert_false(resumes(without, &opts));
		SSL_SESSION_free(opts.session);
	}
	tls_ctx_free(ctx);
	tls_ctx_free(without);
}

/* The second hello takes back the protocol by which the route was chosen. */
static void the_route_may_not_change_between_hellos(void **state)
{
	struct tls_ctx *ctx = make_routes(false);
	struct conn c;

	(void)state;
	for (int changed = 0; changed < 2; changed++) {
		start(&c, ctx,
		      &(struct peer_opts){.version = TLS1_3_VERSION,
					  .server_name = "r.test",
					  .alpn = "\x02h2"});
		assert_int_equal(SSL_set1_groups_list(c.peer.ssl, "P-521:P-256"), 1);
		SSL_do_handshake(c.peer.ssl);
		peer_send(&c.peer, 0, NULL, NULL);
		peer_wait(c.fd);
		step(&c);
		if (changed)
			SSL_set_alpn_protos(c.peer.ssl, (const uint8_t *)"\x08http/1.1", 9);
		peer_wait(c.peer.fd);
		peer_receive(&c.peer);
		shake_hands(&c, 0);
		assert_int_equal(c.step, changed ? TLS_FAILED : TLS_DONE);
		if (changed)
			assert_reason(c.reason, KEDGE_REASON_tls_handshake);
		stop(&c);
		ERR_clear_error();
	}
	tls_ctx_free(ctx);
}

static void a_route_without_its_certificate(void **state)
{
	struct conf_cert nowhere = {.cert = (char *)"/nowhere", .key = (char *)"/nowhere"};
	char *names[] = {(char *)"r.test"};
	struct tls_ctx *ctx = make_ctx(false);

	(void)state;
	assert_int_equal(
		tls_ctx_add_route(ctx, &(struct conf_names){names, 1},
				  &(struct tls_offer){.certs = &nowhere, .certs_count = 1}),
		-ENOENT);
	tls_ctx_free(ctx);
}

static void names_that_no_certificate_has_are_warned_of(void **state)
{
	struct tls_ctx *ctx = make_routes(false);

	(void)state;
	heard_begin();
	tls_ctx_warn(ctx);
	heard_end();
	assert_non_null(strstr(heard, "route r.test: no certificate of it has this name"));
	assert_non_null(strstr(heard, "route *.r.test: no certificate of it has this name"));
	assert_null(strstr(heard, "route a.test"));
	tls_ctx_free(ctx);
}

static void a_certificate_of_a_route_is_part_of_the_digest(void **state)
{
	struct tls_ctx *ctx = make_routes(false), *same = make_routes(false),
		       *without = make_ctx(false);
	uint8_t a[TLS_DIGEST_BYTES], b[TLS_DIGEST_BYTES];
	char *names[] = {(char *)"r.test"};

	(void)state;
	tls_ctx_digest(ctx, a);
	tls_ctx_digest(same, b);
	assert_memory_equal(a, b, sizeof(a));
	tls_ctx_digest(without, b);
	assert_memory_not_equal(a, b, sizeof(a));
	/* A route that brings none is no new certificate. */
	tls_ctx_digest(without, a);
	assert_int_equal(tls_ctx_add_route(without, &(struct conf_names){names, 1},
					   &(struct tls_offer){.mode = MODE_TCP}),
			 0);
	tls_ctx_digest(without, b);
	assert_memory_equal(a, b, sizeof(a));
	tls_ctx_free(ctx);
	tls_ctx_free(same);
	tls_ctx_free(without);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static size_t put16(uint8_t *to, size_t n)
{
	to[0] = (uint8_t)(n >> 8);
	to[1] = (uint8_t)n;
	return 2;
}

/* A hello of TLS 1.2 with this extension, behind P-256 and ECDSA with SHA-256. */
static size_t write_hello(uint8_t *out, unsigned type, const void *body, size_t len)
{
	static const uint8_t suites[] = {0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0};
	static const char others[] = "\0\x0a\0\x04\0\x02\0\x17\0\x0d\0\x04\0\x02\x04\x03";
	size_t at = 5 + 4;

	at += put16(out + at, 0x0303);
	memset(out + at, 7, 32);
	at += 32;
	out[at++] = 0; /* no session */
	memcpy(out + at, suites, sizeof(suites));
	at += sizeof(suites);
	at += put16(out + at, sizeof(others) - 1 + 4 + len);
	memcpy(out + at, others, sizeof(others) - 1);
	at += sizeof(others) - 1;
	at += put16(out + at, type);
	at += put16(out + at, len);
	memcpy(out + at, body, len);
	at += len;
	memcpy(out, "\x16\x03\x01", 3);
	put16(out + 3, at - 5);
	out[5] = 1;
	out[6] = 0;
	put16(out + 7, at - 9);
	return at;
}

static enum kedge_reason refused; /* the last hello */

/* The alert that is the answer to such a hello; 0: it is taken. */
static uint8_t alert_to(struct tls_ctx *ctx, unsigned type, const void *body, size_t len)
{
	uint8_t hello[1000], answer[7] = {0};
	struct conn c;

	start(&c, ctx, &(struct peer_opts){0});
	len = write_hello(hello, type, body, len);
	assert_int_equal(send(c.peer.fd, hello, len, 0), len);
	peer_wait(c.fd);
	step(&c);
	if (c.step == TLS_FAILED) {
		refused = c.reason;
		peer_wait(c.peer.fd);
		assert_int_equal(recv(c.peer.fd, answer, 7, 0), 7);
		assert_int_equal(answer[0], 21);
	}
	stop(&c);
	ERR_clear_error();
	return answer[6];
}

#define ALERT_TO(type, text) alert_to(ctx, type, text, sizeof(text) - 1)

static void what_is_malformed_is_refused(void **state)
{
	struct tls_ctx *ctx = make_ctx(false);
	uint8_t long_name[305] = {1, 47, 0, 1, 44};

	(void)state;
	assert_int_equal(ALERT_TO(0, "\0\x09\0\0\x06"
				     "a.test"),
			 0);
	assert_int_equal(ALERT_TO(0, "\0\x03\0\0\0"), 0);
	assert_int_equal(ALERT_TO(0, ""), SSL_AD_DECODE_ERROR);
	assert_int_equal(ALERT_TO(0, "\0\x08\0\0\x01"
				     "a\0\0\x01"
				     "b"),
			 SSL_AD_DECODE_ERROR);
	assert_int_equal(ALERT_TO(0, "\0\x06\0\0\x03"
				     "a\0b"),
			 SSL_AD_UNRECOGNIZED_NAME);
	memset(long_name + 5, 'a', 300);
	assert_int_equal(alert_to(ctx, 0, long_name, sizeof(long_name)), SSL_AD_UNRECOGNIZED_NAME);
	assert_int_equal(ALERT_TO(16, "\0\x0c\x02h2\x08http/1.1"), 0);
	assert_int_equal(ALERT_TO(16, "\0\x04\0\x02h2"), SSL_AD_DECODE_ERROR);
	assert_int_equal(ALERT_TO(16, "\0\x04\x02h2\0"), SSL_AD_DECODE_ERROR);
	assert_int_equal(ALERT_TO(16, "\0\0"), SSL_AD_DECODE_ERROR);
	assert_reason(refused, KEDGE_REASON_tls_handshake);
	tls_ctx_free(ctx);
}

/* As OpenSSL's client does not write them. */
static void names_in_bytes(void **state)
{
	struct tls_ctx *ctx = make_ctx(true);

	(void)state;
	assert_int_equal(ALERT_TO(0, "\0\x09\0\0\x06"
				     "B.tEsT"),
			 0);
	/* The root's dot: RFC 6066 has names without it, but there are clients. */
	assert_int_equal(ALERT_TO(0, "\0\x0a\0\0\x07"
				     "b.test."),
			 0);
	assert_int_equal(ALERT_TO(0, "\0\x0b\0\0\x08"
				     "b.test.."),
			 SSL_AD_UNRECOGNIZED_NAME);
	assert_int_equal(ALERT_TO(0, "\0\x03\0\0\0"), SSL_AD_UNRECOGNIZED_NAME);
	assert_int_equal(ALERT_TO(0, "\0\x04\0\0\x01."), SSL_AD_UNRECOGNIZED_NAME);
	assert_int_equal(ALERT_TO(0, "\0\x09\0\0\x06"
				     "b\xe2\x80\xa4te"),
			 SSL_AD_UNRECOGNIZED_NAME);
	assert_reason(refused, KEDGE_REASON_tls_unknown_name);
	tls_ctx_free(ctx);
}

static int set_up(void **state)
{
	(void)state;
	peer_cert_make(&files[A], "a", PEER_EC, "a.test,a2.test", 10);
	peer_cert_make(&files[B], "b", PEER_EC, "b.test", 10);
	peer_cert_make(&files[WILD], "wild", PEER_EC, "*.wild.test", 10);
	for (int i = 0; i < PAIRS; i++)
		pairs[i] = (struct conf_cert){.cert = files[i].cert, .key = files[i].key};
	make_shared(&shared, POLICY_OFF, false, false);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_chosen_by),
		cmocka_unit_test(a_session_is_for_one_name),
		cmocka_unit_test(the_name_may_not_change_between_hellos),
		cmocka_unit_test(routes_have_certificates_and_protocols),
		cmocka_unit_test(strict_names_with_routes),
		cmocka_unit_test(a_session_is_for_one_route),
		cmocka_unit_test(the_route_may_not_change_between_hellos),
		cmocka_unit_test(a_route_without_its_certificate),
		cmocka_unit_test(names_that_no_certificate_has_are_warned_of),
		cmocka_unit_test(a_certificate_of_a_route_is_part_of_the_digest),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(names_in_bytes),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
