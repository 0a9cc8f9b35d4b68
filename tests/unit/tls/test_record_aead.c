/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/record_aead.c where the socket or the memory fails, and its limits. What it has in
 * common with kernel records: test_record.c, test_record_rules.c. The source is included, for its
 * allocations and its struct.
 */
#include "tests/unit/tls/tls_rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/lib/net.h"
#include "tls/tls_types.h"

static int allocations = -1; /* so many succeed; -1: all */

static bool is_refused(void)
{
	return allocations >= 0 && allocations-- == 0;
}

#undef fail /* of cmocka */
#define calloc(...)            (is_refused() ? NULL : calloc(__VA_ARGS__))
#define malloc(...)            (is_refused() ? NULL : malloc(__VA_ARGS__))
#define RECORD_TLS_KEY_RECORDS 50
#include "tls/record_tls.c"
#include "tls/record_aead.c"
#undef calloc
#undef malloc

#include "tests/lib/breaks.h"
#include "tests/lib/assert_reason.h"
#include "tls/tls_handoff.h"

/* --- a socket that fails ---------------------------------------------------------------------- */

/* The next so many calls fail with it. */
struct fault {
	int err, times;
	unsigned calls;
	size_t bytes;
};
static struct fault sending, receiving;
static int leg = -1; /* the descriptor that is meant */

static ssize_t fault(struct fault *f, int fd, ssize_t (*call)(int, void *, size_t, int),
		     void *bytes, size_t n, int flags)
{
	ssize_t r;

	if (fd != leg)
		return call(fd, bytes, n, flags);
	f->calls++;
	if (f->times) {
		f->times--;
		errno = f->err;
		return -1;
	}
	r = call(fd, bytes, n, flags);
	f->bytes += r > 0 ? (size_t)r : 0;
	return r;
}

static ssize_t real_send(int fd, void *bytes, size_t n, int flags)
{
	return syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);
}

static ssize_t real_recv(int fd, void *bytes, size_t n, int flags)
{
	return syscall(SYS_recvfrom, fd, bytes, n, flags, NULL, NULL);
}

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
	return fault(&sending, fd, real_send, (void *)bytes, n, flags);
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
	return fault(&receiving, fd, real_recv, bytes, n, flags);
}

/* --- a leg ------------------------------------------------------------------------------------ */

static struct peer_cert files;
static struct tls_shared shared;
static struct tls_ctx *ctx;
static struct conn c;
static struct record *r;
static struct tls_facts facts;
static struct record_aead *a;
static uint8_t buf[1 << 20];

static void start_leg(const struct peer_opts *opts)
{
	leg = -1;
	sending = receiving = (struct fault){0};
	allocations = -1;
	memset(&stats, 0, sizeof(stats));
	start(&c, ctx, opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	while (SSL_do_handshake(c.peer.ssl) != 1) {
		peer_wait(c.peer.fd);
		peer_receive(&c.peer);
	}
	leg = c.fd;
	assert_int_equal(tls_into_record(&c.tls, &r, &facts, &c.reason), 0);
	a = (struct record_aead *)r;
	receiving.calls = sending.calls = 0;
}

static int up13(void **state)
{
	start_leg(&(struct peer_opts){.version = TLS1_3_VERSION});
	return 0;
}

static int down(void **state)
{
	record_free(r);
	r = NULL;
	leg = -1;
	stop(&c);
	return 0;
}

static void client_says(const void *bytes, size_t n)
{
	assert_int_equal(SSL_write(c.peer.ssl, bytes, (int)n), n);
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
}

/* Everything that has been sent, or until the end; how many bytes of data that are. */
static size_t client_reads_all(size_t want)
{
	size_t total = 0;
	int n;

	while (total < want) {
		while ((n = SSL_read(c.peer.ssl, buf, sizeof(buf))) > 0)
			total += (size_t)n;
		if (total >= want || c.peer.eof)
			break;
		if (record_flush(r) == 0)
			peer_wait(c.peer.fd);
		peer_receive(&c.peer);
	}
	return total;
}

/* --- making one ------------------------------------------------------------------------------- */

static void it_takes_the_handshake_over(void **state)
{
	assert_string_equal(r->ops->name, "user");
	assert_int_equal(r->fd, c.fd);
	assert_null(c.tls);
	assert_int_equal(a->out_limit, scratch.out_size);
	client_says("hello", 5);
	assert_int_equal(record_read(r, buf, 100), 5);
	assert_true(r->drained);
	assert_int_equal(record_read(r, buf, 100), -EAGAIN);
	assert_int_equal(record_read(r, buf, 0), 0); /* nothing was asked for */
}

static void without_memory(void **state)
{
	union ktls_crypto keys;
	struct record_aead_start start = {.version = VERSION_TLS13,
					  .tx = &keys,
					  .rx = &keys,
					  .content_max = 16384,
					  .in = buf,
					  .in_len = 5};

	ktls_fill(&keys, VERSION_TLS13, SUITE_AES_128_GCM, buf, buf, 0);
	for (int n = 0; n < 2; n++) {
		allocations = n;
		assert_null(record_aead_new(c.fd, &scratch, &start));
	}
	allocations = -1;

	/* For half a record, for the rest of one that is larger than the reader's buffer. */
	for (int n = 0; n < 2; n++) {
		down(NULL);
		up13(NULL);
		assert_int_equal(SSL_write(c.peer.ssl, "whole", 5), 5);
		if (n == 0)
			BIO_write(c.peer.out, "\27\3\3", 3);
		peer_send(&c.peer, 0, NULL, NULL);
		peer_wait(c.fd);
		allocations = 0;
		assert_int_equal(record_read(r, buf, n ? 2 : 100), -ECONNRESET);
		assert_reason(r->reason, KEDGE_REASON_no_memory);
		assert_int_equal(record_read(r, buf, 100), -ECONNRESET);
	}
}

static void freed_it_says_nothing(void **state)
{
	char byte;

	record_free(r);
	r = NULL;
	assert_int_equal(sending.calls, 0);
	assert_int_equal(recv(c.peer.fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void a_read_that_fails(void **state)
{
	static const int errs[] = {ECONNRESET, ETIMEDOUT, ENOMEM};

	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		down(NULL);
		up13(NULL);
		receiving.err = errs[i];
		receiving.times = 1;
		for (int again = 0; again < 2; again++) {
			assert_int_equal(record_read(r, buf, 100), -ECONNRESET);
			assert_reason(r->reason, KEDGE_REASON_client_reset);
		}
		assert_false(r->told);
		assert_false(r->clean_end);
		assert_false(r->drained);
		assert_int_equal(receiving.calls, 1); /* a leg that failed stays failed */
	}
}

static const uint8_t garbage[5 + 32] = "\27\3\3\0\40thirty-two bytes of nonsense";

/* Data comes first, the fault behind it with the next read. */
static void data_before_a_fault(void **state)
{
	assert_int_equal(SSL_write(c.peer.ssl, "good", 4), 4);
	BIO_write(c.peer.out, garbage, sizeof(garbage));
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
	assert_int_equal(record_read(r, buf, 100), 4);
	assert_false(r->drained);
	assert_int_equal(record_read(r, buf, 100), -EPROTO);
	assert_reason(r->reason, KEDGE_REASON_record_bad);
	assert_true(r->told);
	assert_int_equal(record_read(r, buf, 100), -EPROTO);
	assert_int_equal(record_write(r, "x", 1), -EPIPE);
	/* The client was told, with bad_record_mac. */
	peer_wait(c.peer.fd);
	peer_receive(&c.peer);
	assert_true(SSL_read(c.peer.ssl, buf, 10) <= 0);
	assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
	ERR_clear_error();
}

/* The socket is empty, but the reader had no room for all: it has to come back. */
static void a_whole_record_that_is_left(void **state)
{
	assert_int_equal(SSL_write(c.peer.ssl, "one", 3), 3);
	assert_int_equal(SSL_write(c.peer.ssl, "two", 3), 3);
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
	assert_int_equal(record_read(r, buf, 3), 3);
	assert_false(r->drained);
	assert_int_equal(record_read(r, buf, 100), 3);
	assert_memory_equal(buf, "two", 3);
	assert_int_equal(receiving.calls, 1);
}

/* One recv() a read. The rest of the half will come with an edge. */
static void half_a_record_behind_a_whole_one(void **state)
{
	char *bytes;
	size_t n;

	assert_int_equal(SSL_write(c.peer.ssl, "whole", 5), 5);
	n = (size_t)BIO_get_mem_data(c.peer.out, &bytes) + 10;
	assert_int_equal(SSL_write(c.peer.ssl, "half", 4), 4);
	BIO_get_mem_data(c.peer.out, &bytes);
	assert_int_equal(send(c.peer.fd, bytes, n, 0), n);
	peer_wait(c.fd);
	assert_int_equal(record_read(r, buf, 100), 5);
	assert_int_equal(receiving.calls, 1);
	assert_true(r->drained);
	assert_int_equal(record_read(r, buf, 100), -EAGAIN);
	n = (size_t)BIO_get_mem_data(c.peer.out, &bytes) - n;
	assert_int_equal(send(c.peer.fd, bytes + (BIO_pending(c.peer.out) - (int)n), n, 0), n);
	peer_wait(c.fd);
	assert_int_equal(record_read(r, buf, 100), 4);
	assert_true(r->drained);
}

/* Whatever comes behind it, and before any FIN. */
static void after_a_close_notify_nothing_is_read(void **state)
{
	SSL_shutdown(c.peer.ssl);
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(record_read(r, buf, 100), 0);
		assert_true(r->clean_end);
	}
	assert_int_equal(receiving.calls, 1);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void a_write_that_fails(void **state)
{
	static const int errs[] = {ECONNRESET, ETIMEDOUT, EPIPE};

	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		const int want = errs[i] == EPIPE ? -EPIPE : -ECONNRESET;

		down(NULL);
		up13(NULL);
		sending.err = errs[i];
		sending.times = 1;
		assert_int_equal(record_write(r, "x", 1), want);
		assert_reason(r->reason, KEDGE_REASON_client_reset);
		assert_int_equal(record_flush(r), want);
		assert_int_equal(record_write(r, "x", 1), want);
		assert_int_equal(record_close_write(r), want);
		assert_int_equal(sending.calls, 1);
	}
}

/* What was taken will be sent: the socket's refusal shows with the next write. */
static void a_full_socket(void **state)
{
	assert_int_equal(record_write(r, "", 0), 0);
	sending.err = EAGAIN;
	sending.times = 3;
	assert_int_equal(record_write(r, "first", 5), 5);
	assert_int_equal(record_write(r, "second", 6), -EAGAIN);
	assert_int_equal(record_flush(r), -EAGAIN);
	assert_int_equal(record_flush(r), 0);
	assert_int_equal(record_write(r, "third", 5), 5);
	assert_int_equal(client_reads_all(10), 10);
}

/* A slow client is sent a record at a time, and more again once its socket takes it. */
static void the_limit_follows_the_socket(void **state)
{
	const size_t full = scratch.out_size, least = AEAD_CONTENT_MAX + AEAD_OVERHEAD_MAX;

	assert_int_equal(a->out_limit, full);
	adapt_limit(a, -EAGAIN);
	assert_int_equal(a->out_limit, least);
	adapt_limit(a, 0);
	assert_int_equal(a->out_limit, 2 * least > full ? full : 2 * least);
	for (int i = 0; i < 10; i++) {
		adapt_limit(a, 0);
		assert_true(a->out_limit <= full);
	}
	assert_int_equal(a->out_limit, full);
	adapt_limit(a, -EAGAIN);

	sending.err = EAGAIN;
	sending.times = 1;
	assert_int_equal(record_write(r, buf, 100000), AEAD_CONTENT_MAX);
	assert_true(a->unsent.len - a->unsent.at <= least);
	assert_int_equal(record_flush(r), 0);
}

/* As many records as the buffer has room for go with one send(). */
static void records_are_sent_together(void **state)
{
	assert_int_equal(record_write(r, buf, 40000), 40000);
	assert_int_equal(sending.calls, 1);
	assert_true(sending.bytes > 40000 && sending.bytes < 40000 + 4 * AEAD_OVERHEAD_MAX);
	assert_int_equal(client_reads_all(40000), 40000);
}

static void our_end_that_fails(void **state)
{
	sending.err = EAGAIN;
	sending.times = 3; /* the first call tries twice */
	assert_int_equal(record_close_write(r), -EAGAIN);
	assert_int_equal(record_close_write(r), -EAGAIN);
	assert_int_equal(record_write(r, "x", 1), -EPIPE); /* nothing behind the alert */
	assert_int_equal(record_close_write(r), 0);
	assert_int_equal(record_close_write(r), 0);
	assert_int_equal(sending.calls, 4);
	while (!c.peer.eof) {
		peer_wait(c.peer.fd);
		peer_receive(&c.peer);
	}
	assert_int_equal(SSL_read(c.peer.ssl, buf, 10), 0);
	assert_int_equal(SSL_get_shutdown(c.peer.ssl) & SSL_RECEIVED_SHUTDOWN,
			 SSL_RECEIVED_SHUTDOWN);
}

/* The client half-closes without a word and waits: it gets its answer, and a close_notify. */
static void the_end_without_a_close_notify(void **state)
{
	shutdown(c.peer.fd, SHUT_WR);
	peer_wait(c.fd);
	assert_int_equal(record_read(r, buf, 100), 0);
	assert_false(r->clean_end);
	assert_int_equal(record_read(r, buf, 100), 0);
	assert_int_equal(record_write(r, "answer", 6), 6);
	assert_int_equal(record_close_write(r), 0);
	assert_int_equal(client_reads_all(6), 6);
}

/* --- floods ----------------------------------------------------------------------------------- */

static void key_updates_are_counted(void **state)
{
	for (int i = 0; i <= KEY_UPDATES_FREE; i++) {
		assert_int_equal(SSL_key_update(c.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(c.peer.ssl), 1);
	}
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
	assert_int_equal(record_read(r, buf, 100), -EPROTO);
	assert_reason(r->reason, KEDGE_REASON_key_update_flood);
	assert_int_equal(stats.key_updates, KEY_UPDATES_FREE);
	assert_true(r->told);
	assert_int_equal(record_write(r, "x", 1), -EPIPE);
}

static void draining(void **state)
{
	assert_int_equal(record_drain(r, buf, 100), -EAGAIN);
	client_says("for nobody", 10);
	assert_true(record_drain(r, buf, sizeof(buf)) > 10); /* as it is on the wire */
	receiving.err = ECONNRESET;
	receiving.times = 1;
	assert_int_equal(record_drain(r, buf, 100), -ECONNRESET);
}

/* --- sizes ------------------------------------------------------------------------------------ */

/* Readers of any buffer get the same bytes. */
static void reads_of_any_size(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 7, 100, 1000, 16383, 16384, 16385, 20000, 65536};
	static const size_t records[] = {0, 1, 5000, 16384, 16384, 2, 300, 16383, 1};
	static uint8_t want[60000], got[70000];

	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)(i * 2654435761u >> 13);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t total = 0, n = 0;
		ssize_t have = 0;

		down(NULL);
		start_leg(&(struct peer_opts){.version = i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION});
		for (size_t j = 0; j < sizeof(records) / sizeof(records[0]); j++) {
			if (records[j])
				assert_int_equal(
					SSL_write(c.peer.ssl, want + total, (int)records[j]),
					records[j]);
			total += records[j];
		}
		peer_send(&c.peer, 0, NULL, NULL);
		while (n < total) {
			have = record_read(r, got + n, sizes[i]);
			assert_true(have > 0 || have == -EAGAIN || have == -EINTR);
			if (have == -EAGAIN)
				peer_wait(c.fd);
			assert_true(have <= (ssize_t)sizes[i]);
			n += have > 0 ? (size_t)have : 0;
			memset(scratch_in, 0xee, sizeof(scratch_in)); /* another leg's turn */
		}
		assert_int_equal(n, total);
		assert_memory_equal(got, want, total);
		assert_int_equal(record_read(r, got, sizes[i]), -EAGAIN);
		assert_null(a->in.bytes);
		assert_null(a->plain.bytes);
	}
}

/* What the client says byte by byte is kept, a record at most. */
static void a_record_in_single_bytes(void **state)
{
	char *bytes;
	long n;

	assert_int_equal(SSL_write(c.peer.ssl, "drop by drop", 12), 12);
	n = BIO_get_mem_data(c.peer.out, &bytes);
	for (long i = 0; i < n; i++) {
		assert_int_equal(record_read(r, buf, 100), -EAGAIN);
		assert_int_equal(a->in.len, i);
		assert_int_equal(send(c.peer.fd, bytes + i, 1, 0), 1);
		peer_wait(c.fd);
	}
	assert_int_equal(record_read(r, buf, 100), 12);
	assert_memory_equal(buf, "drop by drop", 12);
}

static void the_end_in_the_middle_of_a_record(void **state)
{
	char *bytes;

	assert_int_equal(SSL_write(c.peer.ssl, "cut short", 9), 9);
	BIO_get_mem_data(c.peer.out, &bytes);
	assert_int_equal(send(c.peer.fd, bytes, 20, 0), 20);
	shutdown(c.peer.fd, SHUT_WR);
	wait_for_fin(c.fd);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(record_read(r, buf, 100), 0);
		assert_false(r->clean_end);
	}
}

/* RFC 6066 section 4: in both directions. */
static void small_records(void **state)
{
	for (int size = 1; size <= 4; size++) {
		const size_t most = 256U << size;
		char *bytes;
		long n;

		down(NULL);
		start_leg(&(struct peer_opts){.max_fragment = (uint8_t)size});
		assert_int_equal(a->content_max, most);
		assert_int_equal(record_write(r, buf, 10000), 10000);
		assert_int_equal(client_reads_all(10000), 10000); /* or OpenSSL refuses it */
		/* The client keeps to it by itself; a record that is larger is refused. */
		assert_int_equal(SSL_write(c.peer.ssl, buf, (int)most), most);
		n = BIO_get_mem_data(c.peer.out, &bytes);
		assert_true(n < (long)most + 100);
		peer_send(&c.peer, 0, NULL, NULL);
		peer_wait(c.fd);
		assert_int_equal(record_read(r, buf, 20000), most);
		a->content_max = (uint16_t)(most - 1);
		client_says(buf, most);
		assert_int_equal(record_read(r, buf, 20000), -EPROTO);
		assert_reason(r->reason, KEDGE_REASON_record_bad);
	}
}

/* --- limits of a key -------------------------------------------------------------------------- */

/* Long before a key is worn out, ours is replaced, in the middle of whatever is sent. */
static void our_key_is_replaced_in_time(void **state)
{
	static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					     "TLS_CHACHA20_POLY1305_SHA256"};

	for (int s = 0; s < 3; s++) {
		uint8_t first[32];

		down(NULL);
		start_leg(&(struct peer_opts){.version = TLS1_3_VERSION, .suites13 = suites[s]});
		memcpy(first, a->tx.key, 32);
		for (int i = 0; i < 5 * RECORD_TLS_KEY_RECORDS; i++) {
			assert_int_equal(record_write(r, "record", 6), 6);
			assert_int_equal(client_reads_all(6), 6);
			assert_true(s == 2 || a->tx.seq <= RECORD_TLS_KEY_RECORDS);
		}
		/* ChaCha20-Poly1305 has no limit. */
		assert_int_equal(memcmp(first, a->tx.key, 32) != 0, s != 2);
		assert_int_equal(record_write(r, buf, 1 << 20), 1 << 20);
		assert_int_equal(client_reads_all(1 << 20), 1 << 20);
	}
}

/* The client is asked for a new one once. It answers; or it does not, and the leg ends. */
static void the_clients_key_is_replaced_in_time(void **state)
{
	for (int i = 0; i < 5 * RECORD_TLS_KEY_RECORDS; i++) {
		client_says("record", 6);
		assert_int_equal(record_read(r, buf, 100), 6);
		assert_true(a->rx.seq <= RECORD_TLS_KEY_RECORDS + 2);
		/* OpenSSL follows our KeyUpdate and answers with its next record. */
		peer_receive(&c.peer);
		(void)SSL_read(c.peer.ssl, buf, 1);
		ERR_clear_error();
	}
	assert_in_range(stats.key_updates, 4, 5);

	down(NULL);
	up13(NULL);
	for (int i = 0;; i++) {
		client_says("record", 6);
		if (record_read(r, buf, 100) < 0)
			break;
		assert_in_range(i, 0, 2 * RECORD_TLS_KEY_RECORDS);
	}
	assert_reason(r->reason, KEDGE_REASON_key_exhausted);
	assert_int_equal(stats.key_updates, 0);
}

/* TLS 1.2 has no new keys: the leg ends, and the client sees that something is missing. */
static void a_key_of_tls12_ends_the_leg(void **state)
{
	for (int down_too = 0; down_too < 2; down_too++) {
		int n = 0;

		down(NULL);
		start_leg(&(struct peer_opts){.version = TLS1_2_VERSION});
		for (ssize_t got = 0; got >= 0; n++) {
			client_says("record", 6);
			got = down_too ? record_write(r, "record", 6) : record_read(r, buf, 6);
			assert_in_range(n, 0, RECORD_TLS_KEY_RECORDS + 1);
		}
		assert_reason(r->reason, KEDGE_REASON_key_exhausted);
		assert_true(r->told);
		assert_int_equal(record_read(r, buf, 6), -EPROTO);
		peer_wait(c.peer.fd);
		client_reads_all(down_too ? (size_t)(n - 1) * 6 : 0);
		peer_receive(&c.peer);
		assert_true(SSL_read(c.peer.ssl, buf, 10) <= 0);
		assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()),
				 SSL_R_TLSV1_ALERT_INTERNAL_ERROR);
		ERR_clear_error();
	}
}

/* --- what must hold --------------------------------------------------------------------------- */

static struct record_aead b = {
	.t = {.r = {.scratch = &scratch, .fd = -1}}, .content_max = 512, .out_limit = 30000};
static uint8_t heap[16];

static void check_aead(void)
{
	aead_check(&b);
}

static const char *aead_broken(unsigned row)
{
	BREAK("!kepts[i]->bytes == !kepts[i]->len", b.in.bytes = heap);
	BREAK("kepts[i]->at < kepts[i]->len", b.plain.bytes = heap, b.plain.len = b.plain.at = 1);
	BREAK("a->plain.len <=", b.plain.bytes = heap, b.plain.len = 20000);
	BREAK("a->empties <= EMPTY_RECORDS_MAX", b.empties = 33);
	BREAK("a->send_err <= 0", b.send_err = -EAGAIN);
	BREAK("a->content_max &&", b.content_max = 0);
	BREAK("a->content_max <= AEAD_CONTENT_MAX", b.content_max = 20000);
	BREAK("a->out_limit >= AEAD_CONTENT_MAX", b.out_limit = 100);
	BREAK("a->out_limit <= a->t.r.scratch->out_size", b.out_limit = 100000);
	BREAK("u->bytes", b.unsent.bytes = heap);
	BREAK("c->warnings", b.t.control.warnings = 9);
	return NULL;
}

static void each_thing_that_must_hold(void **state)
{
	(void)state;
	breaks(aead_broken, check_aead);
}

static int set_up(void **state)
{
	struct conf_cert pair;

	peer_cert_make(&files, "openssl", PEER_EC, "openssl.test", 10);
	pair = (struct conf_cert){.cert = files.cert, .key = files.key};
	make_shared(&shared, POLICY_OFF, false, false);
	return tls_ctx_new(&ctx, &(struct tls_offer){.certs = &pair, .certs_count = 1}, &shared);
}

static int tear_down(void **state)
{
	tls_ctx_free(ctx);
	return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up13, down)
	const struct CMUnitTest tests[] = {
		TEST(it_takes_the_handshake_over),
		TEST(without_memory),
		TEST(freed_it_says_nothing),
		TEST(a_read_that_fails),
		TEST(data_before_a_fault),
		TEST(a_whole_record_that_is_left),
		TEST(half_a_record_behind_a_whole_one),
		TEST(after_a_close_notify_nothing_is_read),
		TEST(a_write_that_fails),
		TEST(a_full_socket),
		TEST(the_limit_follows_the_socket),
		TEST(records_are_sent_together),
		TEST(our_end_that_fails),
		TEST(the_end_without_a_close_notify),
		TEST(key_updates_are_counted),
		TEST(draining),
		TEST(reads_of_any_size),
		TEST(a_record_in_single_bytes),
		TEST(the_end_in_the_middle_of_a_record),
		TEST(small_records),
		TEST(our_key_is_replaced_in_time),
		TEST(the_clients_key_is_replaced_in_time),
		TEST(a_key_of_tls12_ends_the_leg),
		cmocka_unit_test(each_thing_that_must_hold),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
