/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/record_tls.c: what follows from a record that is no data, and the answers that
 * are due, through a leg of kernel records. The client of these tests follows its own KeyUpdates
 * and ours; the kernel's TLS is faked.
 */
#include "tests/unit/tls/fake_ktls.h"
#include "tests/unit/tls/ktls_leg.h"
#include "tests/lib/assert_reason.h"

static const uint8_t asks[] = {24, 0, 0, 1, 1}, tells[] = {24, 0, 0, 1, 0};

static struct leg l;

static int up(void **state)
{
	fake_start();
	memset(&stats, 0, sizeof(stats));
	start_with(&l, VERSION_TLS13, SUITE_AES_128_GCM, true);
	return 0;
}

static int down(void **state)
{
	stop(&l);
	return 0;
}

static void restart(enum tls_version v, enum tls_suite s, bool followed)
{
	stop(&l);
	start_with(&l, v, s, followed);
	memset(fake.log, 0, sizeof(fake.log));
}

/* The client's next records have new keys. */
static void client_updates(const uint8_t *update)
{
	client_seals(&l, TLS_CONTENT_HANDSHAKE, update, sizeof(asks));
	assert_int_equal(keys_next(l.traffic.suite, l.traffic.client, l.traffic.len, &l.up), 0);
}

/* Our KeyUpdate comes next, under the old keys, and what follows it has new ones. */
static void expect_our_update(void)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_HANDSHAKE);
	assert_int_equal(n, sizeof(tells));
	assert_memory_equal(got, tells, n);
	assert_int_equal(keys_next(l.traffic.suite, l.traffic.server, l.traffic.len, &l.down), 0);
}

static void expect_data(const char *text)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_DATA);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, n);
}

static void client_says(const char *text)
{
	char got[100];

	client_seals(&l, TLS_CONTENT_DATA, text, strlen(text));
	assert_int_equal(record_read(l.record, got, sizeof(got)), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

/* --- KeyUpdates ------------------------------------------------------------------------------- */

static void updates_are_followed_and_answered(void **state)
{
	for (int s = 0; s < SUITE_COUNT; s++) {
		restart(VERSION_TLS13, s, true);
		for (int round = 0; round < 3; round++) {
			client_updates(tells);
			client_says("new keys");
			expect_nothing(&l); /* it has not asked for ours */

			client_updates(asks);
			client_says("and yours?");
			expect_our_update();
			assert_int_equal(record_write(l.record, "mine", 4), 4);
			expect_data("mine");
		}
	}
	assert_int_equal(stats.key_updates, SUITE_COUNT * 6);
}

/* The answer comes before any more data, and before anything more is read. */
static void the_answer_comes_first(void **state)
{
	client_updates(asks);
	assert_int_equal(l.k->t.answer_len, 0);
	assert_int_equal(read_byte(&l), -EAGAIN);
	assert_int_equal(l.k->t.answer_len, 0);
	expect_our_update();

	/* The socket is full at first. */
	client_updates(asks);
	client_seals(&l, TLS_CONTENT_DATA, "x", 1);
	fake.send_err = EAGAIN;
	assert_int_equal(read_byte(&l), -EAGAIN);
	assert_true(l.record->answer_due);
	fake.send_err = EAGAIN;
	assert_int_equal(record_write(l.record, "no", 2), -EAGAIN);
	assert_true(l.record->answer_due);
	fake.send_err = EINTR; /* no edge would tell when to try again */
	assert_int_equal(record_flush(l.record), 0);
	assert_false(l.record->answer_due);
	expect_our_update();
	assert_int_equal(read_byte(&l), 1);
	assert_int_equal(record_write(l.record, "yes", 3), 3);
	expect_data("yes");
}

/* In pieces: there are no new keys until all of it is there. */
static void a_split_update(void **state)
{
	for (size_t cut = 1; cut < sizeof(tells); cut++) {
		restart(VERSION_TLS13, SUITE_CHACHA20_POLY1305, true);
		client_seals(&l, TLS_CONTENT_HANDSHAKE, tells, cut);
		assert_int_equal(read_byte(&l), -EAGAIN);
		assert_string_equal(fake.log, "gr"); /* the keys that it has, once more */
		client_seals(&l, TLS_CONTENT_HANDSHAKE, tells + cut, sizeof(tells) - cut);
		assert_int_equal(keys_next(l.traffic.suite, l.traffic.client, l.traffic.len, &l.up),
				 0);
		client_says("new keys");
	}
}

static void keys_that_stay(void **state)
{
	/* The record has no secrets: the kernel takes no new keys. */
	restart(VERSION_TLS13, SUITE_AES_128_GCM, false);
	client_seals(&l, TLS_CONTENT_HANDSHAKE, tells, sizeof(tells));
	assert_int_equal(read_byte(&l), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_key_update_refused);
	assert_string_equal(fake.log, "");
	expect_alert(&l, 2, ALERT_UNEXPECTED_MESSAGE);
}

static void new_keys_that_the_kernel_refuses(void **state)
{
	/* Of the client's direction. */
	fake.err[FAKE_RX] = ENOMEM;
	client_updates(asks);
	assert_int_equal(read_byte(&l), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_key_update_refused);
	expect_alert(&l, 2, ALERT_INTERNAL_ERROR);
	expect_nothing(&l); /* no answer behind an alert */
	assert_int_equal(stats.key_updates, 0);

	/* Of ours, when the answer is out: the client could not read an alert. */
	fake_start();
	restart(VERSION_TLS13, SUITE_AES_128_GCM, true);
	fake.err[FAKE_TX] = ENOMEM;
	client_updates(asks);
	assert_int_equal(read_byte(&l), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_key_update_refused);
	{
		uint8_t got[10];
		size_t n;

		assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_HANDSHAKE);
		expect_nothing(&l);
		/* Nor a close_notify. */
		assert_int_equal(record_close_write(l.record), 0);
		assert_int_equal(recv(l.peer, got, 1, 0), 0);
	}

	/* And the old ones again, for half a KeyUpdate. */
	fake_start();
	restart(VERSION_TLS13, SUITE_AES_128_GCM, true);
	fake.err[FAKE_GET_RX] = EINVAL;
	client_seals(&l, TLS_CONTENT_HANDSHAKE, tells, 2);
	assert_int_equal(read_byte(&l), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_key_update_refused);
	expect_alert(&l, 2, ALERT_INTERNAL_ERROR);
}

/* Secrets of a length that no suite has: nothing is derived, nothing is set. */
static void secrets_that_do_not_fit(void **state)
{
	l.k->t.traffic.len = 31;
	memset(fake.log, 0, sizeof(fake.log));
	client_seals(&l, TLS_CONTENT_HANDSHAKE, tells, sizeof(tells));
	assert_int_equal(read_byte(&l), -EPROTO);
	assert_string_equal(fake.log, "");
	expect_alert(&l, 2, ALERT_INTERNAL_ERROR);
}

static void a_flood_of_updates(void **state)
{
	for (int i = 0; i < KEY_UPDATES_FREE; i++) {
		client_updates(tells);
		assert_int_equal(read_byte(&l), -EAGAIN);
	}
	client_updates(tells);
	assert_int_equal(read_byte(&l), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_key_update_flood);
	expect_alert(&l, 2, ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(stats.key_updates, KEY_UPDATES_FREE);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void an_answer_that_fails(void **state)
{
	client_updates(asks);
	fake.send_err = ECONNRESET;
	assert_int_equal(read_byte(&l), -ECONNRESET);
	assert_reason(l.record->reason, KEDGE_REASON_client_reset);
	assert_false(l.record->answer_due);
	assert_int_equal(l.k->t.answer_len, 0);
	assert_int_equal(read_byte(&l), -ECONNRESET);
}

/* After our close_notify nothing may follow, not even what is due. */
static void no_answer_behind_an_alert(void **state)
{
	client_updates(asks);
	fake.send_err = EAGAIN;
	assert_int_equal(read_byte(&l), -EAGAIN);
	assert_int_equal(record_close_write(l.record), 0);
	assert_int_equal(read_byte(&l), -EAGAIN);
	assert_int_equal(record_flush(l.record), 0);
	expect_alert(&l, 1, ALERT_CLOSE_NOTIFY);
	{
		uint8_t got[10];
		size_t n;

		assert_int_equal(client_opens(&l, got, &n), -1);
	}
}

static void a_renegotiation_is_refused(void **state)
{
	static const uint8_t hello[] = {1, 0, 0, 2, 3, 3};

	restart(VERSION_TLS12, SUITE_AES_128_GCM, false);
	for (int i = 0; i < CONTROL_RENEGOTIATIONS_MAX; i++) {
		client_seals(&l, TLS_CONTENT_HANDSHAKE, hello, sizeof(hello));
		assert_int_equal(read_byte(&l), -EAGAIN);
		expect_alert(&l, 1, ALERT_NO_RENEGOTIATION);
		assert_int_equal(record_write(l.record, "on", 2), 2);
		expect_data("on");
	}
	client_seals(&l, TLS_CONTENT_HANDSHAKE, hello, sizeof(hello));
	assert_int_equal(read_byte(&l), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_renegotiation);
	expect_alert(&l, 1, ALERT_NO_RENEGOTIATION);
	expect_nothing(&l);
	assert_string_equal(fake.log, "");
}

static void an_end_and_a_fault(void **state)
{
	record_tls_control(&l.k->t, TLS_CONTENT_ALERT, (const uint8_t *)"\1\0", 2);
	assert_true(l.k->t.ended && l.record->clean_end);
	assert_int_equal(read_byte(&l), 0);

	restart(VERSION_TLS13, SUITE_AES_128_GCM, true);
	record_tls_control(&l.k->t, 99, (const uint8_t *)"", 0);
	assert_int_equal(l.k->t.failed, -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_record_control);
	expect_alert(&l, 2, ALERT_UNEXPECTED_MESSAGE);

	restart(VERSION_TLS13, SUITE_AES_128_GCM, true);
	record_tls_control(&l.k->t, TLS_CONTENT_ALERT, (const uint8_t *)"\2\50", 2);
	assert_reason(l.record->reason, KEDGE_REASON_tls_client_alert);
	expect_nothing(&l);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		TEST(updates_are_followed_and_answered),
		TEST(the_answer_comes_first),
		TEST(a_split_update),
		TEST(keys_that_stay),
		TEST(new_keys_that_the_kernel_refuses),
		TEST(secrets_that_do_not_fit),
		TEST(a_flood_of_updates),
		TEST(an_answer_that_fails),
		TEST(no_answer_behind_an_alert),
		TEST(a_renegotiation_is_refused),
		TEST(an_end_and_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
