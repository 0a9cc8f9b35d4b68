/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/ktls.c: what is given to the kernel, in which order, and what comes of a refusal. The
 * kernel's TLS is faked; TCP below it is real.
 */
#include "tests/unit/tls/fake_ktls.h"

#include <poll.h>

#include "tests/lib/net.h"
#include "tests/lib/tls_peer.h"

static const uint8_t key[40] = "more than thirty-two bytes of made-up k", iv[12] = "twelve bytes";
static int fd, peer;
static union ktls_crypto tx, rx;

static void make_keys(enum tls_version v, enum tls_suite s)
{
	ktls_fill(&tx, v, s, key, iv, 3);
	ktls_fill(&rx, v, s, key + 1, iv, 4);
}

static int up(void **state)
{
	int ends[2];

	fake_start();
	peer_pair(ends);
	fd = ends[0];
	peer = ends[1];
	make_keys(VERSION_TLS13, SUITE_AES_128_GCM);
	return 0;
}

static int down(void **state)
{
	close(fd);
	close(peer);
	return 0;
}

/* Both ends of the pair have kernel TLS. */
static void take_over_both(void)
{
	assert_int_equal(ktls_take_over(fd, &tx, &rx), 0);
	assert_int_equal(ktls_take_over(peer, &rx, &tx), 0);
}

/* --- key material ----------------------------------------------------------------------------- */

/* The layout of the kernel's structs, written down byte by byte. */
static void fill_puts_everything_in_its_place(void **state)
{
	static const uint8_t seq[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	const uint64_t n = 0x0102030405060708;

	for (int v = 0; v < VERSION_COUNT; v++) {
		const uint16_t version = v == VERSION_TLS13 ? 0x0304 : 0x0303;
		/* TLS 1.2: explicit nonces begin with the record number. */
		const uint8_t *gcm_iv = v == VERSION_TLS13 ? iv + 4 : seq;
		union ktls_crypto out, want;

		memset(&out, 0xaa, sizeof(out));
		memset(&want, 0, sizeof(want));
		want.aes128.info = (struct tls_crypto_info){version, 51};
		memcpy(want.aes128.iv, gcm_iv, 8);
		memcpy(want.aes128.key, key, 16);
		memcpy(want.aes128.salt, iv, 4);
		memcpy(want.aes128.rec_seq, seq, 8);
		ktls_fill(&out, v, SUITE_AES_128_GCM, key, iv, n);
		assert_memory_equal(&out, &want, sizeof(want));

		memset(&out, 0xaa, sizeof(out));
		memset(&want, 0, sizeof(want));
		want.aes256.info = (struct tls_crypto_info){version, 52};
		memcpy(want.aes256.iv, gcm_iv, 8);
		memcpy(want.aes256.key, key, 32);
		memcpy(want.aes256.salt, iv, 4);
		memcpy(want.aes256.rec_seq, seq, 8);
		ktls_fill(&out, v, SUITE_AES_256_GCM, key, iv, n);
		assert_memory_equal(&out, &want, sizeof(want));

		memset(&out, 0xaa, sizeof(out));
		memset(&want, 0, sizeof(want));
		want.chacha.info = (struct tls_crypto_info){version, 54};
		memcpy(want.chacha.iv, iv, 12);
		memcpy(want.chacha.key, key, 32);
		memcpy(want.chacha.rec_seq, seq, 8);
		ktls_fill(&out, v, SUITE_CHACHA20_POLY1305, key, iv, n);
		assert_memory_equal(&out, &want, sizeof(want));
	}
}

/* --- the hand-off ----------------------------------------------------------------------------- */

static void steps_and_their_order(void **state)
{
	assert_int_equal(ktls_take_over(fd, &tx, &rx), 0);
	assert_string_equal(fake.log, "utrp");
	/* Padding is a matter of TLS 1.3. */
	make_keys(VERSION_TLS12, SUITE_AES_256_GCM);
	fake.log[0] = '\0';
	memset(fake.log, 0, sizeof(fake.log));
	assert_int_equal(ktls_take_over(peer, &tx, &rx), 0);
	assert_string_equal(fake.log, "utr");
}

static void every_version_and_suite_is_taken(void **state)
{
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			make_keys(v, s);
			take_over_both(); /* the fake checks the lengths */
			down(NULL);
			up(NULL);
		}
}

static void begun_before_is_no_error(void **state)
{
	assert_int_equal(ktls_begin(fd), 0);
	assert_int_equal(ktls_begin(fd), -EEXIST);
	assert_int_equal(ktls_take_over(fd, &tx, &rx), 0);
	assert_string_equal(fake.log, "uuutrp");
}

static void each_refusal_ends_the_take_over(void **state)
{
	static const struct {
		enum fake_step step;
		int err;
		const char *log;
	} cases[] = {
		{FAKE_ULP, ENOENT, "u"}, {FAKE_ULP, ENOTCONN, "u"}, {FAKE_TX, EINVAL, "ut"},
		{FAKE_TX, ENOMEM, "ut"}, {FAKE_RX, EINVAL, "utr"},  {FAKE_RX, EBUSY, "utr"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.err[cases[i].step] = cases[i].err;
		assert_int_equal(ktls_take_over(fd, &tx, &rx), -cases[i].err);
		assert_string_equal(fake.log, cases[i].log);
		down(NULL);
		up(NULL);
	}
}

/* Linux before 6.0 does not know the option. */
static void without_the_padding_option_it_works_too(void **state)
{
	fake.err[FAKE_NO_PAD] = ENOPROTOOPT;
	assert_int_equal(ktls_take_over(fd, &tx, &rx), 0);
	assert_string_equal(fake.log, "utrp");
}

static void a_real_socket_that_is_not_connected(void **state)
{
	int lone = socket(AF_INET, SOCK_STREAM, 0), r;

	fake.on = false;
	r = ktls_begin(lone);
	assert_true(r == -ENOTCONN || r == -ENOENT); /* with TLS in the kernel, or without */
	assert_int_equal(ktls_begin(-1), -EBADF);
	assert_int_equal(ktls_set_tx(-1, &tx), -EBADF);
	assert_int_equal(ktls_set_rx(-1, &rx), -EBADF);
	assert_true(ktls_set_tx(lone, &tx) < 0);
	close(lone);
}

/* --- new keys --------------------------------------------------------------------------------- */

static void keys_are_exchanged_in_one_direction(void **state)
{
	union ktls_crypto next;
	char got[8];
	uint8_t type;

	take_over_both();
	ktls_fill(&next, VERSION_TLS13, SUITE_AES_128_GCM, key + 2, iv, 0);
	assert_int_equal(ktls_rekey_tx(fd, &next), 0);
	assert_int_equal(ktls_rekey_rx(peer, &next), 0);
	assert_int_equal(send(fd, "new", 3, 0), 3);
	assert_int_equal(send(peer, "old", 3, 0), 3);
	peer_wait(peer);
	assert_int_equal(ktls_recv(peer, got, sizeof(got), &type), 3);
	peer_wait(fd);
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), 3);

	fake.rekey = false; /* before Linux 6.14 */
	assert_int_equal(ktls_rekey_tx(fd, &next), -EBUSY);
	assert_int_equal(ktls_rekey_rx(fd, &next), -EBUSY);
}

static void the_keys_of_the_next_record(void **state)
{
	union ktls_crypto got, want;
	char byte;
	uint8_t type;

	take_over_both();
	ktls_fill(&want, VERSION_TLS13, SUITE_AES_128_GCM, key + 1, iv, 4);
	assert_int_equal(ktls_rx_keys(fd, SUITE_AES_128_GCM, &got), 0);
	assert_memory_equal(&got.aes128, &want.aes128, sizeof(want.aes128));
	assert_int_equal(send(peer, "x", 1, 0), 1);
	peer_wait(fd);
	assert_int_equal(ktls_recv(fd, &byte, 1, &type), 1);
	assert_int_equal(ktls_rx_keys(fd, SUITE_AES_128_GCM, &got), 0);
	assert_int_equal(got.aes128.rec_seq[7], 5);

	assert_int_equal(ktls_rx_keys(fd, SUITE_AES_256_GCM, &got), -EINVAL);
	fake.err[FAKE_GET_RX] = ENOPROTOOPT;
	assert_int_equal(ktls_rx_keys(fd, SUITE_AES_128_GCM, &got), -ENOPROTOOPT);
	assert_int_equal(ktls_same_rx(fd, SUITE_AES_128_GCM), -ENOPROTOOPT);
}

/* Half a KeyUpdate, and then the rest. */
static void the_same_keys_again_let_it_read_on(void **state)
{
	uint8_t got[8], type;

	take_over_both();
	assert_int_equal(ktls_send_control(peer, TLS_CONTENT_HANDSHAKE, "\30\0", 2), 0);
	assert_int_equal(ktls_send_control(peer, TLS_CONTENT_HANDSHAKE, "\0\1\0", 3), 0);
	peer_wait(fd);
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), 2);
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), -EKEYEXPIRED);
	assert_int_equal(ktls_same_rx(fd, SUITE_AES_128_GCM), 0);
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), 3);
	assert_memory_equal(got, "\0\1\0", 3);
	fake.err[FAKE_RX] = EINVAL;
	assert_int_equal(ktls_same_rx(fd, SUITE_AES_128_GCM), -EINVAL);
}

/* --- records ---------------------------------------------------------------------------------- */

static void types_are_told_and_never_mixed(void **state)
{
	uint8_t got[100], type = 0;

	take_over_both();
	assert_int_equal(ktls_peek(fd, &type), -EAGAIN);
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), -EAGAIN);
	assert_int_equal(send(peer, "one", 3, 0), 3);
	assert_int_equal(send(peer, "two", 3, 0), 3);
	assert_int_equal(ktls_send_control(peer, TLS_CONTENT_ALERT, "\1\0", 2), 0);
	peer_wait(fd);
	for (int i = 0; i < 2; i++) { /* nothing is taken */
		assert_int_equal(ktls_peek(fd, &type), 1);
		assert_int_equal(type, TLS_CONTENT_DATA);
	}
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), 6);
	assert_int_equal(type, TLS_CONTENT_DATA);
	assert_memory_equal(got, "onetwo", 6);
	assert_int_equal(ktls_peek(fd, &type), 1);
	assert_int_equal(type, TLS_CONTENT_ALERT);
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), 2);
	assert_int_equal(type, TLS_CONTENT_ALERT);
	shutdown(peer, SHUT_WR);
	peer_wait(fd);
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), 0);
	fake.recv_err = EBADMSG;
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), -EBADMSG);
}

/* Where no type is told it is data: a socket that has no TLS. */
static void bytes_without_a_type_are_data(void **state)
{
	uint8_t got[10], type = 0;

	fake.on = false;
	assert_int_equal(send(peer, "plain", 5, 0), 5);
	peer_wait(fd);
	assert_int_equal(ktls_recv(fd, got, sizeof(got), &type), 5);
	assert_int_equal(type, TLS_CONTENT_DATA);
}

static void control_records_do_not_wait(void **state)
{
	int r, records = 0;

	take_over_both();
	do
		r = ktls_send_control(fd, TLS_CONTENT_HANDSHAKE, key, sizeof(key));
	while (!r && ++records < 1000000);
	assert_int_equal(r, -EAGAIN);
	fake.send_err = EPIPE;
	assert_int_equal(ktls_send_control(fd, TLS_CONTENT_ALERT, "\1\0", 2), -EPIPE);
}

/* --- around TLS ------------------------------------------------------------------------------- */

static void received_bytes_are_counted_by_tcp(void **state)
{
	char got[4000];

	fake.on = false;
	assert_int_equal(ktls_received(fd), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(send(peer, got, 1000, 0), 1000);
		peer_wait(fd);
		assert_int_equal(recv(fd, got, sizeof(got), 0), 1000);
		assert_int_equal(ktls_received(fd), 1000 * i);
	}
	assert_int_equal(ktls_received(-1), 0);
}

static void the_sockets_error_is_taken(void **state)
{
	int err = 0;
	socklen_t len = sizeof(err);

	fake.on = false;
	net_close_reset(peer);
	close(peer);
	peer = -1;
	assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
	ktls_take_error(fd);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, 0);
}

static void raw_bytes_past_the_tls_layer(void **state)
{
	static uint8_t text[100000], got[sizeof(text)];
	size_t n = 0;

	fake.on = false;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 31 / 7);
	assert_int_equal(ktls_raw(fd, got, sizeof(got)), -EAGAIN);
	assert_int_equal(send(peer, text, 300, 0), 300);
	peer_wait(fd);
	assert_int_equal(ktls_raw(fd, got, sizeof(got)), 300);
	assert_memory_equal(got, text, 300);

	/* More than the buffer has room for: the rest is dropped. */
	assert_int_equal(send(peer, text, 300, 0), 300);
	peer_wait(fd);
	memset(got, 0, sizeof(got));
	assert_int_equal(ktls_raw(fd, got, 10), 10);
	assert_memory_equal(got, text, 10);
	assert_int_equal(got[10], 0);
	assert_int_equal(ktls_raw(fd, got, sizeof(got)), -EAGAIN);

	/* Much, in as many calls as it takes. */
	for (size_t sent = 0; n < sizeof(text);) {
		ssize_t r = send(peer, text + sent, sizeof(text) - sent, MSG_DONTWAIT);

		sent += r > 0 ? (size_t)r : 0;
		peer_wait(fd);
		r = ktls_raw(fd, got + n, sizeof(got) - n);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_memory_equal(got, text, sizeof(text));

	shutdown(peer, SHUT_WR);
	peer_wait(fd);
	assert_int_equal(ktls_raw(fd, got, sizeof(got)), 0);
	assert_int_equal(ktls_raw(-1, got, sizeof(got)), -EBADF);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		TEST(fill_puts_everything_in_its_place),
		TEST(steps_and_their_order),
		TEST(every_version_and_suite_is_taken),
		TEST(begun_before_is_no_error),
		TEST(each_refusal_ends_the_take_over),
		TEST(without_the_padding_option_it_works_too),
		TEST(a_real_socket_that_is_not_connected),
		TEST(keys_are_exchanged_in_one_direction),
		TEST(the_keys_of_the_next_record),
		TEST(the_same_keys_again_let_it_read_on),
		TEST(types_are_told_and_never_mixed),
		TEST(bytes_without_a_type_are_data),
		TEST(control_records_do_not_wait),
		TEST(received_bytes_are_counted_by_tcp),
		TEST(the_sockets_error_is_taken),
		TEST(raw_bytes_past_the_tls_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
