/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/record_aead.c against kernel TLS, whose twin it is: two legs with the same keys, one of
 * each, are given the same. What they put on the wire must be the same, byte for byte, and so must
 * be what they read. The kernel's own records are compared where there is kernel TLS; elsewhere
 * those of fake_ktls.h are, which OpenSSL's ciphers and tests/lib/tls_records.c make.
 */
#include "tests/unit/tls/fake_ktls.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/net.h"
#include "tests/lib/tls_peer.h"
#include "tests/lib/assert_reason.h"
#include "tls/aead_pool.h"
#include "tls/ktls_probe.h"
#include "tls/record_aead.h"
#include "tls/record_ktls.h"

#define WRITE_MAX   (128 * 1024) /* what the mover writes at a time */
#define STREAM_MAX  (2 << 20)
#define PADDING_MAX 300
/* Records without data in a row. The twin in user space ends the leg at 33 (EMPTY_RECORDS_MAX). */
#define EMPTY_MAX   32

enum { KERNEL, USER, SIDES };

struct side {
	struct record *record;
	int fd, peer;
	size_t wire_len, data_len;
	uint8_t wire[STREAM_MAX]; /* what it sent */
	uint8_t data[STREAM_MAX]; /* what was read from it */
	ssize_t end;              /* how reading ended; 1: it goes on */
};

static struct side sides[SIDES];
static enum tls_version version;
static enum tls_suite suite;
static union ktls_crypto up; /* seals what the client sends */
static struct keys_traffic traffic;
static char where[200]; /* for messages */

static bool kernel; /* this round's records are the kernel's */
static bool rekey;  /* KeyUpdates are followed */

static uint8_t text[WRITE_MAX];

static struct kedge_stats stats;
static uint8_t in[WRITE_MAX + 16384], out[WRITE_MAX + 16384];
static struct record_scratch scratch = {
	.in = in, .out = out, .in_size = sizeof(in), .out_size = sizeof(out), .stats = &stats};

#define say_where(...) \
	((void)snprintf(where + strlen(where), sizeof(where) - strlen(where), __VA_ARGS__))

/* --- both legs -------------------------------------------------------------------------------- */

static void start_side(struct side *s, const union ktls_crypto *tx)
{
	const int size = 1 << 20;
	int ends[2];

	peer_pair(ends);
	s->peer = ends[0];
	s->fd = ends[1];
	s->wire_len = s->data_len = 0;
	s->end = 1;
	setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (s == &sides[KERNEL]) {
		assert_int_equal(ktls_take_over(s->fd, tx, &up), 0);
		s->record = record_ktls_new(s->fd, &scratch, version, suite,
					    rekey && version == VERSION_TLS13 ? &traffic : NULL);
	} else {
		s->record = record_aead_new(
			s->fd, &scratch,
			&(struct record_aead_start){.version = version,
						    .suite = suite,
						    .tx = tx,
						    .rx = &up,
						    .traffic = version == VERSION_TLS13 ? &traffic
											: NULL,
						    .content_max = 16384});
	}
	assert_non_null(s->record);
}

/* `seq`: the number of the first record, in both directions. */
static void start(enum tls_version v, enum tls_suite s, uint64_t seq)
{
	static const uint8_t key[2][32] = {"the key of the client's records.",
					   "and the one of the server's: 32."};
	static const uint8_t iv[2][12] = {"client's iv", "server's iv"};
	union ktls_crypto tx;

	version = v;
	suite = s;
	traffic = (struct keys_traffic){.suite = s, .len = s == SUITE_AES_256_GCM ? 48 : 32};
	memset(traffic.client, 'c', traffic.len);
	memset(traffic.server, 's', traffic.len);
	ktls_fill(&up, v, s, key[0], iv[0], seq);
	ktls_fill(&tx, v, s, key[1], iv[1], seq);
	for (int i = 0; i < SIDES; i++)
		start_side(&sides[i], &tx);
	where[0] = '\0';
	say_where("TLS 1.%d, suite %d, from record %#llx", v + 2, s, (unsigned long long)seq);
}

static void stop(void)
{
	for (int i = 0; i < SIDES; i++) {
		record_free(sides[i].record);
		close(sides[i].fd);
		close(sides[i].peer);
	}
}

/* Takes from the wire what is there. False at the end of the stream. */
static bool collect(struct side *s)
{
	for (;;) {
		ssize_t n = recv(s->peer, s->wire + s->wire_len, STREAM_MAX - s->wire_len, 0);

		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		s->wire_len += (size_t)n;
	}
}

static void collect_to_the_end(struct side *s)
{
	while (collect(s))
		peer_wait(s->peer);
}

/* Reads what is there, len bytes at a time. */
static void read_some(struct side *s, size_t len)
{
	while (s->end == 1) {
		ssize_t n = record_read(s->record, s->data + s->data_len, len);

		if (n > 0)
			s->data_len += (size_t)n;
		else if (n == -EAGAIN)
			return;
		else if (n != -EINTR)
			s->end = n;
	}
}

static void read_to_the_end(struct side *s, size_t len)
{
	const uint64_t begun = net_now_ms();

	for (read_some(s, len); s->end == 1; read_some(s, len)) {
		net_wait(s->fd, POLLIN, 5); /* a control record may wait without an edge */
		if (net_now_ms() - begun > NET_PATIENCE_MS)
			fail_msg("%s: no end", where);
	}
}

/* Bytes of the client, to both. */
static void put(const uint8_t *bytes, size_t n)
{
	for (int i = 0; i < SIDES; i++)
		for (size_t done = 0; done < n;) {
			ssize_t r = send(sides[i].peer, bytes + done, n - done, MSG_NOSIGNAL);

			if (r < 0 && sides[i].end != 1)
				break; /* nobody reads any more */
			if (r < 0)
				read_some(&sides[i], 65536);
			else
				done += (size_t)r;
		}
}

static size_t seal(uint8_t type, const void *bytes, size_t n, size_t padding, uint8_t *rec)
{
	static uint8_t inner[16384 + 1 + PADDING_MAX + 1];

	if (!padding || version == VERSION_TLS12)
		return (size_t)record_seal(&up, type, bytes, n, rec);
	memcpy(inner, bytes, n);
	inner[n] = type;
	memset(inner + n + 1, 0, padding);
	/* The last zero of the padding is where the type would be. */
	return (size_t)record_seal(&up, 0, inner, n + padding, rec);
}

static void client_sends(uint8_t type, const void *bytes, size_t n, size_t padding)
{
	static uint8_t rec[RECORD_BYTES_MAX + PADDING_MAX];

	put(rec, seal(type, bytes, n, padding, rec));
}

/* Both read it, and perhaps answer. The client's next keys are those that follow. */
static void client_updates(bool requests)
{
	const uint8_t update[] = {HANDSHAKE_KEY_UPDATE, 0, 0, 1, requests};

	client_sends(TLS_CONTENT_HANDSHAKE, update, sizeof(update), 0);
	assert_int_equal(keys_next(suite, traffic.client, traffic.len, &up), 0);
}

/* --- what must be the same -------------------------------------------------------------------- */

static void expect_same(const char *what, const uint8_t *k, size_t k_len, const uint8_t *u,
			size_t u_len)
{
	size_t at = 0;

	while (at < k_len && at < u_len && k[at] == u[at])
		at++;
	if (k_len != u_len || at < k_len)
		fail_msg("%s: %s: the kernel %zu bytes, user space %zu, the same up to %zu", where,
			 what, k_len, u_len, at);
}

static void expect_twins(void)
{
	const struct side *k = &sides[KERNEL], *u = &sides[USER];

	expect_same("the wire", k->wire, k->wire_len, u->wire, u->wire_len);
	expect_same("the data", k->data, k->data_len, u->data, u->data_len);
	if (k->end != u->end || k->record->reason != u->record->reason ||
	    k->record->clean_end != u->record->clean_end || k->record->told != u->record->told)
		fail_msg("%s: the ends: %zd and %zd, reasons %d and %d", where, k->end, u->end,
			 k->record->reason, u->record->reason);
}

/* Records on the wire. With TLS 1.2's AES-GCM, the nonce that is sent is the record's number. */
static size_t count_records(const struct side *s, uint64_t seq)
{
	const bool sent = version == VERSION_TLS12 && suite != SUITE_CHACHA20_POLY1305;
	size_t at = 0, records = 0;

	for (; at < s->wire_len; at += 5 + (size_t)(s->wire[at + 3] << 8 | s->wire[at + 4])) {
		uint64_t nonce = 0;

		for (int i = 0; i < 8; i++)
			nonce = nonce << 8 | s->wire[at + 5 + (size_t)i];
		if (sent && nonce != seq + records)
			fail_msg("%s: record %zu has the nonce %#llx", where, records,
				 (unsigned long long)nonce);
		records++;
	}
	assert_int_equal(at, s->wire_len);
	return records;
}

/* --- sealing ---------------------------------------------------------------------------------- */

static void write_both(size_t n)
{
	for (int i = 0; i < SIDES; i++) {
		/* All at once: what a full socket takes is not the same. */
		assert_true(net_wait(sides[i].fd, POLLOUT, NET_PATIENCE_MS));
		assert_int_equal(record_write(sides[i].record, text, n), n);
		assert_true(collect(&sides[i]));
	}
}

static void read_both(size_t len)
{
	for (int i = 0; i < SIDES; i++) {
		peer_wait(sides[i].fd);
		read_some(&sides[i], len);
	}
}

/* What kedge answers to, in the middle of what it writes. */
static void answers(void)
{
	static const uint8_t hello[] = {HANDSHAKE_CLIENT_HELLO, 0, 0, 1, 0};

	if (version == VERSION_TLS12)
		client_sends(TLS_CONTENT_HANDSHAKE, hello, sizeof(hello), 0); /* no_renegotiation */
	else if (rekey)
		client_updates(true);
	else
		return;
	read_both(100);
}

static void close_both(void)
{
	for (int i = 0; i < SIDES; i++)
		while (record_close_write(sides[i].record) == -EAGAIN) {
			collect(&sides[i]);
			net_wait(sides[i].fd, POLLOUT, NET_PATIENCE_MS);
		}
}

/* A record that is not authentic: a fatal alert. */
static void fault_both(void)
{
	static const uint8_t garbage[5 + 32] = "\27\3\3\0\40thirty-two bytes of nonsense";

	put(garbage, sizeof(garbage));
	read_both(100);
	for (int i = 0; i < SIDES; i++) {
		assert_int_equal(sides[i].end, -EPROTO);
		shutdown(sides[i].fd, SHUT_WR);
	}
}

static const size_t writes[] = {0,     1,     2,     16,    100,   16382, 16383,  16384,    16385,
				16386, 32767, 32768, 32769, 65536, 65537, 131071, WRITE_MAX};

static void seal_all(uint64_t seq, void (*finish)(void))
{
	start(version, suite, seq);
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		write_both(writes[i]);
		if (i % 5 == 4)
			answers();
	}
	for (size_t n = 1; n < 400; n++)
		write_both(n % 23 + 1);
	answers();
	write_both(1);
	finish();
	for (int i = 0; i < SIDES; i++)
		collect_to_the_end(&sides[i]);
	expect_twins();
	assert_true(count_records(&sides[USER], seq) > 400);
	stop();
}

static void each_suite(void (*run)(void))
{
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			version = (enum tls_version)v;
			suite = (enum tls_suite)s;
			run();
		}
}

static void seal_in_this_suite(void)
{
	/* Below the limit of a key, which only ChaCha20-Poly1305 does not have. */
	static const uint64_t seqs[] = {0, 1, 0xff00, 0xfff0, 0xfffffff0, 0xfffffffffff0};
	const int n = suite == SUITE_CHACHA20_POLY1305 ? 6 : 4;

	for (int i = 0; i < n; i++)
		seal_all(seqs[i], i % 2 ? fault_both : close_both);
}

static void the_same_is_sealed(void **state)
{
	each_suite(seal_in_this_suite);
}

/* --- opening ---------------------------------------------------------------------------------- */

static const uint8_t bye[] = {ALERT_LEVEL_WARNING, ALERT_CLOSE_NOTIFY};

/* The client's last bytes were sent. */
static void end_both(size_t kernel_len, size_t user_len)
{
	for (int i = 0; i < SIDES; i++)
		shutdown(sides[i].peer, SHUT_WR);
	read_to_the_end(&sides[KERNEL], kernel_len);
	read_to_the_end(&sides[USER], user_len);
	for (int i = 0; i < SIDES; i++) {
		shutdown(sides[i].fd, SHUT_WR);
		collect_to_the_end(&sides[i]);
	}
	expect_twins();
}

static void open_with_reads_of(size_t len)
{
	static const size_t sizes[] = {1, 0, 16383, 16384, 0, 0, 2, 5000, 16384, 1, 1, 300};
	static const uint8_t cancel[] = {ALERT_LEVEL_WARNING, ALERT_USER_CANCELED};
	size_t total = 0;

	start(version, suite, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const size_t room = 16384 - sizes[i],
			     most = room < PADDING_MAX ? room : PADDING_MAX;

		client_sends(TLS_CONTENT_DATA, text + i, sizes[i], i % 3 == 1 ? most : 0);
		total += sizes[i];
		if (i == 3)
			client_sends(TLS_CONTENT_ALERT, cancel, sizeof(cancel), 7);
		if (version == VERSION_TLS13 && rekey && i % 4 == 2)
			client_updates(i % 8 == 2);
	}
	client_sends(TLS_CONTENT_ALERT, bye, sizeof(bye), 0);
	client_sends(TLS_CONTENT_DATA, text, 10, 0); /* nobody reads it */
	end_both(len, len);
	assert_int_equal(sides[USER].end, 0);
	assert_true(sides[USER].record->clean_end);
	assert_int_equal(sides[USER].data_len, total);
	stop();
}

static void open_in_this_suite(void)
{
	static const size_t lens[] = {1, 7, 1000, 16383, 16384, 16385, WRITE_MAX};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		open_with_reads_of(lens[i]);
}

static void the_same_is_opened(void **state)
{
	each_suite(open_in_this_suite);
}

/*
 * The one thing that differs. In TLS 1.3 each record says in clear that it is data. The kernel does
 * not look at that byte: it checks the rest as if the byte were right (tls_make_aad() of
 * net/tls/tls.h), and goes by the type inside. So nothing is read there that the client did not
 * send. The twin refuses the record, as RFC 8446 section 5.2 demands.
 */
static void a_wrong_outer_type(void **state)
{
	uint8_t rec[100];
	size_t len;

	start(VERSION_TLS13, SUITE_AES_128_GCM, 0);
	len = seal(TLS_CONTENT_DATA, "hello", 5, 0, rec);
	rec[0] = TLS_CONTENT_ALERT;
	put(rec, len);
	for (int i = 0; i < SIDES; i++) {
		shutdown(sides[i].peer, SHUT_WR);
		read_to_the_end(&sides[i], 100);
	}
	assert_int_equal(sides[USER].data_len, 0);
	assert_int_equal(sides[USER].end, -EPROTO);
	assert_reason(sides[USER].record->reason, KEDGE_REASON_record_control);
	if (sides[KERNEL].end == 0) {
		assert_int_equal(sides[KERNEL].data_len, 5);
		assert_memory_equal(sides[KERNEL].data, "hello", 5);
	}
	stop();
}

/* --- whatever comes --------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

static size_t some_size(void)
{
	switch (below(4)) {
	case 0:
		return below(4);
	case 1:
		return 16380 + below(5);
	default:
		return below(2000);
	}
}

static void some_read(void)
{
	static const size_t lens[] = {1, 3, 100, 5000, 16384, 20000, WRITE_MAX};

	for (int i = 0; i < SIDES; i++)
		read_some(&sides[i], lens[below(7)]);
}

static void one_step(unsigned *empties)
{
	size_t n;

	switch (below(8)) {
	case 0:
		if (sides[KERNEL].end == 1 && sides[USER].end == 1)
			write_both(1 + below(40000));
		return;
	case 1:
		some_read();
		return;
	case 2:
		n = below(8);
		if (version == VERSION_TLS13 && rekey && n < 2)
			client_updates(n);
		return;
	default:
		n = some_size();
		*empties = n ? 0 : *empties + 1;
		if (*empties > EMPTY_MAX)
			return;
		client_sends(TLS_CONTENT_DATA, text, n,
			     n + PADDING_MAX <= 16384 ? below(PADDING_MAX) : 0);
	}
}

/*
 * One bit of a record. Not of the outer type of TLS 1.3, which has a test above. Nor is its length
 * made one that only the kernel refuses before the whole record is there (RFC 8446 has a limit that
 * is too high for these suites).
 */
static void spoil(uint8_t *rec, size_t len)
{
	const size_t first = version == VERSION_TLS13;
	const size_t at = first + below((uint32_t)(len - first));
	const uint32_t bit = below(version == VERSION_TLS13 && at == 3 ? 6 : 8);

	rec[at] ^= (uint8_t)(1 << bit);
}

/* The last of the stream: a record one bit of which is wrong, or a whole one and an alert. */
static void last_record(void)
{
	static uint8_t rec[RECORD_BYTES_MAX];
	size_t len = seal(TLS_CONTENT_DATA, text, 20 + below(100), 0, rec), n;

	switch (below(3)) {
	case 0:
		len += seal(TLS_CONTENT_ALERT, bye, below(3), 0, rec + len);
		break;
	case 1:
		spoil(rec, 5);
		break;
	default:
		spoil(rec, len);
	}
	n = below(8) ? len : below((uint32_t)len);
	say_where(", %zu of the last %zu bytes", n, len);
	put(rec, n);
}

/*
 * What kedge answers and what it writes are to be in the same order. So all is read before the next
 * step.
 */
static void settle(void)
{
	for (int i = 0; i < SIDES; i++)
		read_some(&sides[i], WRITE_MAX);
}

static void random_stream(uint64_t seed)
{
	unsigned steps, empties = 0;

	random_state = seed * 2654435761u + 1;
	start(version, suite, below(2) ? below(1000) : 0);
	say_where(", seed %llu", (unsigned long long)seed);
	for (steps = 5 + below(25); steps; steps--) {
		settle();
		one_step(&empties);
	}
	/* A kernel that has seen a bad header sends no answer to what was before it. */
	settle();
	last_record();
	end_both(1 + below(20000), 1 + below(20000));
	stop();
}

static void random_in_this_suite(void)
{
	for (uint64_t seed = 0; seed < 40; seed++)
		random_stream(seed);
}

static void the_same_of_any_stream(void **state)
{
	each_suite(random_in_this_suite);
}

/* ---------------------------------------------------------------------------------------------- */

static int up_round(void **state)
{
	fake_start();
	fake.on = !kernel;
	return 0;
}

static void without_kernel_tls(void **state)
{
	print_message("no kernel TLS here\n");
	skip();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, up_round)
	const struct CMUnitTest tests[] = {
		TEST(the_same_is_sealed),
		TEST(the_same_is_opened),
		TEST(a_wrong_outer_type),
		TEST(the_same_of_any_stream),
	};
	const struct CMUnitTest none[] = {cmocka_unit_test(without_kernel_tls)};
	struct ktls_caps caps;
	int failed;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 2654435761u >> 13);
	if (ktls_probe(&caps))
		return 1;
	kernel = !caps.ulp_err;
	rekey = !kernel || caps.rekey;
	if (kernel)
		return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
	failed = cmocka_run_group_tests_name("fake kernel", tests, NULL, NULL);
	return failed + cmocka_run_group_tests_name("kernel", none, NULL, NULL);
}
