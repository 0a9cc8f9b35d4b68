/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/record_ktls.c: splices. Only the kernel has them: without kernel TLS nothing runs. */
#include "tests/unit/tls/ktls_leg.h"
#include "tests/lib/assert_reason.h"

#include <fcntl.h>

#include "tls/aead.h"
#include "tls/ktls_probe.h"

static int tube[2];

static int up(void **state)
{
	(void)state;
	return pipe2(tube, O_NONBLOCK);
}

static int down(void **state)
{
	(void)state;
	close(tube[0]);
	close(tube[1]);
	return 0;
}

static ssize_t splice_in(struct leg *l, size_t len)
{
	return record_splice_in(l->record, tube[1], len);
}

static void expect_in_tube(const char *text)
{
	char got[64];

	assert_int_equal(read(tube[0], got, sizeof(got)), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static void spliced_both_ways_in_every_suite(void **state)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			struct leg l;

			start(&l, v, s);
			assert_true(record_can_splice(l.record));
			assert_int_equal(splice_in(&l, 99), -EAGAIN);
			for (int i = 0; i < 3; i++) {
				client_seals(&l, TLS_CONTENT_DATA, "to the server", 13);
				assert_int_equal(splice_in(&l, 6), 6);
				assert_int_equal(splice_in(&l, 99), 7);
				assert_false(l.record->drained || l.record->look_again);
				assert_int_equal(record_splice_out(l.record, tube[0], 13), 13);
				assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_DATA);
				assert_int_equal(n, 13);
				assert_memory_equal(got, "to the server", 13);
			}
			stop(&l);
		}
}

/* The rest of a record that begins with a body is read. */
static void a_splice_and_a_read_of_one_record(void **state)
{
	char got[16];
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	client_seals(&l, TLS_CONTENT_DATA, "bodyGET", 7);
	assert_int_equal(splice_in(&l, 4), 4);
	expect_in_tube("body");
	assert_int_equal(record_read(l.record, got, sizeof(got)), 3);
	assert_memory_equal(got, "GET", 3);
	stop(&l);
}

/* The other way round: the rest of a record that was read. */
static void a_read_and_a_splice_of_one_record(void **state)
{
	static uint8_t body[AEAD_CONTENT_MAX], got[AEAD_CONTENT_MAX];
	struct leg l;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 2654435761u >> 13);
	for (int v = 0; v < VERSION_COUNT; v++)
		for (size_t head = 1; head < 200; head += 51) {
			start(&l, v, SUITE_AES_128_GCM);
			client_seals(&l, TLS_CONTENT_DATA, "a head", 6);
			client_seals(&l, TLS_CONTENT_DATA, body, sizeof(body));
			client_seals(&l, TLS_CONTENT_DATA, body, sizeof(body));
			assert_int_equal(record_read(l.record, got, 6), 6);
			assert_int_equal(record_read(l.record, got, sizeof(got) - head),
					 sizeof(got) - head);
			assert_memory_equal(got, body, sizeof(got) - head);
			assert_int_equal(splice_in(&l, 65536), head);
			assert_int_equal(read(tube[0], got, sizeof(got)), head);
			assert_memory_equal(got, body + sizeof(body) - head, head);
			assert_int_equal(splice_in(&l, 65536), sizeof(body));
			assert_int_equal(read(tube[0], got, sizeof(got)), sizeof(body));
			assert_memory_equal(got, body, sizeof(body));
			stop(&l);
		}
}

/* As before, in one read of both records. */
static void a_read_over_two_records_and_a_splice(void **state)
{
	static uint8_t body[AEAD_CONTENT_MAX], got[AEAD_CONTENT_MAX];
	struct leg l;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 2654435761u >> 13);
	for (int v = 0; v < VERSION_COUNT; v++) {
		start(&l, v, SUITE_AES_128_GCM);
		client_seals(&l, TLS_CONTENT_DATA, "a head", 6);
		client_seals(&l, TLS_CONTENT_DATA, body, sizeof(body));
		client_seals(&l, TLS_CONTENT_DATA, body, sizeof(body));
		assert_int_equal(record_read(l.record, got, sizeof(got)), sizeof(got));
		assert_memory_equal(got, "a head", 6);
		assert_memory_equal(got + 6, body, sizeof(got) - 6);
		assert_int_equal(splice_in(&l, 65536), 6);
		assert_int_equal(read(tube[0], got, sizeof(got)), 6);
		assert_memory_equal(got, body + sizeof(body) - 6, 6);
		assert_int_equal(splice_in(&l, 65536), sizeof(body));
		assert_int_equal(read(tube[0], got, sizeof(got)), sizeof(body));
		assert_memory_equal(got, body, sizeof(body));
		stop(&l);
	}
}

/* splice(2) says 0 for them, as for the end. */
static void empty_records_are_no_end_of_a_splice(void **state)
{
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	client_seals(&l, TLS_CONTENT_DATA, "", 0);
	assert_int_equal(splice_in(&l, 99), -EAGAIN);
	client_seals(&l, TLS_CONTENT_DATA, "", 0);
	client_seals(&l, TLS_CONTENT_DATA, "more", 4);
	assert_int_equal(splice_in(&l, 99), 4);
	expect_in_tube("more");
	assert_int_equal(splice_in(&l, 99), -EAGAIN);
	stop(&l);
}

static void close_notify_ends_a_splice(void **state)
{
	static const uint8_t bye[] = {ALERT_LEVEL_WARNING, ALERT_CLOSE_NOTIFY};
	struct leg l;

	for (int v = 0; v < VERSION_COUNT; v++) {
		start(&l, v, SUITE_AES_128_GCM);
		client_seals(&l, TLS_CONTENT_DATA, "last", 4);
		client_seals(&l, TLS_CONTENT_ALERT, bye, sizeof(bye));
		assert_int_equal(splice_in(&l, 99), 4);
		expect_in_tube("last");
		assert_int_equal(splice_in(&l, 99), 0);
		assert_true(l.record->clean_end);
		assert_int_equal(splice_in(&l, 99), 0);
		stop(&l);
	}
}

static void a_fin_ends_a_splice(void **state)
{
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	client_seals(&l, TLS_CONTENT_DATA, "last", 4);
	shutdown(l.peer, SHUT_WR);
	assert_int_equal(splice_in(&l, 99), 4);
	peer_wait(l.fd);
	assert_int_equal(splice_in(&l, 99), 0);
	assert_false(l.record->clean_end);
	stop(&l);
}

static void a_fault_ends_a_splice(void **state)
{
	static const uint8_t clear[64] = {TLS_CONTENT_DATA, 9, 9, 0, 59};
	static const uint8_t fatal[] = {ALERT_LEVEL_FATAL, 40};
	struct leg l;

	/* A bad header: the kernel says EINVAL, as for a control record, but once. */
	start(&l, VERSION_TLS12, SUITE_AES_128_GCM);
	assert_int_equal(send(l.peer, clear, sizeof(clear), 0), sizeof(clear));
	peer_wait(l.fd);
	assert_int_equal(splice_in(&l, 99), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_record_bad);
	assert_int_equal(splice_in(&l, 99), -EPROTO);
	expect_alert(&l, ALERT_LEVEL_FATAL, ALERT_PROTOCOL_VERSION);
	stop(&l);
	/* Another sequence number: not authentic. */
	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	l.up.aes128.rec_seq[7] ^= 1;
	client_seals(&l, TLS_CONTENT_DATA, "x", 1);
	assert_int_equal(splice_in(&l, 99), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_record_bad);
	expect_alert(&l, ALERT_LEVEL_FATAL, ALERT_BAD_RECORD_MAC);
	assert_int_equal(record_splice_out(l.record, tube[0], 1), -EPIPE);
	stop(&l);
	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	client_seals(&l, TLS_CONTENT_ALERT, fatal, sizeof(fatal));
	assert_true(splice_in(&l, 99) < 0);
	stop(&l);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		TEST(spliced_both_ways_in_every_suite),
		TEST(a_splice_and_a_read_of_one_record),
		TEST(a_read_and_a_splice_of_one_record),
		TEST(a_read_over_two_records_and_a_splice),
		TEST(empty_records_are_no_end_of_a_splice),
		TEST(close_notify_ends_a_splice),
		TEST(a_fin_ends_a_splice),
		TEST(a_fault_ends_a_splice),
	};
	struct ktls_caps caps;

	if (ktls_probe(&caps))
		return 1;
	if (caps.ulp_err) {
		print_message("no kernel TLS here: %s\n", strerror(caps.ulp_err));
		return 77;
	}
	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
