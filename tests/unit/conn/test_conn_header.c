/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_header.c: what the header says of a connection, and that a leg gets it once and whole. The
 * source is included, so that a send can be cut short.
 */
#include <sys/socket.h>

#include "conn/conn_header.h" /* it has members of this name */

static ssize_t cut_send(int fd, const void *buf, size_t len, int flags);

#define send cut_send
#include "conn/conn_header.c"
#undef send

#include <stdio.h>
#include <sys/un.h>

#include "conn/conn_open.h"
#include "tests/lib/proxy_decode.h"
#include "tests/unit/conn/conn_parts.h"
#include "tests/lib/assert_reason.h"

/* At most so many bytes in each send, with an EAGAIN before each. 0: as the kernel has it. */
static size_t piece;
static bool full;

static ssize_t cut_send(int fd, const void *buf, size_t len, int flags)
{
	assert_true(flags & MSG_NOSIGNAL);
	full = piece && !full;
	if (full) {
		errno = EAGAIN;
		return -1;
	}
	return send(fd, buf, piece && len > piece ? piece : len, flags);
}

static struct decoded d;
static uint8_t got[PROXY_WRITE_BYTES_MAX + 1];
static size_t got_len;

static const struct tls_words words = {.version = "TLSv1.3",
				       .cipher = "TLS_AES_128_GCM_SHA256",
				       .sig_alg = "RSA-SHA256",
				       .key_alg = "RSA2048",
				       .sni = "app.example",
				       .alpn = "h2",
				       .alpn_len = 2};

static void hear_header(void)
{
	const char *wrong;
	ssize_t n;

	assert_true(net_wait(app, POLLIN, NET_PATIENCE_MS));
	n = recv(app, got, sizeof(got), 0);
	assert_true(n > 0);
	got_len = (size_t)n;
	wrong = proxy_decode(&d, got, got_len);
	if (wrong)
		fail_msg("the header is not right: %s", wrong);
}

/* The application gets the header of this connection. */
static void tells(const struct tls_words *w)
{
	assert_reason(conn_header_make(c, w), KEDGE_REASON_NONE);
	assert_null(c->prefix);
	app_leg(false);
	assert_false(conn_header_done(c));
	assert_int_equal(conn_header_send(c), HEADER_SENT);
	assert_true(conn_header_done(c));
	assert_int_equal(conn_header_send(c), HEADER_SENT); /* and not again */
	hear_header();
}

static void accepted(enum conf_send_proxy version, unsigned tlvs)
{
	app_conf.send_proxy = version;
	app_conf.proxy_tlvs = tlvs;
	begin(CONN_IDLE);
}

static void client_line(char line[128], uint16_t dport)
{
	snprintf(line, 128, "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n",
		 ntohs(c->client.in.sin_port), dport);
}

static uint16_t local_port(int fd)
{
	union addr a = {0};
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, &a.sa, &len), 0);
	return addr_port(&a);
}

/* --- what it says ----------------------------------------------------------------------------- */

static void nothing_if_it_is_off(void **state)
{
	const struct proxy_prefix p = {.src.in = {.sin_family = AF_INET}};

	(void)state;
	accepted(SEND_PROXY_OFF, 0);
	assert_false(conn_header_wanted(c));
	assert_reason(conn_header_prefix(c, &p), KEDGE_REASON_NONE);
	assert_reason(conn_header_make(c, &words), KEDGE_REASON_NONE);
	assert_true(!c->prefix && !c->header);
	app_leg(false);
	assert_true(conn_header_done(c));
	assert_int_equal(conn_header_send(c), HEADER_SENT);
	assert_int_equal(net_queued(app), 0);
}

static void the_addresses_of_the_socket(void **state)
{
	char line[128];

	(void)state;
	accepted(SEND_PROXY_V1, 0);
	assert_true(conn_header_wanted(c));
	tells(NULL);
	client_line(line, local_port(c->client_fd));
	assert_int_equal(got_len, strlen(line));
	assert_memory_equal(got, line, got_len);
}

#define SRC 198, 51, 100, 22
#define DST 203, 0, 113, 7

static const uint8_t from_balancer[] = {'\r', '\n', '\r', '\n', 0,    '\r', '\n',       'Q', 'U',
					'I',  'T',  '\n', 0x21, 0x11, 0,    12 + 8 + 4, SRC, DST,
					0x8b, 0x3e, 1,    0xbb, 0xea, 0,    1,          'x', 0x02,
					0,    1,    'n',  0x04, 0,    1,    'z'};

/* In PREFIX, with this prefix read. */
static void prefixed(enum conf_send_proxy version, unsigned tlvs, const uint8_t *bytes, size_t n)
{
	app_conf.send_proxy = version;
	app_conf.proxy_tlvs = tlvs;
	accept_one();
	assert_int_equal(send(client, bytes, n, 0), n);
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	expect_next(conn_prefix_run(c, EPOLLIN), CONN_IDLE);
	app_leg(false);
	assert_int_equal(conn_header_send(c), HEADER_SENT);
	hear_header();
}

static void the_addresses_of_the_prefix(void **state)
{
	static const uint8_t src[] = {SRC}, dst[] = {DST};

	(void)state;
	prefixed(SEND_PROXY_V2, SEND_TLV_CRC32C, from_balancer, sizeof(from_balancer));
	assert_int_equal(d.family, '4');
	assert_memory_equal(d.src, src, 4);
	assert_memory_equal(d.dst, dst, 4);
	assert_int_equal(d.sport, 35646);
	assert_int_equal(d.dport, 443);
	assert_true(d.crc);
	assert_int_equal(d.tlvs_count, 1); /* nothing else was asked for */
}

static void what_the_prefix_said(void **state)
{
	(void)state;
	prefixed(SEND_PROXY_V2, SEND_TLV_PASS | SEND_TLV_CRC32C, from_balancer,
		 sizeof(from_balancer));
	assert_int_equal(d.tlvs_count, 3);
	assert_memory_equal(decoded_find(&d, 0xea)->value, "x", 1);
	assert_memory_equal(decoded_find(&d, 0x02)->value, "n", 1);
	assert_true(d.crc);
}

/* The balancer itself, whose address is that of the socket. */
static void a_local_prefix(void **state)
{
	static const char bytes[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

	(void)state;
	prefixed(SEND_PROXY_V2, SEND_TLV_PASS, (const uint8_t *)bytes, 16);
	assert_int_equal(d.family, '4');
	assert_int_equal(d.sport, ntohs(c->client.in.sin_port));
	assert_int_equal(d.dport, local_port(c->client_fd));
}

/* The application must not take the balancer for the client. */
static void an_unknown_client(void **state)
{
	(void)state;
	prefixed(SEND_PROXY_V2, 0, (const uint8_t *)"PROXY UNKNOWN\r\n", 15);
	assert_int_equal(d.family, '-');
	assert_false(d.local);
}

static void a_client_of_a_unix_socket(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const socklen_t len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			    (size_t)snprintf(un.sun_path + 1, 100, "kedge-test-%d", getpid()));
	int fd, before;

	(void)state;
	accepted(SEND_PROXY_V2, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, len), 0);
	before = c->client_fd;
	c->client_fd = fd;
	c->client = (union addr_inet){0};
	tells(NULL);
	c->client_fd = before;
	close(fd);
	assert_int_equal(d.family, 'u');
	assert_memory_equal(d.src, (uint8_t[108]){0}, 108);
	assert_memory_equal(d.dst, un.sun_path, 108);
}

static void the_words_of_the_handshake(void **state)
{
	(void)state;
	accepted(SEND_PROXY_V2, SEND_TLV_AUTHORITY | SEND_TLV_ALPN | SEND_TLV_SSL);
	tells(&words);
	assert_int_equal(d.tlvs_count, 3);
	assert_memory_equal(decoded_find(&d, 0x02)->value, "app.example", 11);
	assert_memory_equal(decoded_find(&d, 0x01)->value, "h2", 2);
	assert_int_equal(d.ssl_client, 1);
	assert_memory_equal(decoded_find_sub(&d, 0x21)->value, "TLSv1.3", 7);
	assert_memory_equal(decoded_find_sub(&d, 0x23)->value, "TLS_AES_128_GCM_SHA256", 22);
	assert_memory_equal(decoded_find_sub(&d, 0x24)->value, "RSA-SHA256", 10);
	assert_memory_equal(decoded_find_sub(&d, 0x25)->value, "RSA2048", 7);
}

/* Each only if it was asked for, and if the handshake has it. */
static void each_word_by_itself(void **state)
{
	static const struct tls_words few = {.version = "TLSv1.2", .cipher = "c"};
	static const unsigned bits[] = {SEND_TLV_AUTHORITY, SEND_TLV_ALPN, SEND_TLV_SSL};
	static const uint8_t types[] = {0x02, 0x01, 0x20};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		accepted(SEND_PROXY_V2, bits[i]);
		tells(&words);
		assert_int_equal(d.tlvs_count, 1);
		assert_int_equal(d.tlvs[0].type, types[i]);
		conn_header_free(c);
		conn_abort(c, KEDGE_REASON_NONE);
		bury();
	}
	accepted(SEND_PROXY_V2, SEND_TLV_AUTHORITY | SEND_TLV_ALPN | SEND_TLV_SSL);
	tells(&few);
	assert_int_equal(d.tlvs_count, 1);
	assert_int_equal(d.sub_count, 2);
}

/* Without TLS there is nothing to say of it. */
static void a_header_without_an_id(void **state)
{
	const enum conf_send_proxy versions[] = {SEND_PROXY_OFF, SEND_PROXY_V1, SEND_PROXY_V2};
	uint8_t len = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		accepted(versions[i], SEND_TLV_CRC32C);
		assert_null(conn_header_id(c, &len)); /* not made yet */
		assert_reason(conn_header_make(c, NULL), KEDGE_REASON_NONE);
		assert_null(conn_header_id(c, &len));
		assert_int_equal(len, 0);
		conn_abort(c, KEDGE_REASON_NONE);
		bury();
	}
}

static void a_client_in_clear(void **state)
{
	(void)state;
	accepted(SEND_PROXY_V2, SEND_TLV_AUTHORITY | SEND_TLV_ALPN | SEND_TLV_SSL);
	tells(NULL);
	assert_int_equal(d.tlvs_count, 0);
}

static void no_two_ids_are_the_same(void **state)
{
	char ids[2][33] = {""};
	uint8_t len;

	(void)state;
	for (int i = 0; i < 2; i++) {
		accepted(SEND_PROXY_V2, SEND_TLV_UNIQUE_ID);
		tells(NULL);
		assert_int_equal(d.tlvs_count, 1);
		assert_int_equal(d.tlvs[0].type, 0x05);
		assert_int_equal(d.tlvs[0].len, 32);
		memcpy(ids[i], d.tlvs[0].value, 32);
		assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
		assert_memory_equal(conn_header_id(c, &len), ids[i], 32); /* as it was sent */
		assert_int_equal(len, 32);
		conn_abort(c, KEDGE_REASON_NONE);
		bury();
	}
	assert_string_not_equal(ids[0], ids[1]);
}

/* TLVs of a prefix that is as long as it may be: with one more there is no room. */
static void too_much_to_pass_on(void **state)
{
	static uint8_t tlv[PROXY_V2_BYTES_MAX - 16 - 12] = {0xe0, (sizeof(tlv) - 3) >> 8,
							    (sizeof(tlv) - 3) & 255};
	const struct proxy_prefix p = {.tlvs = tlv, .tlvs_len = sizeof(tlv)};

	(void)state;
	accepted(SEND_PROXY_V2, SEND_TLV_PASS | SEND_TLV_CRC32C);
	assert_reason(conn_header_prefix(c, &p), KEDGE_REASON_NONE);
	assert_reason(conn_header_make(c, NULL), KEDGE_REASON_prefix_too_long);
	assert_true(!c->header && !c->prefix);
	app_conf.proxy_tlvs = SEND_TLV_PASS;
	assert_reason(conn_header_prefix(c, &p), KEDGE_REASON_NONE);
	tells(NULL);
	assert_int_equal(got_len, PROXY_WRITE_BYTES_MAX);
}

/* --- on its way ------------------------------------------------------------------------------- */

static void in_pieces(void **state)
{
	size_t calls = 0;
	uint8_t first[PROXY_WRITE_BYTES_MAX];

	(void)state;
	accepted(SEND_PROXY_V2, SEND_TLV_AUTHORITY | SEND_TLV_SSL | SEND_TLV_CRC32C);
	tells(&words);
	memcpy(first, got, got_len);
	for (piece = 1; piece <= got_len; piece++) {
		const size_t len = got_len;

		close(app);
		leg_close(&worker.legs, c->flow.leg, true);
		app_leg(false); /* another leg: it gets the same, from the start */
		full = false;
		for (calls = 1; conn_header_send(c) == HEADER_WAITS; calls++)
			assert_false(conn_header_done(c));
		assert_true(conn_header_done(c));
		assert_int_equal(calls, (len + piece - 1) / piece + 1);
		while (net_queued(app) < len)
			assert_true(net_wait(app, POLLIN, NET_PATIENCE_MS));
		hear_header();
		assert_int_equal(got_len, len);
		assert_memory_equal(got, first, len);
	}
	piece = 0;
}

static void a_leg_that_is_closed(void **state)
{
	(void)state;
	accepted(SEND_PROXY_V1, 0);
	assert_reason(conn_header_make(c, NULL), KEDGE_REASON_NONE);
	app_leg(false);
	net_close_reset(app);
	close(app);
	app = -1;
	assert_true(net_wait(c->flow.leg->fd, POLLERR | POLLHUP, NET_PATIENCE_MS));
	assert_int_equal(conn_header_send(c), HEADER_LOST);
	assert_false(conn_header_done(c));
}

/* A connection that ends before the header was made, and one that ends after. */
static void it_is_freed(void **state)
{
	const struct proxy_prefix p = {.tlvs = from_balancer, .tlvs_len = 4};

	(void)state;
	accepted(SEND_PROXY_V2, SEND_TLV_PASS);
	assert_reason(conn_header_prefix(c, &p), KEDGE_REASON_NONE);
	assert_non_null(c->prefix);
	conn_header_free(c);
	assert_reason(conn_header_make(c, NULL), KEDGE_REASON_NONE);
	assert_non_null(c->header);
	conn_abort(c, KEDGE_REASON_NONE); /* the sanitizer sees the rest */
	assert_null(c->header);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_if_it_is_off),
		TEST(the_addresses_of_the_socket),
		TEST(the_addresses_of_the_prefix),
		TEST(what_the_prefix_said),
		TEST(a_local_prefix),
		TEST(an_unknown_client),
		TEST(a_client_of_a_unix_socket),
		TEST(the_words_of_the_handshake),
		TEST(each_word_by_itself),
		TEST(a_client_in_clear),
		TEST(no_two_ids_are_the_same),
		TEST(a_header_without_an_id),
		TEST(too_much_to_pass_on),
		TEST(in_pieces),
		TEST(a_leg_that_is_closed),
		TEST(it_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
