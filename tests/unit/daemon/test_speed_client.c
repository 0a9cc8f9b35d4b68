/* SPDX-License-Identifier: BSD-2-Clause */
/* speed_client.c: what it seals opens, and it finds the end of each record that it drops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/probe_pair.h"
#include "daemon/speed_client.h"
#include "tests/lib/tls_records.h"
#include "tls/control_record.h"

static bool wait_in_vain;

static bool fake_wait(int fd, short events)
{
	return !wait_in_vain && probe_wait(fd, events);
}

#define probe_wait fake_wait
#include "daemon/speed_client.c"
#undef probe_wait

struct rig {
	struct speed_client client;
	union ktls_crypto up, down;
	struct probe_pair pair;
	struct speed_skip skip;
};

static int setup(void **state)
{
	static struct rig rig;

	wait_in_vain = false;
	memset(&rig, 0, sizeof(rig));
	rig.pair = (struct probe_pair){-1, -1};
	assert_int_equal(probe_pair_open(&rig.pair, NULL), 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	speed_client_close(&r->client);
	probe_pair_close(&r->pair);
	return 0;
}

/* Opens the records of `s`, as the server would; returns the bytes of content in them. */
static size_t open_all(struct rig *r, const struct speed_sealed *s, unsigned *records)
{
	static uint8_t plain[RECORD_BYTES_MAX];
	size_t at = 0, content = 0;

	for (*records = 0; at < s->len; ++*records) {
		const size_t len = 5 + (size_t)(s->bytes[at + 3] << 8 | s->bytes[at + 4]);
		uint8_t type;
		int n = record_open(&r->up, s->bytes + at, len, plain, &type);

		assert_true(n > 0);
		assert_int_equal(type, TLS_CONTENT_DATA);
		if (n == SPEED_REQUEST_BYTES)
			assert_memory_equal(plain, speed_request_text(), SPEED_REQUEST_BYTES);
		content += (size_t)n;
		at += len;
	}
	assert_int_equal(at, s->len);
	return content;
}

/* Each under the number after the one before, with every suite. */
static void what_is_sealed_opens(void **state)
{
	struct rig *r = *state;
	unsigned records;

	for (int s = 0; s < SUITE_COUNT; s++) {
		assert_int_equal(speed_client_open(&r->client, (enum tls_suite)s), 0);
		speed_keys((enum tls_suite)s, &r->up, &r->down);
		assert_memory_not_equal(&r->up, &r->down, sizeof(r->up));
		for (int i = 0; i < 3; i++) {
			assert_int_equal(speed_client_seal_request(&r->client), 0);
			assert_int_equal(open_all(r, &r->client.request, &records),
					 SPEED_REQUEST_BYTES);
			assert_int_equal(records, 1);
		}
		speed_keys((enum tls_suite)s, &r->up, &r->down);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(speed_client_seal_body(&r->client), 0);
			assert_int_equal(open_all(r, &r->client.body, &records), SPEED_BODY_BYTES);
			assert_int_equal(records, SPEED_BODY_BYTES / 16384);
			assert_int_equal(r->client.body.len % 16, 0); /* goes in 16 pieces */
		}
		speed_client_close(&r->client);
	}
}

/* Sends a record with so much content from the server. */
static size_t server_record(struct rig *r, size_t n, uint8_t *wire)
{
	static const uint8_t content[16384];

	return (size_t)record_seal(&r->down, TLS_CONTENT_DATA, content, n, wire);
}

static void deliver(struct rig *r, const uint8_t *bytes, size_t n)
{
	assert_int_equal(send(r->pair.far, bytes, n, MSG_NOSIGNAL), n);
	assert_true(probe_wait(r->pair.near, POLLIN));
}

static void records_may_come_in_any_pieces(void **state)
{
	struct rig *r = *state;
	static uint8_t wire[2 * RECORD_BYTES_MAX];

	speed_keys(SUITE_AES_128_GCM, &r->up, &r->down);
	for (size_t piece = 1; piece < 60; piece++) {
		size_t len = server_record(r, 7, wire), content = 0;

		len += server_record(r, 20, wire + len);
		for (size_t at = 0; at < len; at += piece) {
			const size_t n = len - at < piece ? len - at : piece;
			ssize_t got;

			deliver(r, wire + at, n);
			got = speed_client_skip(r->pair.near, &r->skip, 1000);
			assert_true(got >= 0);
			content += (size_t)got;
		}
		assert_int_equal(content, 27);
		assert_int_equal(r->skip.have, 0);
		assert_int_equal(r->skip.left, 0);
	}
}

static void no_more_is_taken_than_asked_for(void **state)
{
	struct rig *r = *state;
	static uint8_t wire[3 * RECORD_BYTES_MAX];
	size_t len = 0;

	speed_keys(SUITE_CHACHA20_POLY1305, &r->up, &r->down);
	for (int i = 0; i < 3; i++)
		len += server_record(r, 16384, wire + len);
	deliver(r, wire, len);
	assert_int_equal(speed_client_skip(r->pair.near, &r->skip, 16384), 16384);
	assert_int_equal(speed_client_skip(r->pair.near, &r->skip, 32768), 32768);
}

static void failures_have_their_errno(void **state)
{
	static const uint8_t clear[] = {22, 3, 3, 0, 40}, shorter[] = {23, 3, 3, 0, 16};
	struct rig *r = *state;

	deliver(r, clear, sizeof(clear));
	assert_int_equal(speed_client_skip(r->pair.near, &r->skip, 1), -EBADMSG);
	r->skip = (struct speed_skip){0};
	deliver(r, shorter, sizeof(shorter));
	assert_int_equal(speed_client_skip(r->pair.near, &r->skip, 1), -EBADMSG);
	r->skip = (struct speed_skip){0};
	wait_in_vain = true;
	assert_int_equal(speed_client_skip(r->pair.near, &r->skip, 1), -ETIMEDOUT);
	wait_in_vain = false;
	assert_int_equal(shutdown(r->pair.far, SHUT_WR), 0);
	assert_int_equal(speed_client_skip(r->pair.near, &r->skip, 1), -EPIPE);
	assert_int_equal(shutdown(r->pair.near, SHUT_WR), 0);
	assert_int_equal(speed_client_send(r->pair.near, clear, 1), -EPIPE);
}

static void a_full_socket_takes_a_part(void **state)
{
	static uint8_t bytes[16 << 20];
	struct rig *r = *state;
	ssize_t n = speed_client_send(r->pair.near, bytes, sizeof(bytes));

	assert_in_range(n, 1, sizeof(bytes) - 1);
	while (n > 0)
		n = speed_client_send(r->pair.near, bytes, sizeof(bytes));
	assert_int_equal(n, 0);
	assert_int_equal(speed_client_send(r->pair.near, bytes, 0), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_sealed_opens),
		TEST(records_may_come_in_any_pieces),
		TEST(no_more_is_taken_than_asked_for),
		TEST(failures_have_their_errno),
		TEST(a_full_socket_takes_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
