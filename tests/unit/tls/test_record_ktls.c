/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/record_ktls.c: a leg of kernel records from close up. All tests run on the fake of
 * fake_ktls.h. Those that need no failing system call run on kernel TLS too, if there is any. The
 * source is included, for its clock and its allocations.
 */
#include "tests/unit/tls/fake_ktls.h"
#include "tests/unit/tls/fill.h"
#include "tests/unit/tls/ktls_leg.h"

#include <poll.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "tests/lib/net.h"
#include "tests/lib/assert_reason.h"
#include "tls/ktls_probe.h"
#include "tls/record_ktls_fault.h"

/* Each look at the clock takes so long. */
static uint64_t clock_us, step_us;
static int allocations; /* that succeed before one fails; negative: all */

static uint64_t test_clock(void)
{
	return clock_us += step_us;
}

static bool out_of_memory(void)
{
	return allocations >= 0 && allocations-- == 0;
}

#define monotonic_us test_clock
#define calloc(...)  (out_of_memory() ? NULL : calloc(__VA_ARGS__))
#undef OPENSSL_memdup
#define OPENSSL_memdup(p, n) (out_of_memory() ? NULL : CRYPTO_memdup(p, n, __FILE__, __LINE__))
#include "tls/record_ktls.c"
#undef monotonic_us
#undef calloc

static bool kernel; /* this round's records are the kernel's */

static int up(void **state)
{
	fake_start();
	fake.on = !kernel;
	clock_us = 10 * PACE_LATELY_US;
	step_us = 0;
	allocations = -1;
	return 0;
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
		assert_reason(l.record->reason, KEDGE_REASON_record_control);
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
		assert_reason(l.record->reason, KEDGE_REASON_key_update_refused);
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
		assert_reason(l.record->reason, KEDGE_REASON_record_bad);
		/* The kernel says it once. A leg that forgets it would wait for ever. */
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
 * The kernel holds an encrypted record back if the socket is full. The FIN must not overtake it.
 * With small send buffers, several sizes of the last write, and a client that starts to read late.
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
			setsockopt(l.peer, IPPROTO_TCP, TCP_QUICKACK, &(int){0}, sizeof(int));
			for (ssize_t r; (r = record_write(l.record, chunk,
							  last < sizeof(chunk) ? last : 50000)) > 0;
			     sent += (size_t)r)
				if (sent > 3000000)
					break;
			while ((type = client_opens(&l, got, &n)) == TLS_CONTENT_DATA) {
				received += n;
				if (!closed)
					closed = record_close_write(l.record) == 0;
				/* All is received, but its acknowledgement may be on its way. */
				while (!closed && received == sent &&
				       net_wait(l.fd, POLLOUT, NET_PATIENCE_MS))
					closed = record_close_write(l.record) == 0;
			}
			assert_true(closed);
			assert_int_equal(received, sent);
			assert_int_equal(type, TLS_CONTENT_ALERT);
			assert_int_equal(client_opens(&l, got, &n), -1);
			stop(&l);
		}
}

/* Full records, and a rest: what one write takes needs no more records than that. */
static void a_long_write_is_cut_into_full_records(void **state)
{
	static const size_t lens[] = {1, 16383, 16384, 16385, 32768, 32769, 3 * 16384 + 5};
	static uint8_t text[4 * CONTENT_MAX], got[RECORD_BYTES_MAX];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 2654435761u >> 13);
	for (int v = 0; v < VERSION_COUNT; v++)
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			size_t at = 0, n;
			struct leg l;

			start(&l, v, SUITE_AES_128_GCM);
			assert_int_equal(record_write(l.record, text, lens[i]), lens[i]);
			for (; at < lens[i]; at += n) {
				assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_DATA);
				assert_int_equal(n, lens[i] - at < CONTENT_MAX ? lens[i] - at
									       : CONTENT_MAX);
				assert_memory_equal(got, text + at, n);
			}
			expect_nothing(&l);
			stop(&l);
		}
}

/* The last bytes that a full socket took wait for no other write, whatever the send buffer. */
static void a_short_write_holds_nothing_back(void **state)
{
	static uint8_t chunk[8 * CONTENT_MAX], got[RECORD_BYTES_MAX];

	for (int sndbuf = 4096; sndbuf <= 262144; sndbuf *= 4) {
		size_t sent = 0, received = 0, n;
		struct leg l;
		ssize_t r;

		start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
		setsockopt(l.fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
		while ((r = record_write(l.record, chunk, sizeof(chunk))) > 0) {
			assert_int_equal(fake.corked, 0);
			sent += (size_t)r;
		}
		assert_int_equal(r, -EAGAIN);
		assert_int_equal(fake.corked, 0);
		for (; received < sent; received += n)
			assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_DATA);
		assert_int_equal(received, sent);
		stop(&l);
	}
}

/* --- turns and floods ------------------------------------------------------------------------- */

static void reads_grow_while_they_are_quick(void **state)
{
	static uint8_t text[16384], got[65536];
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	for (int i = 0; i < 7; i++)
		client_seals(&l, TLS_CONTENT_DATA, text, sizeof(text));
	assert_int_equal(record_read(l.record, got, sizeof(got)), 16384);
	assert_false(l.record->tired);
	assert_false(l.record->drained);
	assert_int_equal(record_read(l.record, got, sizeof(got)), 2 * 16384);
	step_us = PACE_SLOW_US + 1; /* this one lasts */
	assert_int_equal(record_read(l.record, got, sizeof(got)), 4 * 16384);
	assert_true(l.record->tired);
	step_us = 0;
	client_seals(&l, TLS_CONTENT_DATA, text, 1);
	assert_int_equal(record_read(l.record, got, sizeof(got)), 1);
	assert_false(l.record->tired);
	assert_true(l.record->drained);
	assert_true(l.record->look_again);
	assert_int_equal(record_read(l.record, got, sizeof(got)), -EAGAIN);
	assert_false(l.record->look_again);
	stop(&l);
}

/* After a slow read: did many bytes of TCP carry hardly any data? */
static void hardly_anything_but_overhead(void **state)
{
	static const struct {
		uint64_t wire;     /* bytes of TCP between two slow reads that gave a byte each */
		uint64_t quiet_us; /* time between them */
		bool flood;
	} cases[] = {
		{(1 << 20) + 1, 0, true},
		{1 << 20, 0, false},
		{(1 << 20) + 1, PACE_LATELY_US, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leg l;

		start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
		step_us = PACE_SUSPECT_US + 1;
		fake.received = 100ULL << 20; /* the first look has nothing to compare with */
		client_seals(&l, TLS_CONTENT_DATA, "x", 1);
		assert_int_equal(read_byte(&l), 1);
		fake.received += cases[i].wire;
		clock_us += cases[i].quiet_us;
		client_seals(&l, TLS_CONTENT_DATA, "x", 1);
		assert_int_equal(read_byte(&l), cases[i].flood ? -EPROTO : 1);
		if (cases[i].flood) {
			assert_reason(l.record->reason, KEDGE_REASON_record_flood);
			expect_alert(&l, 2, 10);
		}
		stop(&l);
	}
}

/* A sixteenth of data is no flood, however slow the reads are. */
static void an_honest_upload_is_no_flood(void **state)
{
	static uint8_t text[16384], got[16384];
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	fake.received = 1 << 20;
	for (int i = 0; i < 18; i++) {
		step_us = i % 6 ? 0 : PACE_SUSPECT_US + 1; /* not every read lasts */
		client_seals(&l, TLS_CONTENT_DATA, text, sizeof(text));
		fake.received += 16 * sizeof(text);
		assert_int_equal(record_read(l.record, got, sizeof(got)), sizeof(text));
	}
	stop(&l);
}

/* A read that took long; `came` bytes have come before, and `waiting` of all wait behind it. */
static ssize_t long_read(struct leg *l, uint64_t came, uint32_t waiting)
{
	step_us = PACE_SUSPECT_US + 1;
	fake.received += came;
	fake.waiting = waiting;
	client_seals(l, TLS_CONTENT_DATA, "x", 1);
	return read_byte(l);
}

/* An upload came, but others had their turn: most of it still waits to be read. */
static void what_waits_is_no_flood(void **state)
{
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	assert_int_equal(long_read(&l, 100ULL << 20, 0), 1);
	assert_int_equal(long_read(&l, (1 << 20) + 1000, 1000), 1);
	assert_int_equal(long_read(&l, 1 << 20, 3 << 20), 1);
	/* It was read in the end, and there were three bytes in it. */
	assert_int_equal(long_read(&l, 1, 0), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_record_flood);
	stop(&l);
}

/* It cannot hide behind a queue that is always full. */
static void a_flood_that_fills_the_queue(void **state)
{
	struct leg l;
	int reads = 0;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	assert_int_equal(long_read(&l, 100ULL << 20, 6 << 20), 1);
	while (long_read(&l, 1 << 19, 6 << 20) == 1)
		reads++;
	assert_int_equal(reads, 14); /* 7 MB came, of which 1 MB was surely read */
	assert_reason(l.record->reason, KEDGE_REASON_record_flood);
	stop(&l);
}

/* However many records without data there are, others must have their turn. */
static void a_read_has_a_budget(void **state)
{
	uint8_t hello[4] = {1, 1, 0, 0}; /* a ClientHello of 64 KB */
	struct leg l;

	start(&l, VERSION_TLS12, SUITE_AES_128_GCM);
	client_seals(&l, TLS_CONTENT_HANDSHAKE, hello, sizeof(hello));
	for (int i = 1; i < RECORD_READ_RECORDS_MAX; i++)
		client_seals(&l, TLS_CONTENT_HANDSHAKE, "x", 1);
	assert_int_equal(read_byte(&l), -EINTR);
	assert_int_equal(read_byte(&l), -EAGAIN);
	stop(&l);
}

/* --- system calls that fail ------------------------------------------------------------------- */

static void a_read_that_fails(void **state)
{
	static const struct {
		int err;
		ssize_t result;
		enum kedge_reason reason;
	} cases[] = {
		{EINTR, -EAGAIN, KEDGE_REASON_NONE}, /* it reads again, and there is nothing */
		{ECONNRESET, -ECONNRESET, KEDGE_REASON_client_reset},
		{ENOMEM, -ECONNRESET, KEDGE_REASON_no_memory},
		{EMSGSIZE, -EPROTO, KEDGE_REASON_record_bad},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leg l;

		start(&l, VERSION_TLS12, SUITE_AES_128_GCM);
		fake.recv_err = cases[i].err;
		assert_int_equal(read_byte(&l), cases[i].result);
		assert_int_equal(l.record->reason, cases[i].reason);
		assert_int_equal(read_byte(&l), cases[i].result);
		stop(&l);
	}
}

static void a_write_that_fails(void **state)
{
	static const struct {
		int err;
		ssize_t result;
		enum kedge_reason reason;
	} cases[] = {
		{EINTR, 1, KEDGE_REASON_NONE},
		{EAGAIN, -EAGAIN, KEDGE_REASON_NONE},
		{EPIPE, -EPIPE, KEDGE_REASON_client_reset},
		{ECONNRESET, -ECONNRESET, KEDGE_REASON_client_reset},
		{ENOMEM, -ECONNRESET, KEDGE_REASON_no_memory},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leg l;

		start(&l, VERSION_TLS12, SUITE_AES_128_GCM);
		fake.send_err = cases[i].err;
		assert_int_equal(record_write(l.record, "x", 1), cases[i].result);
		assert_int_equal(l.record->reason, cases[i].reason);
		assert_int_equal(record_flush(l.record), 0);
		stop(&l);
	}
}

/* TCP then makes segments of several records. The last one must not wait for more. */
static void all_records_but_the_last_say_that_more_follows(void **state)
{
	static const struct {
		size_t len;
		unsigned sends, mores;
	} cases[] = {{1, 1, 0}, {16384, 1, 0}, {16385, 2, 1}, {32768, 2, 1}, {81921, 2, 1}};
	static uint8_t text[81921];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leg l;

		start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
		fake.sends = fake.mores = 0;
		assert_int_equal(record_write(l.record, text, cases[i].len), cases[i].len);
		assert_int_equal(fake.sends, cases[i].sends);
		assert_int_equal(fake.mores, cases[i].mores);
		assert_int_equal(fake.corked, 0);
		stop(&l);
	}
}

/* All but the last record were taken. */
static void a_last_record_that_fails(void **state)
{
	static const struct {
		int err;
		ssize_t result;
	} cases[] = {
		{EINTR, 2 * CONTENT_MAX + 1},
		{EAGAIN, 2 * CONTENT_MAX},
		{EPIPE, -EPIPE},
		{ECONNRESET, -ECONNRESET},
	};
	static uint8_t text[2 * CONTENT_MAX + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leg l;

		start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
		fake.send_err = cases[i].err;
		fake.send_after = 1;
		assert_int_equal(record_write(l.record, text, sizeof(text)), cases[i].result);
		if (cases[i].result > 0)
			assert_int_equal(fake.corked, 0);
		else
			assert_reason(l.record->reason, KEDGE_REASON_client_reset);
		stop(&l);
	}
}

static void a_close_notify_that_fails(void **state)
{
	static const struct {
		int err, result;
		bool again; /* it may be tried once more */
	} cases[] = {
		{EAGAIN, -EAGAIN, true},
		{EINTR, 0, true}, /* no edge would tell when to try again */
		{EPIPE, -EPIPE, false},
		{ECONNRESET, -ECONNRESET, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leg l;

		start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
		fake.send_err = cases[i].err;
		assert_int_equal(record_close_write(l.record), cases[i].result);
		if (cases[i].again) {
			assert_int_equal(record_close_write(l.record), 0);
			expect_alert(&l, 1, 0);
		} else {
			assert_reason(l.record->reason, KEDGE_REASON_client_reset);
		}
		stop(&l);
	}
}

/* The alert waits until the socket has room. */
static void a_full_socket_delays_the_close_notify(void **state)
{
	static uint8_t text[16384], got[RECORD_BYTES_MAX];
	size_t n, sent, received = 0;
	bool closed = false;
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	sent = fill_socket(l.record, text, sizeof(text));
	assert_int_equal(record_close_write(l.record), -EAGAIN);
	while (received < sent && client_opens(&l, got, &n) == TLS_CONTENT_DATA) {
		received += n;
		closed = closed || record_close_write(l.record) == 0;
	}
	while (!closed && net_wait(l.fd, POLLOUT, NET_PATIENCE_MS))
		closed = record_close_write(l.record) == 0;
	assert_true(closed);
	assert_int_equal(received, sent);
	expect_alert(&l, 1, 0);
	assert_int_equal(client_opens(&l, got, &n), -1);
	stop(&l);
}

/* --- draining and the rest -------------------------------------------------------------------- */

static void draining_takes_records_and_then_bytes(void **state)
{
	static uint8_t got[1000];
	unsigned recvs;
	struct leg l;

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	assert_int_equal(record_drain(l.record, got, sizeof(got)), -EAGAIN);
	client_seals(&l, TLS_CONTENT_DATA, "for nobody", 10);
	assert_int_equal(record_drain(l.record, got, sizeof(got)), 10);
	client_seals(&l, TLS_CONTENT_HANDSHAKE, "\30", 1); /* counts, even if it were empty */
	assert_int_equal(record_drain(l.record, got, sizeof(got)), 2);
	stop(&l);

	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	client_seals(&l, TLS_CONTENT_ALERT, "\1\0", 2);
	assert_int_equal(record_drain(l.record, got, sizeof(got)), 0);
	stop(&l);

	/* Bytes that are no record come as they are. */
	start(&l, VERSION_TLS13, SUITE_AES_128_GCM);
	assert_int_equal(send(l.peer, "GET / HTTP/1.1", 14, 0), 14);
	peer_wait(l.fd);
	assert_int_equal(record_drain(l.record, got, sizeof(got)), 14);
	assert_memory_equal(got, "GET / HTTP/1.1", 14);
	recvs = fake.recvs;
	assert_int_equal(record_drain(l.record, got, sizeof(got)), -EAGAIN);
	assert_int_equal(fake.recvs, recvs); /* past the TLS layer, from then on */
	shutdown(l.peer, SHUT_WR);
	peer_wait(l.fd);
	assert_int_equal(record_drain(l.record, got, sizeof(got)), 0);
	stop(&l);
}

static void without_memory(void **state)
{
	static const struct keys_traffic traffic = {.len = 32};

	allocations = 0;
	assert_null(record_ktls_new(0, &leg_scratch, VERSION_TLS13, 0, &traffic));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, up)
	const struct CMUnitTest both[] = {
		TEST(both_directions_in_every_suite),
		TEST(empty_data_records_are_no_end),
		TEST(close_notify_in_tiny_reads),
		TEST(alerts),
		TEST(other_control_records_are_refused),
		TEST(key_update_without_secrets_is_refused),
		TEST(damage_is_fatal_at_once),
		TEST(close_notify_then_fin),
		TEST(fin_does_not_overtake_data),
		TEST(a_long_write_is_cut_into_full_records),
		TEST(a_short_write_holds_nothing_back),
		TEST(a_read_has_a_budget),
		TEST(a_full_socket_delays_the_close_notify),
		TEST(draining_takes_records_and_then_bytes),
	};
	const struct CMUnitTest faked[] = {
		TEST(reads_grow_while_they_are_quick),
		TEST(hardly_anything_but_overhead),
		TEST(an_honest_upload_is_no_flood),
		TEST(what_waits_is_no_flood),
		TEST(a_flood_that_fills_the_queue),
		TEST(a_read_that_fails),
		TEST(a_write_that_fails),
		TEST(all_records_but_the_last_say_that_more_follows),
		TEST(a_last_record_that_fails),
		TEST(a_close_notify_that_fails),
		TEST(without_memory),
	};
	struct ktls_caps caps;
	int failed;

	if (ktls_probe(&caps))
		return 1;
	failed = cmocka_run_group_tests_name("fake", both, NULL, NULL) +
		 cmocka_run_group_tests_name("fake, failing", faked, NULL, NULL);
	kernel = true;
	if (caps.ulp_err)
		print_message("no kernel TLS here: %s\n", strerror(caps.ulp_err));
	else
		failed += cmocka_run_group_tests_name("kernel", both, NULL, NULL);
	return failed;
}
