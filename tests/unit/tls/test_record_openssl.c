/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/record_openssl.c where the socket or the memory fails, and its limits. What it has in
 * common with kernel records: test_record.c, test_record_rules.c. The source is included, for its
 * allocation and its struct.
 */
#include "tests/unit/tls/tls_rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <openssl/evperr.h>

#include "tests/lib/net.h"
#include "tls/tls_types.h"

static bool no_memory;

#undef fail /* of cmocka */
#define calloc(...) (no_memory ? NULL : calloc(__VA_ARGS__))
#include "tls/record_openssl.c"
#undef calloc

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
static struct record_openssl *o;
static uint8_t buf[1 << 20];

static void start_leg(const struct peer_opts *opts)
{
	leg = -1;
	sending = receiving = (struct fault){0};
	no_memory = false;
	memset(&stats, 0, sizeof(stats));
	start(&c, ctx, opts);
	shake_hands(&c, 0);
	assert_int_equal(c.step, TLS_DONE);
	while (SSL_do_handshake(c.peer.ssl) != 1) {
		peer_wait(c.peer.fd);
		peer_receive(&c.peer);
	}
	leg = c.fd;
	c.tls->wire.exact = true; /* as it is when the kernel might have taken over */
	r = record_openssl_new(&c.tls->ssl, &c.tls->wire);
	assert_non_null(r);
	o = (struct record_openssl *)r;
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
	assert_null(c.tls->ssl);
	assert_int_equal(c.tls->wire.fd, -1);
	assert_false(o->wire.exact);
	assert_int_equal(o->out_limit, scratch.out_size);
	client_says("hello", 5);
	assert_int_equal(record_read(r, buf, 100), 5);
	assert_true(r->drained);
	assert_int_equal(record_read(r, buf, 100), -EAGAIN);
	assert_int_equal(record_read(r, buf, 0), 0); /* nothing was asked for */
}

static void without_memory_nothing_is_taken(void **state)
{
	struct record_openssl before = *o;

	no_memory = true;
	assert_null(record_openssl_new(&o->ssl, &o->wire));
	assert_memory_equal(&before, o, sizeof(before));
}

/* The tag, and the explicit nonce of AES-GCM: what is shorter can be no record. */
static void the_shortest_record_of_tls12(void **state)
{
	static const struct {
		int version;
		const char *suite;
		uint8_t shortest;
	} cases[] = {
		{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", 24},
		{TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", 24},
		{TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", 16},
		{TLS1_3_VERSION, NULL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		down(NULL);
		start_leg(&(struct peer_opts){.version = cases[i].version,
					      .suites12 = cases[i].suite});
		assert_int_equal(o->wire.shortest, cases[i].shortest);
		assert_int_equal(o->control.tls13, cases[i].version == TLS1_3_VERSION);
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
			assert_int_equal(r->reason, KEDGE_REASON_client_reset);
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
	assert_int_equal(r->reason, KEDGE_REASON_record_bad);
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

static void the_clients_alert(void **state)
{
	/* What OpenSSL sends when it is given nonsense. */
	BIO_write(c.peer.in, garbage, sizeof(garbage));
	assert_int_equal(SSL_read(c.peer.ssl, buf, 10), -1);
	ERR_clear_error();
	peer_send(&c.peer, 0, NULL, NULL);
	peer_wait(c.fd);
	assert_int_equal(record_read(r, buf, 100), -EPROTO);
	assert_int_equal(r->reason, KEDGE_REASON_tls_client_alert);
	assert_int_equal(ERR_peek_error(), 0);
}

/* What OpenSSL's error says becomes one of two reasons, or the client's alert. */
static void reasons_of_faults(void **state)
{
	static const int bad[] = {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
				  SSL_R_ENCRYPTED_LENGTH_TOO_LONG,
				  SSL_R_DATA_LENGTH_TOO_LONG,
				  SSL_R_PACKET_LENGTH_TOO_LONG,
				  SSL_R_LENGTH_TOO_SHORT,
				  SSL_R_WRONG_VERSION_NUMBER,
				  SSL_R_HTTP_REQUEST,
				  SSL_R_HTTPS_PROXY_REQUEST};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(reason_of_fault(o, ERR_PACK(ERR_LIB_SSL, 0, bad[i])),
				 KEDGE_REASON_record_bad);
	assert_int_equal(reason_of_fault(o, ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNEXPECTED_MESSAGE)),
			 KEDGE_REASON_record_control);
	for (int alert = 0; alert < 256; alert += 51)
		assert_int_equal(reason_of_fault(o, ERR_PACK(ERR_LIB_SSL, 0, 1000 + alert)),
				 KEDGE_REASON_tls_client_alert);
	assert_int_equal(reason_of_fault(o, 0), KEDGE_REASON_record_control);
	/* A type that there is has no place here; another one is no record. */
	for (int type = 0; type < 256; type++) {
		o->type = (uint8_t)type;
		assert_int_equal(
			reason_of_fault(o, ERR_PACK(ERR_LIB_SSL, 0, SSL_R_BAD_RECORD_TYPE)),
			type >= 20 && type <= 23 ? KEDGE_REASON_record_control
						 : KEDGE_REASON_record_bad);
	}
}

/* The last of SSL, but for the one that only says that the record layer failed. */
static void causes_of_faults(void **state)
{
	ERR_clear_error();
	assert_int_equal(cause_of_fault(), 0);
	ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
	assert_int_equal(ERR_GET_LIB(cause_of_fault()), ERR_LIB_EVP); /* better than nothing */
	ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
	ERR_raise(ERR_LIB_SSL, SSL_R_LENGTH_TOO_SHORT);
	ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_MESSAGE);
	ERR_raise(ERR_LIB_SSL, RECORD_LAYER_FAILURE);
	assert_int_equal(ERR_GET_REASON(cause_of_fault()), SSL_R_UNEXPECTED_MESSAGE);
	assert_int_equal(ERR_peek_error(), 0);
}

/* One recv() a read: half a record is at hand, so an edge has been and another will come. */
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
	assert_false(r->drained);
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
		assert_int_equal(r->reason, KEDGE_REASON_client_reset);
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
	const size_t full = scratch.out_size, least = PLAINTEXT_MAX + RECORD_OVERHEAD;

	assert_int_equal(o->out_limit, full);
	adapt_limit(o, -EAGAIN);
	assert_int_equal(o->out_limit, least);
	adapt_limit(o, 0);
	assert_int_equal(o->out_limit, 2 * least > full ? full : 2 * least);
	for (int i = 0; i < 10; i++) {
		adapt_limit(o, 0);
		assert_true(o->out_limit <= full);
	}
	assert_int_equal(o->out_limit, full);
	adapt_limit(o, -EAGAIN);

	sending.err = EAGAIN;
	sending.times = 1;
	assert_int_equal(record_write(r, buf, 100000), PLAINTEXT_MAX);
	assert_true(o->wire.kept_out.len <= least);
	assert_int_equal(record_flush(r), 0);
}

/* As many records as the buffer has room for go with one send(). */
static void records_are_sent_together(void **state)
{
	assert_int_equal(record_write(r, buf, 40000), 40000);
	assert_int_equal(sending.calls, 1);
	assert_true(sending.bytes > 40000 && sending.bytes < 40000 + 4 * RECORD_OVERHEAD);
	assert_int_equal(client_reads_all(40000), 40000);
}

static void our_end_that_fails(void **state)
{
	sending.err = EAGAIN;
	sending.times = 2;
	assert_int_equal(record_close_write(r), -EAGAIN);
	assert_int_equal(record_close_write(r), -EAGAIN);
	assert_int_equal(record_write(r, "x", 1), -EPIPE); /* nothing behind the alert */
	assert_int_equal(record_close_write(r), 0);
	assert_int_equal(record_close_write(r), 0);
	assert_int_equal(sending.calls, 3);
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
	assert_int_equal(r->reason, KEDGE_REASON_key_update_flood);
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

static int set_up(void **state)
{
	struct conf_cert pair;

	peer_cert_make(&files, "openssl", PEER_EC, "openssl.test", 10);
	pair = (struct conf_cert){.cert = files.cert, .key = files.key};
	make_shared(&shared, POLICY_OFF, false, false);
	return tls_ctx_new(&ctx, &pair, 1, MODE_HTTP, &shared);
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
		TEST(without_memory_nothing_is_taken),
		TEST(the_shortest_record_of_tls12),
		TEST(freed_it_says_nothing),
		TEST(a_read_that_fails),
		TEST(data_before_a_fault),
		TEST(the_clients_alert),
		TEST(reasons_of_faults),
		TEST(causes_of_faults),
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
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
