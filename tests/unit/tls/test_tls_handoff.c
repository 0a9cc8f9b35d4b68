/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/tls_handoff.c: what is given to the kernel and what is not, and a failure of each step.
 * After a failure nothing has been sent, nothing is left to free, and no key is left lying. The
 * kernel's TLS is faked; the source is included, so that its allocations can fail.
 */
#include "tests/unit/tls/fake_ktls.h"
#include "tests/unit/tls/tls_rig.h"
#include "tests/lib/assert_reason.h"

#include <openssl/crypto.h>

#include "base/capability_loss.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "tls/record_ktls.h"
#include "tls/record_aead.h"
#include "tls/tls_types.h"

static bool no_memory;
static int wiped; /* structs of key material, both directions */

static void wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
	wiped += n == sizeof(union ktls_crypto);
}

#define record_ktls_new(...) (no_memory ? NULL : record_ktls_new(__VA_ARGS__))
#define record_aead_new(...) (no_memory ? NULL : record_aead_new(__VA_ARGS__))
#define OPENSSL_cleanse      wipe
#include "tls/tls_handoff.c"
#undef OPENSSL_cleanse

static const char *const suites12[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
				       "ECDHE-ECDSA-AES256-GCM-SHA384",
				       "ECDHE-ECDSA-CHACHA20-POLY1305"};
static const char *const suites13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
				       "TLS_CHACHA20_POLY1305_SHA256"};

static struct peer_cert files;
static struct conf_cert pair;

static struct tls_shared shared;
static struct tls_ctx *ctx;
static struct conn c;
static struct record *record;
static struct tls_facts facts;
static enum kedge_reason reason;

/* A finished handshake under this policy. */
static void up(enum policy policy, const struct peer_opts *opts)
{
	fake_start();
	no_memory = false;
	wiped = 0;
	record = NULL;
	reason = KEDGE_REASON_NONE;
	make_shared(&shared, policy, false, true);
	shared.caps.rekey = true;
	capability_start(CAPABILITY_RECORD, policy == POLICY_REQUIRE);
	ctx = NULL;
	assert_int_equal(
		tls_ctx_new(&ctx, &(struct tls_offer){.certs = &pair, .certs_count = 1}, &shared),
		0);
	start(&c, ctx, opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	fake.log[0] = '\0';
}

static void up_default(enum policy policy)
{
	up(policy, &(struct peer_opts){.version = TLS1_3_VERSION});
}

static void down(void)
{
	record_free(record);
	stop(&c);
	tls_ctx_free(ctx);
	capability_start(CAPABILITY_RECORD, false);
}

static int hand_over(void)
{
	int r = tls_into_record(&c.tls, &record, &facts, &reason);

	assert_null(c.tls);
	assert_true(!r == !!record);
	return r;
}

/* Bytes through the record in both directions. */
static void talk(void)
{
	char got[10];

	assert_int_equal(SSL_write(c.peer.ssl, "request", 7), 7);
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
	assert_int_equal(record_read(record, got, sizeof(got)), 7);
	assert_memory_equal(got, "request", 7);
	assert_int_equal(record_write(record, "answer", 6), 6);
	peer_wait(c.peer.fd);
	peer_receive(&c.peer);
	assert_int_equal(SSL_read(c.peer.ssl, got, sizeof(got)), 6);
	assert_memory_equal(got, "answer", 6);
}

static void expect_user(void)
{
	assert_int_equal(hand_over(), 0);
	assert_string_equal(record->ops->name, "user");
	assert_false(facts.kernel);
	assert_reason(reason, KEDGE_REASON_NONE);
	talk();
}

/* Refused: and the client hears of it by the close alone. */
static void expect_refused(int err, enum kedge_reason why)
{
	char byte;

	assert_int_equal(hand_over(), err);
	assert_int_equal(reason, why);
	assert_false(facts.kernel);
	assert_int_equal(recv(c.peer.fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static struct capability_state lost(void)
{
	struct capability_state s;

	capability_read(CAPABILITY_RECORD, &s);
	return s;
}

/* --- what the kernel gets --------------------------------------------------------------------- */

static void every_version_and_suite(void **state)
{
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			up(POLICY_REQUIRE,
			   &(struct peer_opts){.version = v ? TLS1_3_VERSION : TLS1_2_VERSION,
					       .suites12 = suites12[s],
					       .suites13 = suites13[s]});
			assert_int_equal(hand_over(), 0);
			assert_string_equal(record->ops->name, "kernel");
			assert_string_equal(fake.log, v ? "utrp" : "utr");
			assert_true(facts.kernel);
			assert_false(facts.resumed);
			assert_int_equal(facts.version, v);
			assert_int_equal(facts.suite, s);
			assert_int_equal(wiped, 2);
			assert_int_equal(lost().err, 0);
			talk();
			down();
		}
}

/* Tickets of TLS 1.3 are out, and counted; what the client says next is still in the socket. */
static void what_waits_in_the_socket_is_the_kernels(void **state)
{
	char got[20];

	fake_start();
	make_shared(&shared, POLICY_REQUIRE, false, true);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		record = NULL;
		assert_int_equal(tls_ctx_new(&ctx,
					     &(struct tls_offer){.certs = &pair, .certs_count = 1},
					     &shared),
				 0);
		start(&c, ctx, &(struct peer_opts){.version = version});
		client_handshake(&c);
		assert_int_equal(SSL_write(c.peer.ssl, "early", 5), 5);
		SSL_shutdown(c.peer.ssl); /* an alert that nobody has read */
		peer_send(&c.peer, 0, NULL, NULL);
		server_handshake(&c);
		assert_int_equal(hand_over(), 0);
		assert_true(facts.kernel);
		peer_wait(c.fd);
		assert_int_equal(record_read(record, got, sizeof(got)), 5);
		assert_memory_equal(got, "early", 5);
		assert_int_equal(record_read(record, got, sizeof(got)), 0);
		assert_true(record->clean_end);
		down();
	}
}

/* A KeyUpdate is followed where the kernel takes new keys; TLS 1.2 has none. */
static void secrets_go_along_only_where_they_are_of_use(void **state)
{
	for (int rekey = 0; rekey < 2; rekey++) {
		char got[10];
		ssize_t r;

		up_default(POLICY_REQUIRE);
		shared.caps.rekey = rekey;
		assert_int_equal(hand_over(), 0);
		SSL_key_update(c.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		assert_int_equal(SSL_write(c.peer.ssl, "later", 5), 5);
		peer_send(&c.peer, 0, NULL, NULL);
		peer_wait(c.fd);
		r = record_read(record, got, sizeof(got));
		assert_int_equal(r, rekey ? 5 : -EPROTO);
		assert_reason(record->reason,
			      rekey ? KEDGE_REASON_NONE : KEDGE_REASON_key_update_refused);
		down();
	}
}

static void a_resumed_session_says_so(void **state)
{
	struct peer_opts opts = {.version = TLS1_2_VERSION};

	up(POLICY_REQUIRE, &opts);
	while (SSL_do_handshake(c.peer.ssl) != 1) {
		peer_wait(c.peer.fd);
		peer_receive(&c.peer);
	}
	opts.session = peer_session(&c.peer);
	assert_non_null(opts.session);
	stop(&c);
	start(&c, ctx, &opts);
	shake_hands(&c, 0);
	assert_int_equal(hand_over(), 0);
	assert_true(facts.resumed);
	assert_true(facts.kernel);
	talk();
	SSL_SESSION_free(opts.session);
	down();
}

/* --- what it does not get --------------------------------------------------------------------- */

static void a_policy_of_off(void **state)
{
	up_default(POLICY_OFF);
	expect_user();
	assert_string_equal(fake.log, "");
	down();

	/* A unix socket: nothing is tried that would count as a loss. */
	up_default(POLICY_PREFER);
	tls_ctx_user_records(ctx);
	expect_user();
	assert_string_equal(fake.log, "");
	assert_int_equal(lost().err, 0);
	down();

	/* The policy counts, whatever the context was made for. */
	up_default(POLICY_PREFER);
	shared.record = POLICY_OFF;
	expect_user();
	assert_string_equal(fake.log, "");
	down();
}

static void a_suite_that_works_in_one_direction_only(void **state)
{
	for (int tx = 0; tx < 2; tx++)
		for (int require = 0; require < 2; require++) {
			up_default(require ? POLICY_REQUIRE : POLICY_PREFER);
			(tx ? shared.caps.tx : shared.caps.rx)[VERSION_TLS13][SUITE_AES_128_GCM] =
				false;
			(tx ? shared.caps.tx : shared.caps.rx)[VERSION_TLS13][SUITE_AES_256_GCM] =
				false;
			if (require)
				expect_refused(-EOPNOTSUPP, KEDGE_REASON_handoff_failed);
			else
				expect_user();
			assert_string_equal(fake.log, "");
			down();
		}
}

/* Each direction in turn; those bytes would be lost, or overtaken. */
static void bytes_that_are_left_in_user_space(void **state)
{
	static const uint8_t garbage[] = "left over";

	for (int where = 0; where < 3; where++)
		for (int require = 0; require < 2; require++) {
			const bool out = where > 0; /* tls_handshake() leaves nothing there */
			struct wire *w;

			up_default(require ? POLICY_REQUIRE : POLICY_PREFER);
			w = &c.tls->wire;
			if (where == 0) {
				w->in = garbage;
				w->in_len = sizeof(garbage);
			} else if (where == 1) {
				w->out_len = 1;
			} else {
				w->unsent.bytes = malloc(1);
				w->unsent.len = 1;
			}
			if (require)
				expect_refused(-EOPNOTSUPP, KEDGE_REASON_handoff_failed);
			else if (out)
				expect_refused(-EPROTO, KEDGE_REASON_internal_error);
			else
				assert_int_equal(hand_over(), 0);
			assert_false(facts.kernel);
			assert_string_equal(fake.log, "");
			down();
		}
}

/* No client has a reason to put something behind its Finished, in one record. */
static void data_that_openssl_has_read(void **state)
{
	char byte;

	up_default(POLICY_PREFER);
	assert_int_equal(SSL_write(c.peer.ssl, "first ", 6), 6);
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
	wire_begin(&c.tls->wire);
	assert_int_equal(SSL_peek(c.tls->ssl, &byte, 1), 1);
	wire_end(&c.tls->wire);
	assert_true(wire_idle(&c.tls->wire));
	expect_refused(-EPROTO, KEDGE_REASON_record_control);
	assert_string_equal(fake.log, "");
	down();
}

/* The kernel would send records of 16 KB to a client that can take 512 bytes. */
static void small_fragments(void **state)
{
	for (int require = 0; require < 2; require++) {
		up(require ? POLICY_REQUIRE : POLICY_PREFER,
		   &(struct peer_opts){.max_fragment = TLSEXT_max_fragment_length_512});
		expect_user();
		assert_string_equal(fake.log, "");
		down();
	}
}

/* Kernel TLS takes no socket whose peer has sent FIN, but the client waits for its answer. */
static void a_client_that_has_ended(void **state)
{
	for (int require = 0; require < 2; require++) {
		char got[10];

		up_default(require ? POLICY_REQUIRE : POLICY_PREFER);
		assert_int_equal(SSL_write(c.peer.ssl, "request", 7), 7);
		SSL_shutdown(c.peer.ssl);
		peer_send(&c.peer, 0, NULL, NULL);
		shutdown(c.peer.fd, SHUT_WR);
		wait_for_fin(c.fd);
		fake.err[FAKE_ULP] = ENOTCONN;
		assert_int_equal(hand_over(), 0);
		assert_string_equal(record->ops->name, "user");
		assert_int_equal(wiped, 2);
		assert_int_equal(lost().err, 0); /* the kernel has lost nothing */
		assert_int_equal(record_read(record, got, sizeof(got)), 7);
		assert_int_equal(record_read(record, got, sizeof(got)), 0);
		assert_true(record->clean_end);
		assert_int_equal(record_write(record, "answer", 6), 6);
		assert_int_equal(record_close_write(record), 0);
		while (!c.peer.eof) {
			peer_wait(c.peer.fd);
			peer_receive(&c.peer);
		}
		assert_int_equal(SSL_read(c.peer.ssl, got, sizeof(got)), 6);
		down();
	}
}

/* Where the kernel does have TLS: the same without the fake. */
static void a_client_that_has_ended_in_truth(void **state)
{
	up_default(POLICY_PREFER);
	fake.on = false;
	shutdown(c.peer.fd, SHUT_WR);
	wait_for_fin(c.fd);
	assert_int_equal(hand_over(), 0);
	assert_string_equal(record->ops->name, "user");
	down();
}

static void a_version_or_suite_of_others(void **state)
{
	/* No handshake at all. */
	fake_start();
	record = NULL;
	make_shared(&shared, POLICY_PREFER, false, true);
	assert_int_equal(
		tls_ctx_new(&ctx, &(struct tls_offer){.certs = &pair, .certs_count = 1}, &shared),
		0);
	start(&c, ctx, &(struct peer_opts){0});
	expect_refused(-EPROTONOSUPPORT, KEDGE_REASON_internal_error);
	down();

	/* A suite that kedge does not offer, and no kernel has. */
	assert_int_equal(
		tls_ctx_new(&ctx, &(struct tls_offer){.certs = &pair, .certs_count = 1}, &shared),
		0);
	start(&c, ctx,
	      &(struct peer_opts){.version = TLS1_3_VERSION, .suites13 = "TLS_AES_128_CCM_SHA256"});
	assert_int_equal(SSL_set_ciphersuites(c.tls->ssl, "TLS_AES_128_CCM_SHA256"), 1);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	while (peer_receive(&c.peer))
		;
	expect_refused(-EPROTONOSUPPORT, KEDGE_REASON_internal_error);
	assert_string_equal(fake.log, "");
	down();
}

/* --- a step fails ----------------------------------------------------------------------------- */

/* Until the kernel has a key kedge can go on, and the next one does not even try. */
static void the_kernel_refuses_before_the_first_key(void **state)
{
	static const struct {
		enum fake_step step;
		int err, told; /* what the socket says, and what the capability's loss does */
		const char *log;
	} cases[] = {
		{FAKE_ULP, ENOENT, ENOENT, "u"},
		{FAKE_ULP, EEXIST, EEXIST, "u"},
		{FAKE_TX, EINVAL, EBUSY, "ut"}, /* another program has the socket */
		{FAKE_TX, ENOMEM, ENOMEM, "ut"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		up_default(POLICY_PREFER);
		fake.err[cases[i].step] = cases[i].err;
		expect_user();
		assert_string_equal(fake.log, cases[i].log);
		assert_int_equal(wiped, 2);
		assert_int_equal(lost().err, cases[i].told);
		assert_int_equal(lost().losses, 1);
		record_free(record);
		record = NULL;
		stop(&c);

		memset(fake.log, 0, sizeof(fake.log));
		start(&c, ctx, &(struct peer_opts){0});
		shake_hands(&c, 0);
		expect_user();
		assert_string_equal(fake.log, "");
		down();

		up_default(POLICY_REQUIRE);
		fake.err[cases[i].step] = cases[i].err;
		expect_refused(-cases[i].err, KEDGE_REASON_handoff_failed);
		assert_int_equal(wiped, 2);
		assert_int_equal(lost().err, cases[i].told);
		down();
	}
}

/* The kernel would send what OpenSSL has encrypted, once more encrypted: there is no way back. */
static void the_kernel_refuses_the_second_key(void **state)
{
	for (int require = 0; require < 2; require++) {
		up_default(require ? POLICY_REQUIRE : POLICY_PREFER);
		fake.err[FAKE_RX] = ENOMEM;
		expect_refused(-ENOMEM, KEDGE_REASON_handoff_failed);
		assert_string_equal(fake.log, "utr");
		assert_int_equal(wiped, 2);
		assert_int_equal(lost().err, ENOMEM);
		down();
	}
}

static void the_keys_were_not_seen(void **state)
{
	static const enum policy policies[] = {POLICY_OFF, POLICY_PREFER, POLICY_REQUIRE};

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		up_default(policies[i]);
		keys_wipe(&c.tls->watch);
		expect_refused(-ENOKEY, KEDGE_REASON_handoff_failed);
		assert_string_equal(fake.log, ""); /* the socket is as it was */
		assert_int_equal(lost().err, 0);
		down();
	}
}

static void without_memory(void **state)
{
	/* For the kernel's record, when both keys are set. */
	up_default(POLICY_PREFER);
	no_memory = true;
	expect_refused(-ENOMEM, KEDGE_REASON_no_memory);
	assert_string_equal(fake.log, "utrp");
	assert_int_equal(wiped, 2);
	down();

	/* For kedge's own. */
	up_default(POLICY_OFF);
	no_memory = true;
	expect_refused(-ENOMEM, KEDGE_REASON_no_memory);
	down();
}

/* It is tried again, by one connection, and the loss is over. */
static void what_works_again_is_used_again(void **state)
{
	up_default(POLICY_REQUIRE); /* each connection is a try */
	fake.err[FAKE_TX] = ENOMEM;
	expect_refused(-ENOMEM, KEDGE_REASON_handoff_failed);
	assert_int_equal(lost().err, ENOMEM);
	stop(&c);
	fake.err[FAKE_TX] = 0;
	start(&c, ctx, &(struct peer_opts){0});
	shake_hands(&c, 0);
	assert_int_equal(hand_over(), 0);
	assert_true(facts.kernel);
	assert_int_equal(lost().err, 0);
	down();
}

static int make_cert(void **state)
{
	peer_cert_make(&files, "handoff", PEER_EC, "handoff.test", 10);
	pair = (struct conf_cert){.cert = files.cert, .key = files.key};
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_and_suite),
		cmocka_unit_test(what_waits_in_the_socket_is_the_kernels),
		cmocka_unit_test(secrets_go_along_only_where_they_are_of_use),
		cmocka_unit_test(a_resumed_session_says_so),
		cmocka_unit_test(a_policy_of_off),
		cmocka_unit_test(a_suite_that_works_in_one_direction_only),
		cmocka_unit_test(bytes_that_are_left_in_user_space),
		cmocka_unit_test(data_that_openssl_has_read),
		cmocka_unit_test(small_fragments),
		cmocka_unit_test(a_client_that_has_ended),
		cmocka_unit_test(a_client_that_has_ended_in_truth),
		cmocka_unit_test(a_version_or_suite_of_others),
		cmocka_unit_test(the_kernel_refuses_before_the_first_key),
		cmocka_unit_test(the_kernel_refuses_the_second_key),
		cmocka_unit_test(the_keys_were_not_seen),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(what_works_again_is_used_again),
	};

	return cmocka_run_group_tests(tests, make_cert, NULL);
}
