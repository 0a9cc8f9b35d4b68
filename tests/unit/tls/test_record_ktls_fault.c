/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/record_ktls_fault.c: which alert and which reason each error of the kernel becomes. The
 * kernel's TLS is faked; the source is included, so that wiping can be seen.
 */
#include "tests/unit/tls/fake_ktls.h"
#include "tests/unit/tls/ktls_leg.h"
#include "tests/lib/assert_reason.h"

#include <openssl/crypto.h>

#include "tls/record_ktls_fault.h"

static int wiped;

static void wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
	wiped += n == sizeof(union ktls_crypto);
}

#define OPENSSL_cleanse wipe
#include "tls/record_ktls_fault.c"
#undef OPENSSL_cleanse

static struct leg l;

static int up(void **state)
{
	fake_start();
	wiped = 0;
	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	return 0;
}

static int down(void **state)
{
	stop(&l);
	return 0;
}

static void restart(enum tls_version v, enum tls_suite s)
{
	stop(&l);
	start(&l, v, s);
}

static void a_leg_stays_failed(void **state)
{
	assert_int_equal(record_tls_fail(&l.k->t, -ECONNRESET, KEDGE_REASON_no_memory),
			 -ECONNRESET);
	assert_reason(l.record->reason, KEDGE_REASON_no_memory);
	assert_false(l.record->told);
	client_seals(&l, TLS_CONTENT_DATA, "x", 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(read_byte(&l), -ECONNRESET);
	expect_nothing(&l);
}

/* --- what the client is told ------------------------------------------------------------------ */

static void every_alert_is_fatal_but_one(void **state)
{
	for (int description = 0; description < ALERT_NONE; description++) {
		const int level = description == ALERT_NO_RENEGOTIATION ? 1 : 2;

		assert_int_equal(record_tls_fail_with_alert(&l.k->t, (uint8_t)description,
							    KEDGE_REASON_record_control),
				 -EPROTO);
		assert_reason(l.record->reason, KEDGE_REASON_record_control);
		assert_true(l.record->told);
		expect_alert(&l, (uint8_t)level, (uint8_t)description);
		assert_int_equal(read_byte(&l), -EPROTO);
		assert_int_equal(record_write(l.record, "x", 1), -EPIPE);
		restart(VERSION_TLS13, SUITE_AES_128_GCM);
	}
}

static void nothing_to_tell(void **state)
{
	assert_int_equal(record_tls_fail_with_alert(&l.k->t, ALERT_NONE, KEDGE_REASON_record_bad),
			 -EPROTO);
	assert_true(l.record->told);
	expect_nothing(&l);
}

/* Nothing follows an alert, and nothing our end. */
static void told_only_once(void **state)
{
	uint8_t got[10];
	size_t n;

	record_tls_fail_with_alert(&l.k->t, 10, KEDGE_REASON_record_control);
	expect_alert(&l, 2, 10);
	record_tls_fail_with_alert(&l.k->t, 20, KEDGE_REASON_record_bad);
	expect_nothing(&l);

	restart(VERSION_TLS13, SUITE_AES_128_GCM);
	assert_int_equal(record_close_write(l.record), 0);
	record_tls_fail_with_alert(&l.k->t, 20, KEDGE_REASON_record_bad);
	expect_alert(&l, 1, 0);
	assert_int_equal(client_opens(&l, got, &n), -1);
}

/* The leg fails all the same. */
static void an_alert_that_cannot_be_sent(void **state)
{
	fake.send_err = EAGAIN;
	assert_int_equal(record_tls_fail_with_alert(&l.k->t, 10, KEDGE_REASON_record_control),
			 -EPROTO);
	assert_true(l.record->told);
	expect_nothing(&l);
}

/* --- what an error means ---------------------------------------------------------------------- */

static void every_error_of_a_socket(void **state)
{
	static const struct {
		int err, result, alert; /* alert -1: none */
		enum kedge_reason reason;
	} cases[] = {
		{EMSGSIZE, -EPROTO, ALERT_RECORD_OVERFLOW, KEDGE_REASON_record_bad},
		{EINVAL, -EPROTO, ALERT_PROTOCOL_VERSION, KEDGE_REASON_record_bad},
		{EBADMSG, -EPROTO, ALERT_BAD_RECORD_MAC, KEDGE_REASON_record_bad},
		{EIO, -EPROTO, ALERT_BAD_RECORD_MAC, KEDGE_REASON_record_bad},
		{ENOMEM, -ECONNRESET, -1, KEDGE_REASON_no_memory},
		{ENOBUFS, -ECONNRESET, -1, KEDGE_REASON_no_memory},
		{ECONNRESET, -ECONNRESET, -1, KEDGE_REASON_client_reset},
		{ETIMEDOUT, -ECONNRESET, -1, KEDGE_REASON_client_reset},
		{EKEYEXPIRED, -ECONNRESET, -1, KEDGE_REASON_client_reset},
		{EPIPE, -ECONNRESET, -1, KEDGE_REASON_client_reset},
	};

	for (int v = 0; v < VERSION_COUNT; v++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			restart(v, SUITE_AES_256_GCM);
			/* It would fail the alert. */
			fake.sock_err = cases[i].alert < 0 ? 0 : cases[i].err;
			assert_int_equal(record_ktls_fail_from_errno(&l.k->t, -cases[i].err),
					 cases[i].result);
			assert_int_equal(l.record->reason, cases[i].reason);
			assert_int_equal(l.record->told, cases[i].alert >= 0);
			if (cases[i].alert < 0)
				expect_nothing(&l);
			else
				expect_alert(&l, 2, (uint8_t)cases[i].alert);
		}
}

/* --- EBADMSG has several causes --------------------------------------------------------------- */

/* The client has sent this in the place of a record; the alert that it gets. */
static void expect_after(const void *bytes, size_t n, uint8_t alert, enum kedge_reason reason)
{
	assert_int_equal(send(l.peer, bytes, n, 0), n);
	peer_wait(l.fd);
	assert_int_equal(record_ktls_fail_from_errno(&l.k->t, -EBADMSG), -EPROTO);
	assert_int_equal(l.record->reason, reason);
	expect_alert(&l, 2, alert);
	assert_true(l.k->raw);
}

static void a_record_that_is_not_encrypted(void **state)
{
	for (int type = 0; type < 256; type++) {
		const uint8_t record[] = {(uint8_t)type, 3, 3, 0, 2, 1, 0};
		const bool data = type == TLS_CONTENT_DATA; /* too short to be one */

		expect_after(record, sizeof(record),
			     data ? ALERT_BAD_RECORD_MAC : ALERT_UNEXPECTED_MESSAGE,
			     data ? KEDGE_REASON_record_bad : KEDGE_REASON_record_control);
		restart(VERSION_TLS13, SUITE_AES_128_GCM);
	}
}

static void a_record_without_a_type_inside(void **state)
{
	for (int s = 0; s < SUITE_COUNT; s++) {
		uint8_t record[100];
		int n;

		restart(VERSION_TLS13, s);
		wiped = 0;
		n = record_seal(&l.up, 0, "\0\0\0", 3, record);
		expect_after(record, (size_t)n, ALERT_UNEXPECTED_MESSAGE,
			     KEDGE_REASON_record_control);
		assert_int_equal(wiped, 1);

		restart(VERSION_TLS13, s);
		n = record_seal(&l.up, 0, "\0\0\0", 3, record);
		record[n - 1] ^= 1;
		expect_after(record, (size_t)n, ALERT_BAD_RECORD_MAC, KEDGE_REASON_record_bad);
		assert_int_equal(wiped, 2);
	}
}

/* Without them nobody can tell: it is called what it mostly is. */
static void without_the_kernels_keys(void **state)
{
	uint8_t record[100];
	int n = record_seal(&l.up, 0, "\0\0\0", 3, record);

	fake.err[FAKE_GET_RX] = EBUSY;
	expect_after(record, (size_t)n, ALERT_BAD_RECORD_MAC, KEDGE_REASON_record_bad);
}

static void without_the_record(void **state)
{
	assert_int_equal(record_ktls_fail_from_errno(&l.k->t, -EBADMSG), -EPROTO);
	expect_alert(&l, 2, ALERT_BAD_RECORD_MAC);
	assert_true(l.k->raw);
}

/* RFC 5246 knows no type inside, and a record that is not encrypted has no MAC. */
static void tls12_has_one_cause_only(void **state)
{
	static const uint8_t record[] = {21, 3, 3, 0, 2, 1, 0};

	restart(VERSION_TLS12, SUITE_AES_128_GCM);
	assert_int_equal(send(l.peer, record, sizeof(record), 0), sizeof(record));
	peer_wait(l.fd);
	assert_int_equal(record_ktls_fail_from_errno(&l.k->t, -EBADMSG), -EPROTO);
	expect_alert(&l, 2, ALERT_BAD_RECORD_MAC);
	assert_false(l.k->raw);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		TEST(a_leg_stays_failed),
		TEST(every_alert_is_fatal_but_one),
		TEST(nothing_to_tell),
		TEST(told_only_once),
		TEST(an_alert_that_cannot_be_sent),
		TEST(every_error_of_a_socket),
		TEST(a_record_that_is_not_encrypted),
		TEST(a_record_without_a_type_inside),
		TEST(without_the_kernels_keys),
		TEST(without_the_record),
		TEST(tls12_has_one_cause_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
