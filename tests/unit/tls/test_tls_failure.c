/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_failure.c: what is said of handshakes that OpenSSL's client lets fail, or that it ends. */
#include "tests/unit/tls/tls_rig.h"

#include <string.h>

#include "tls/tls_failure.h"
#include "tls/tls_types.h"

static struct peer_cert ec;
static struct conf_cert certs[1];
static struct tls_failure failure;

/* The reason; `failure` has the rest. A client that verifies knows no CA. */
static enum kedge_reason fails(const struct peer_opts *opts, bool only13, bool verifies)
{
	const struct tls_offer offer = {.certs = certs, .certs_count = 1, .mode = MODE_HTTP};
	struct tls_shared shared;
	struct tls_ctx *ctx = NULL;
	struct conn c;

	make_shared(&shared, POLICY_OFF, only13, false);
	assert_int_equal(tls_ctx_new(&ctx, &offer, &shared), 0);
	start(&c, ctx, opts);
	if (verifies)
		SSL_set_verify(c.peer.ssl, SSL_VERIFY_PEER, NULL);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_FAILED);
	tls_failure(c.tls, c.reason, &failure);
	stop(&c);
	tls_ctx_free(ctx);
	return c.reason;
}

static void the_alert_is_named(void **state)
{
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		assert_int_equal(fails(&(struct peer_opts){.version = version}, false, true),
				 KEDGE_REASON_tls_client_alert);
		assert_string_equal(failure.alert, "48 unknown_ca");
		assert_string_equal(failure.text,
				    "client ended the handshake with alert 48 unknown_ca");
		assert_non_null(strstr(failure.next, "intermediates"));
	}
}

/* Every number fits, known or not; each that is known has the next step of its row. */
static void every_alert_has_its_line(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		struct tls_conn c = {.alert = (uint8_t)i};
		char number[8];

		tls_failure(&c, KEDGE_REASON_tls_client_alert, &failure);
		if (!i) { /* it came when the handshake was over: which one is not known */
			assert_string_equal(failure.text, "");
			assert_null(failure.next);
			continue;
		}
		snprintf(number, sizeof(number), "%u ", i);
		assert_memory_equal(failure.alert, number, strlen(number));
		assert_non_null(strstr(failure.text, failure.alert));
		known += !strstr(failure.alert, "unknown") || i == 48 || i == 46 || i == 115;
	}
	assert_int_equal(known, 25);
	tls_failure(&(struct tls_conn){.alert = 45}, KEDGE_REASON_tls_client_alert, &failure);
	assert_non_null(strstr(failure.next, "renew"));
	tls_failure(&(struct tls_conn){.alert = 42}, KEDGE_REASON_tls_client_alert, &failure);
	assert_null(failure.next);
	tls_failure(&(struct tls_conn){.alert = 45}, KEDGE_REASON_tls_handshake, &failure);
	assert_string_equal(failure.alert, "");
}

/* No advice that cannot be followed: kedge has nothing below TLS 1.2. */
static void old_clients_are_told_apart(void **state)
{
	const struct peer_opts old = {.version = TLS1_1_VERSION, .suites12 = "ALL:@SECLEVEL=0"};
	const struct peer_opts tls12 = {.version = TLS1_2_VERSION};
	const struct peer_opts strange = {.version = TLS1_3_VERSION,
					  .suites13 = "TLS_AES_128_CCM_SHA256"};

	(void)state;
	assert_int_equal(fails(&old, false, false), KEDGE_REASON_tls_no_shared);
	assert_string_equal(failure.text, "client offers TLS 1.1 at most, and kedge has no version "
					  "below TLS 1.2");
	assert_null(strstr(failure.next, "tls-min"));
	assert_int_equal(fails(&tls12, true, false), KEDGE_REASON_tls_no_shared);
	assert_string_equal(failure.text, "client offers TLS 1.2 at most, and this kedge takes TLS "
					  "1.3 only");
	assert_non_null(strstr(failure.next, "tls-min"));
	assert_int_equal(fails(&strange, false, false), KEDGE_REASON_tls_no_shared);
	assert_string_equal(failure.text, "no cipher, group or signature in common (client offers "
					  "up to TLS 1.3)");
	assert_null(strstr(failure.next, "tls-min"));
}

static void silence_is_no_loss_of_packets(void **state)
{
	struct tls_conn c = {.wire.first_len = 0};

	(void)state;
	tls_failure(&c, KEDGE_REASON_tls_handshake_timeout, &failure);
	assert_non_null(strstr(failure.text, "no byte came"));
	assert_null(strstr(failure.next, "packet loss"));
	c.wire.first_len = 1;
	tls_failure(&c, KEDGE_REASON_tls_handshake_timeout, &failure);
	assert_string_equal(failure.text, "");
	assert_null(failure.next);
}

static int begin(void **state)
{
	(void)state;
	peer_cert_make(&ec, "ec", PEER_EC, "ec.test", 1);
	certs[0] = (struct conf_cert){.cert = ec.cert, .key = ec.key};
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_alert_is_named),
		cmocka_unit_test(every_alert_has_its_line),
		cmocka_unit_test(old_clients_are_told_apart),
		cmocka_unit_test(silence_is_no_loss_of_packets),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
