/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of what is no data a client may send, and KeyUpdates: for both record layers. */
#include "tests/unit/tls/rules_leg.h"
#include "tests/lib/assert_reason.h"

/* --- numbers ---------------------------------------------------------------------------------- */

static void warnings_have_a_limit(void **state)
{
	for (int tls13 = 0; tls13 < 2; tls13++) {
		struct leg l;

		start(&l, tls13);
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < CONTROL_WARNINGS_MAX; i++) {
				client_seals(&l, TLS_CONTENT_ALERT, "\1\132", 2);
				assert_int_equal(read_some(&l), -EAGAIN);
			}
			goes_on(&l);
		}
		for (int i = 0; i <= CONTROL_WARNINGS_MAX; i++)
			client_seals(&l, TLS_CONTENT_ALERT, "\1\132", 2);
		assert_int_equal(read_next(&l), -EPROTO);
		expect_alert(&l, 2, 10);
		ends_in_order(&l);
		stop(&l);
	}
}

static void renegotiations_have_a_limit(void **state)
{
	for (int at_once = 0; at_once < 2; at_once++) {
		struct leg l;

		start(&l, false);
		for (int i = 0; i < CONTROL_RENEGOTIATIONS_MAX; i++) {
			client_seals(&l, TLS_CONTENT_HANDSHAKE, "\1\0\0\0", 4);
			if (at_once)
				continue;
			assert_int_equal(read_some(&l), -EAGAIN);
			expect_alert(&l, 1, 100);
			goes_on(&l);
		}
		for (int i = 0; i < 100; i++)
			client_seals(&l, TLS_CONTENT_HANDSHAKE, "\1\0\0\0", 4);
		assert_int_equal(read_next(&l), -EPROTO);
		assert_reason(l.record->reason, KEDGE_REASON_renegotiation);
		for (int i = at_once ? 0 : CONTROL_RENEGOTIATIONS_MAX;
		     i <= CONTROL_RENEGOTIATIONS_MAX; i++)
			expect_alert(&l, 1, 100);
		ends_in_order(&l);
		stop(&l);
	}
}

/* Reads of many records end, others have their turn, and the data behind them is found. */
static void a_read_has_a_budget(void **state)
{
	static uint8_t recs[200 * 100], buf[BUF_SIZE];
	size_t len = 0;
	struct leg l;
	ssize_t n;
	int again = 0, tired = 0;

	if (kernel)
		skip(); /* the kernel drops empty records by itself */
	start(&l, true);
	/* Every 31st has a byte: at most 32 empty ones in a row are taken. */
	for (int i = 0; i < 310; i++)
		len += (size_t)record_seal(&l.up, TLS_CONTENT_DATA, "x", i % 31 == 30, recs + len);
	client_sends(&l, recs, len);
	for (size_t got = 0; got < 10;) {
		n = record_read(l.record, buf, sizeof(buf));
		again += n == -EINTR || (n > 0 && !l.record->drained);
		tired += l.record->tired;
		assert_true(n > 0 || n == -EINTR || n == -EAGAIN);
		got += n > 0 ? (size_t)n : 0;
	}
	assert_true(again > 0);
	assert_int_equal(tired, 1);
	goes_on(&l);
	assert_false(l.record->tired);
	stop(&l);
}

static void empty_records_have_a_limit(void **state)
{
	struct leg l;
	ssize_t n;
	int count = 0;

	if (kernel)
		skip();
	start(&l, true);
	do {
		client_seals(&l, TLS_CONTENT_DATA, "", 0);
		n = read_some(&l);
	} while (n == -EAGAIN && ++count < 100);
	assert_int_equal(n, -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_record_flood);
	expect_alert(&l, 2, 10);
	stop(&l);
}

/* How many turns the server wants for a handshake of these records before it fails. */
static int turns_of(const uint8_t *records, size_t len)
{
	enum tls_step step = TLS_WANT_READ;
	enum kedge_reason reason;
	struct leg l = {0};
	int ends[2], turns = 0;
	size_t sent = 0;

	peer_pair(ends);
	l.fd = ends[1];
	l.tls = tls_conn_new(ctx, l.fd, &scratch);
	while (step != TLS_FAILED) {
		ssize_t n = send(ends[0], records + sent, len - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		if (sent == len)
			shutdown(ends[0], SHUT_WR);
		if (step == TLS_WANT_READ)
			peer_wait(l.fd);
		step = tls_handshake(l.tls, &reason);
		turns += step == TLS_MORE;
	}
	tls_conn_free(l.tls);
	close(ends[0]);
	close(ends[1]);
	ERR_clear_error();
	return turns;
}

/* A hello that has no end, in records of one byte; warnings; empty records; ChangeCipherSpecs. */
static void a_handshake_has_a_budget(void **state)
{
	static const struct {
		const char *text;
		uint8_t record[8];
		size_t n;
		bool many; /* OpenSSL takes any number */
	} kinds[] = {
		{"hello in single bytes", {22, 3, 1, 0, 1, 1}, 6, true},
		{"warnings", {21, 3, 1, 0, 2, 1, 90}, 7, false},
		{"empty records", {22, 3, 1, 0, 0}, 5, false},
		{"ChangeCipherSpec", {20, 3, 3, 0, 1, 1}, 6, false},
	};
	enum { COUNT = 3000 };
	static uint8_t records[8 * COUNT];

	if (kernel)
		skip(); /* the handshake is the same with the kernel */
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int turns;

		for (size_t j = 0; j < COUNT; j++)
			memcpy(records + j * kinds[i].n, kinds[i].record, kinds[i].n);
		turns = turns_of(records, COUNT * kinds[i].n);
		if (getenv("RULES"))
			print_message("%s: %d turns\n", kinds[i].text, turns);
		if (kinds[i].many)
			assert_true(turns >= COUNT / RECORD_READ_RECORDS_MAX - 1);
		else
			assert_int_equal(turns, 0);
	}
}

/* --- KeyUpdates ------------------------------------------------------------------------------- */

static void skip_without_rekey(void)
{
	if (kernel && !caps.rekey)
		skip();
}

static void split_key_update_is_followed(void **state)
{
	uint8_t got[RECORD_BYTES_MAX];
	size_t n;

	skip_without_rekey();
	for (size_t piece = 1; piece <= 5; piece++) {
		struct leg l;

		start(&l, true);
		for (size_t at = 0; at < 5; at += piece)
			client_seals(&l, TLS_CONTENT_HANDSHAKE, &"\30\0\0\1\1"[at],
				     piece < 5 - at ? piece : 5 - at);
		assert_int_equal(read_some(&l), -EAGAIN);
		assert_int_equal(record_write(l.record, "pong!", 5), 5);
		peer_wait(l.peer.fd);
		assert_int_equal(client_opens(&l, got, &n), TLS_CONTENT_HANDSHAKE);
		assert_int_equal(n, 5);
		assert_memory_equal(got, "\30\0\0\1\0", 5);
		stop(&l);
	}
}

static void key_update_where_keys_stay_is_refused(void **state)
{
	struct leg l;

	if (!kernel || (caps.rekey && !fake.on))
		skip();
	fake.rekey = shared.caps.rekey = false;
	start(&l, true);
	client_seals(&l, TLS_CONTENT_HANDSHAKE, "\30\0\0\1\0", 5);
	assert_int_equal(read_next(&l), -EPROTO);
	assert_reason(l.record->reason, KEDGE_REASON_key_update_refused);
	expect_alert(&l, 2, 10);
	ends_in_order(&l);
	stop(&l);
	fake.rekey = shared.caps.rekey = caps.rekey;
}

/* The answer waits for room. Nothing is read before it is sent, and nothing is lost. */
static void key_update_in_a_full_socket(void **state)
{
	static uint8_t buf[BUF_SIZE];
	size_t sent, got = 0, n;
	struct leg l;
	ssize_t r;

	skip_without_rekey();
	start(&l, true);
	sent = fill_socket(l.record, zeros, 16000);
	for (int i = 0; i < 3; i++) {
		/* By the peer, which follows the keys. Its own have moved on by what was sealed: by
		 * nothing so far. */
		SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED);
		assert_int_equal(SSL_write_ex(l.peer.ssl, "ping", 4, &n), 1);
	}
	peer_send(&l.peer, 0, NULL, NULL);
	peer_wait(l.fd);
	r = read_some(&l);
	assert_int_equal(r, -EAGAIN);
	assert_true(l.record->answer_due);
	assert_int_equal(read_some(&l), -EAGAIN);
	for (size_t down = 0; down < sent;) {
		peer_receive(&l.peer);
		while (SSL_read_ex(l.peer.ssl, buf, sizeof(buf), &n) == 1)
			down += n;
		ERR_clear_error();
		(void)record_flush(l.record);
		r = read_some(&l);
		assert_true(r > 0 || r == -EAGAIN);
		got += r > 0 ? (size_t)r : 0;
	}
	while (got < 12) {
		(void)record_flush(l.record);
		r = read_some(&l);
		assert_true(r > 0 || r == -EAGAIN);
		got += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(got, 12);
	assert_false(l.record->answer_due);
	/* Both sides know the keys. */
	assert_int_equal(record_write(l.record, "pong!", 5), 5);
	do {
		peer_wait(l.peer.fd);
		peer_receive(&l.peer);
	} while (SSL_read_ex(l.peer.ssl, buf, sizeof(buf), &n) != 1);
	assert_int_equal(n, 5);
	stop(&l);
}

/* RFC 8446 section 6.1: behind our close_notify nothing is said, but the client may go on. */
static void after_our_end(void **state)
{
	struct leg l;
	size_t n;

	for (int tls13 = 0; tls13 < 2; tls13++) {
		if (tls13)
			skip_without_rekey();
		start(&l, tls13);
		assert_int_equal(record_close_write(l.record), 0);
		expect_alert(&l, 1, 0);
		for (int i = 0; i < 3; i++) {
			if (tls13) {
				SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED);
				assert_int_equal(SSL_write_ex(l.peer.ssl, "ping", 4, &n), 1);
				peer_send(&l.peer, 0, NULL, NULL);
				peer_wait(l.fd);
			} else {
				client_seals(&l, TLS_CONTENT_HANDSHAKE, "\1\0\0\0", 4);
				client_seals(&l, TLS_CONTENT_DATA, "ping", 4);
			}
			assert_int_equal(read_next(&l), 4);
			assert_int_equal(record_flush(l.record), 0);
		}
		stop(&l);
	}
}

/* A client that changes keys for every record of a download, until our keys have changed. */
static void key_updates_of_a_download(void **state)
{
	static uint8_t buf[BUF_SIZE];
	size_t n, down = 0, updates = 0;
	struct leg l;

	skip_without_rekey();
	start(&l, true);
	while (down < 3000000) {
		ssize_t r = record_write(l.record, zeros, 16384);

		assert_true(r > 0 || r == -EAGAIN);
		assert_int_not_equal(read_some(&l), -EPROTO);
		peer_receive(&l.peer);
		while (SSL_read_ex(l.peer.ssl, buf, 16384, &n) == 1) {
			down += n;
			if (down < 1048576)
				continue;
			SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED);
			SSL_do_handshake(l.peer.ssl);
			updates++;
		}
		ERR_clear_error();
		peer_send(&l.peer, 0, NULL, NULL);
		(void)record_flush(l.record);
	}
	assert_true(updates > 100);
	stop(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warnings_have_a_limit),
		cmocka_unit_test(renegotiations_have_a_limit),
		cmocka_unit_test(a_read_has_a_budget),
		cmocka_unit_test(empty_records_have_a_limit),
		cmocka_unit_test(a_handshake_has_a_budget),
		cmocka_unit_test(split_key_update_is_followed),
		cmocka_unit_test(key_update_where_keys_stay_is_refused),
		cmocka_unit_test(key_update_in_a_full_socket),
		cmocka_unit_test(key_updates_of_a_download),
		cmocka_unit_test(after_our_end),
	};

	return RUN_IN_EACH_LAYER(tests);
}
