/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel records from up close: the other end is made of records that the test seals itself with
 * known keys, so that it can send what no TLS library would. Skipped where there is no kernel TLS.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "tls/control_record.h"
#include "tls/ktls_probe.h"
#include "tls/record_ktls.h"
#include "tls/record_open.h"
#include "tests/lib/tls_peer.h"
#include "tests/lib/tls_records.h"

static struct ktls_caps caps;
static struct kedge_stats stats;
static uint8_t in[65536];
static struct record_scratch scratch = {.in = in, .in_size = sizeof(in), .stats = &stats};

struct leg {
	struct record *record;
	int fd, peer;
	union ktls_crypto up, down; /* client to server, server to client */
};

static void start(struct leg *l, enum tls_version v, enum tls_suite s)
{
	static const uint8_t key[2][32] = {"the key of the client's records.",
					   "and the one of the server's: 32."};
	static const uint8_t iv[2][12] = {"client's iv", "server's iv"};
	int ends[2];

	peer_pair(ends);
	*l = (struct leg){.fd = ends[1], .peer = ends[0]};
	ktls_fill(&l->up, v, s, key[0], iv[0], 0);
	ktls_fill(&l->down, v, s, key[1], iv[1], 0);
	assert_int_equal(ktls_take_over(l->fd, &l->down, &l->up), 0);
	l->record = record_ktls_new(l->fd, &scratch, v, s, NULL);
	assert_non_null(l->record);
}

static void stop(struct leg *l)
{
	record_free(l->record);
	close(l->fd);
	close(l->peer);
}

static void client_seals(struct leg *l, uint8_t type, const void *bytes, size_t n)
{
	static uint8_t rec[RECORD_BYTES_MAX];
	int len = record_seal(&l->up, type, bytes, n, rec);

	assert_int_equal(send(l->peer, rec, (size_t)len, 0), len);
	peer_wait(l->fd);
}

/* Opens the next record that the server sent; its type, or -1 at the end of the stream. */
static int client_opens(struct leg *l, uint8_t *bytes, size_t *n)
{
	static uint8_t rec[RECORD_BYTES_MAX], plain[RECORD_BYTES_MAX];
	size_t want = 5, have = 0;
	uint8_t type;
	int len;

	while (have < want) {
		ssize_t r;

		peer_wait(l->peer);
		r = recv(l->peer, rec + have, want - have, 0);
		if (r <= 0)
			return -1;
		have += (size_t)r;
		if (have == 5)
			want = 5 + (size_t)(rec[3] << 8 | rec[4]);
	}
	len = record_open(&l->down, rec, have, plain, &type);
	assert_true(len >= 0);
	memcpy(bytes, plain, (size_t)len);
	*n = (size_t)len;
	return type;
}

static void expect_alert(struct leg *l, uint8_t level, uint8_t description)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	assert_int_equal(client_opens(l, got, &n), TLS_CONTENT_ALERT);
	assert_int_equal(n, 2);
	assert_int_equal(got[0], level);
	assert_int_equal(got[1], description);
}

static ssize_t read_byte(struct leg *l)
{
	uint8_t byte;

	return record_read(l->record, &byte, 1);
}

/* --- what the kernel can do ------------------------------------------------------------------- */

static void probe_finds_all_that_these_kernels_can(void **state)
{
	struct utsname u;

	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			assert_true(ktls_can(&caps, v, s));
			assert_int_equal(caps.err[v][s], 0);
		}
	uname(&u);
	print_message("%s: rekey %d\n", u.release, caps.rekey);
	/* Of Debian's kernels those from 7 on can; a wrong "yes" would lose connections. */
	assert_int_equal(caps.rekey, u.release[0] >= '7');
}

static void probe_without_kernel_tls_says_why(void **state)
{
	assert_false(caps.rekey);
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			assert_false(ktls_can(&caps, v, s));
			assert_int_equal(caps.err[v][s], caps.ulp_err);
		}
}

/*
 * --- a record that the kernel refused ----------------------------------------------------------
 */

static void authentic_or_not(void **state)
{
	static const uint8_t key[32] = "a key of thirty-two octets, yes", iv[12] = "twelve octe";
	uint8_t record[100], copy[100];

	for (int s = 0; s < SUITE_COUNT; s++) {
		union ktls_crypto seal, open;
		size_t n;

		ktls_fill(&seal, VERSION_TLS13, s, key, iv, 0xfffffffffe);
		open = seal;
		n = (size_t)record_seal(&seal, 0, "\0\0\0", 3, record);
		memcpy(copy, record, n);
		assert_true(record_authentic(&open, copy, n));
		/* What lies behind it does not matter, what is missing does. */
		memcpy(copy, record, n);
		assert_true(record_authentic(&open, copy, sizeof(copy)));
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *exact = test_malloc(cut ? cut : 1);

			memcpy(exact, record, cut);
			assert_false(record_authentic(&open, exact, cut));
			test_free(exact);
		}
		for (size_t bit = 0; bit < 8 * n; bit++) {
			memcpy(copy, record, n);
			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(record_authentic(&open, copy, n));
		}
		/* With the number of the next one. */
		memcpy(copy, record, n);
		assert_false(record_authentic(&seal, copy, n));
	}
}

/* --- records ---------------------------------------------------------------------------------- */

static void both_directions_in_every_suite(void **state)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			struct leg l;

			start(&l, v, s);
			for (int i = 0; i < 3; i++) {
				client_seals(&l, TLS_CONTENT_DATA, "to the server", 13);
				assert_int_equal(record_read(l.record, got, sizeof(got)), 13);
				assert_memory_equal(got, "to the server", 13);
				assert_int_equal(record_write(l.record, "to the client", 13), 13);
				assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_DATA);
				assert_int_equal(n, 13);
				assert_memory_equal(got, "to the client", 13);
			}
			stop(&l);
		}
}

static void empty_data_records_are_no_end(void **state)
{
	uint8_t got[100];
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	client_seals(&l, TLS_CONTENT_DATA, "", 0);
	assert_int_equal(record_read(l.record, got, sizeof(got)), -EAGAIN);
	client_seals(&l, TLS_CONTENT_DATA, "", 0);
	client_seals(&l, TLS_CONTENT_DATA, "more", 4);
	assert_int_equal(record_read(l.record, got, sizeof(got)), 4);
	assert_int_equal(record_read(l.record, got, sizeof(got)), -EAGAIN);
	stop(&l);
}

static void close_notify_in_tiny_reads(void **state)
{
	for (int v = 0; v < VERSION_COUNT; v++) {
		struct leg l;

		start(&l, v, SUITE_AES_128_GCM);
		client_seals(&l, TLS_CONTENT_DATA, "ab", 2);
		client_seals(&l, TLS_CONTENT_ALERT, "\1\0", 2);
		assert_int_equal(read_byte(&l), 1);
		assert_int_equal(read_byte(&l), 1);
		assert_int_equal(read_byte(&l), 0);
		assert_true(l.record->clean_end);
		stop(&l);
	}
}

static void alerts(void **state)
{
	static const struct {
		const char *alert;
		ssize_t result;
		enum kedge_reason reason;
	} cases[] = {
		{"\2\60", -EPROTO, KEDGE_REASON_tls_client_alert}, /* unknown_ca, too late */
		{"\2\120", -EPROTO, KEDGE_REASON_tls_client_alert},
		{"\1\132", -EAGAIN, KEDGE_REASON_NONE}, /* user_canceled: close_notify follows */
		{"\2\0", 0, KEDGE_REASON_NONE},         /* close_notify at the wrong level */
		{"\1\60", -EPROTO, KEDGE_REASON_tls_client_alert}, /* the level says nothing */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leg l;

		start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
		client_seals(&l, TLS_CONTENT_ALERT, cases[i].alert, 2);
		assert_int_equal(read_byte(&l), cases[i].result);
		assert_int_equal(l.record->reason, cases[i].reason);
		assert_int_equal(read_byte(&l), cases[i].result);
		stop(&l);
	}
}

static void other_control_records_are_refused(void **state)
{
	static const struct {
		uint8_t type;
		const char *bytes;
		size_t n;
	} cases[] = {
		{TLS_CONTENT_HANDSHAKE, "\1\0\0\1\0", 5}, /* ClientHello: renegotiation */
		{TLS_CONTENT_HANDSHAKE, "\30\0\0\1\0\30\0\0\1\0", 10}, /* two in one record */
		{TLS_CONTENT_HANDSHAKE, "\4\0\0\0\0\0\0\0", 8},
		{TLS_CONTENT_ALERT, "\1\0\1\0", 4},
		{24, "heartbeat", 9},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t buf[100];
		struct leg l;

		start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
		client_seals(&l, cases[i].type, cases[i].bytes, cases[i].n);
		assert_int_equal(record_read(l.record, buf, sizeof(buf)), -EPROTO);
		assert_int_equal(l.record->reason, KEDGE_REASON_record_control);
		expect_alert(&l, 2, 10);
		/* Nothing may follow a fatal alert. */
		assert_int_equal(record_write(l.record, "x", 1), -EPIPE);
		assert_int_equal(record_read(l.record, buf, sizeof(buf)), -EPROTO);
		stop(&l);
	}
}

static void key_update_without_secrets_is_refused(void **state)
{
	static const size_t lens[] = {1, 3, 100};

	for (int i = 0; i < 3; i++) {
		uint8_t buf[100];
		struct leg l;

		start(&l, VERSION_TLS13, SUITE_CHACHA20_POLY1305);
		client_seals(&l, TLS_CONTENT_DATA, "ab", 2);
		client_seals(&l, TLS_CONTENT_HANDSHAKE, "\30\0\0\1\0", 5);
		assert_int_equal(record_read(l.record, buf, 2), 2);
		assert_int_equal(record_read(l.record, buf, lens[i]), -EPROTO);
		assert_int_equal(l.record->reason, KEDGE_REASON_key_update_refused);
		expect_alert(&l, 2, 10);
		stop(&l);
	}
}

static void damage_is_fatal_at_once(void **state)
{
	static const char garbage[][40] = {
		"GET / HTTP/1.1\r\nHost: plain\r\n\r\n",       /* not a record */
		"\27\3\3\377\377 longer than a record may be", /* 65535 bytes */
		"\27\3\3\0\40 thirty-two bytes of nonsense",   /* does not decrypt */
	};

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		const size_t n = 5 + 32;
		struct leg l;

		start(&l, VERSION_TLS13, SUITE_AES_256_GCM);
		client_seals(&l, TLS_CONTENT_DATA, "x", 1);
		assert_int_equal(send(l.peer, garbage[i], n, 0), n);
		assert_int_equal(read_byte(&l), 1);
		peer_wait(l.fd);
		assert_int_equal(read_byte(&l), -EPROTO);
		assert_int_equal(l.record->reason, KEDGE_REASON_record_bad);
		/* The kernel says it once; a leg that forgot it would wait for ever. */
		assert_int_equal(read_byte(&l), -EPROTO);
		stop(&l);
	}
}

static void close_notify_then_fin(void **state)
{
	uint8_t got[RECORD_BYTES_MAX];
	struct leg l;
	size_t n;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	assert_int_equal(record_write(l.record, "last words", 10), 10);
	assert_int_equal(record_close_write(l.record), 0);
	assert_int_equal(record_close_write(l.record), 0);
	assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_DATA);
	expect_alert(&l, 1, 0);
	assert_int_equal(client_opens(&l, got, &n), -1);
	/* The client may still talk. */
	client_seals(&l, TLS_CONTENT_DATA, "yes?", 4);
	assert_int_equal(record_read(l.record, got, sizeof(got)), 4);
	stop(&l);
}

/*
 * The kernel holds encrypted records back when the socket is full; the FIN must not overtake them.
 * Small send buffers, several sizes of the last write, a client that starts to read late.
 */
static void fin_does_not_overtake_data(void **state)
{
	static uint8_t chunk[50000], got[RECORD_BYTES_MAX];

	for (int sndbuf = 4096; sndbuf <= 262144; sndbuf *= 4)
		for (size_t last = 1; last < 60000; last = last * 7 + 3) {
			size_t sent = 0, received = 0, n = 0;
			bool closed = false;
			struct leg l;
			int type;

			start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
			setsockopt(l.fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
			for (ssize_t r; (r = record_write(l.record, chunk,
							  last < sizeof(chunk) ? last : 50000)) > 0;
			     sent += (size_t)r)
				if (sent > 3000000)
					break;
			while ((type = client_opens(&l, got, &n)) == TLS_CONTENT_DATA) {
				received += n;
				if (!closed)
					closed = record_close_write(l.record) == 0;
				if (!closed && received == sent)
					closed = record_close_write(l.record) == 0;
			}
			assert_true(closed);
			assert_int_equal(received, sent);
			assert_int_equal(type, TLS_CONTENT_ALERT);
			assert_int_equal(client_opens(&l, got, &n), -1);
			stop(&l);
		}
}

static void kernel_records(void **state)
{
	print_message("no kernel TLS here: %s\n", strerror(caps.ulp_err));
	skip();
}

int main(void)
{
	const struct CMUnitTest missing[] = {
		cmocka_unit_test(probe_without_kernel_tls_says_why),
		cmocka_unit_test(authentic_or_not),
		cmocka_unit_test(kernel_records),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_finds_all_that_these_kernels_can),
		cmocka_unit_test(authentic_or_not),
		cmocka_unit_test(both_directions_in_every_suite),
		cmocka_unit_test(empty_data_records_are_no_end),
		cmocka_unit_test(close_notify_in_tiny_reads),
		cmocka_unit_test(alerts),
		cmocka_unit_test(other_control_records_are_refused),
		cmocka_unit_test(key_update_without_secrets_is_refused),
		cmocka_unit_test(damage_is_fatal_at_once),
		cmocka_unit_test(close_notify_then_fin),
		cmocka_unit_test(fin_does_not_overtake_data),
	};

	if (ktls_probe(&caps))
		return 1;
	return caps.ulp_err ? cmocka_run_group_tests(missing, NULL, NULL)
			    : cmocka_run_group_tests(tests, NULL, NULL);
}
