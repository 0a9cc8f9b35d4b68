/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYN cookies: the guard's answer to a SYN over a limit, byte by byte. The kernel accepts the ACK
 * to it as the beginning of a connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "guard_rig.h"
#include "leg.h"

#define PORT        4433
#define CLIENT_PORT 40000
#define SEQUENCE    0x01020304u
#define WAIT_MS     10000

/* The usual options: segment size 1460, SACK, timestamps, window scale 7. */
#define OPTIONS       "\2\4\5\264\4\2\10\12\0\0\0\1\0\0\0\0\1\3\3\7"
#define OPTIONS_BYTES 20

#define COUNT(name) KEDGE_GUARD_COUNT_##name
#define SYN_TO(ip)                                                                   \
	.from = ip, .to = ip, .to_port = PORT, .flags = SYN, .tcp_options = OPTIONS, \
	.tcp_room = OPTIONS_BYTES

/* The same, of a link with frames of 9000 bytes: segment size 8960. */
#define JUMBO "\2\4\43\0\4\2\10\12\0\0\0\1\0\0\0\0\1\3\3\7"

static int listeners[2] = {-1, -1};

static void syncookies(const char *value)
{
	int fd = open("/proc/sys/net/ipv4/tcp_syncookies", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, 1), 1);
	close(fd);
}

static int listen_at(const char *where)
{
	union addr a;
	const char *why;
	int fd, one = 1;

	assert_int_equal(addr_parse(&a, where, &why), 0);
	fd = socket(a.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, &a.sa, addr_len(&a)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* Every new connection to these listeners is over the limit. */
static int setup(void **state)
{
	(void)state;
	guard_clear();
	guard_listen(0, "127.0.0.1", PORT, 1, false);
	guard_listen(0, "::1", PORT, 1, false);
	guard_configure((struct kedge_guard_config){
		.flags = KEDGE_GUARD_COOKIES, .total_rate = 1, .total_burst = 0});
	syncookies("2");
	listeners[0] = listen_at("127.0.0.1:4433");
	listeners[1] = listen_at("[::1]:4433");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(listeners[0]);
	close(listeners[1]);
	return 0;
}

static uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool is_six(const struct packet *p)
{
	return p->bytes[p->l3] >> 4 == 6;
}

/* The TCP sum with the pseudo header; 0xffff when the checksum is right. */
static uint32_t tcp_sum(const struct packet *p)
{
	size_t bytes = is_six(p) ? get16(p->bytes + p->l3 + 4)
				 : get16(p->bytes + p->l3 + 2) - (p->l4 - p->l3);
	size_t at = is_six(p) ? 8 : 12, n = is_six(p) ? 32 : 8;

	return sum16(p->bytes + p->l4, bytes,
		     sum16(p->bytes + p->l3 + at, n, IPPROTO_TCP + (uint32_t)bytes));
}

/* Runs the frame. answer->bytes is the frame afterwards. */
static unsigned answer_of(const struct packet *p, struct packet *answer, unsigned *count)
{
	uint64_t before[KEDGE_GUARD_COUNTS], after[KEDGE_GUARD_COUNTS];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->bytes, .data_size_in = (__u32)p->len,
		    .data_out = answer->bytes, .data_size_out = sizeof(answer->bytes));

	guard_rig_counters(before);
	assert_int_equal(bpf_prog_test_run_opts(guard_program, &opts), 0);
	guard_rig_counters(after);
	*count = KEDGE_GUARD_COUNTS;
	for (unsigned c = 0; c < KEDGE_GUARD_COUNTS; c++)
		if (after[c] != before[c])
			*count = c;
	answer->len = opts.data_size_out;
	answer->l3 = p->l3;
	answer->l4 = p->l4;
	answer->tcp = p->tcp;
	return opts.retval;
}

static void check_ip(const struct packet *p, const struct packet *a)
{
	const uint8_t *in = p->bytes + p->l3, *out = a->bytes + a->l3;

	if (is_six(p)) {
		assert_int_equal(get32(out), 0x60000000);
		assert_int_equal(get16(out + 4), p->tcp);
		assert_int_equal(out[6], IPPROTO_TCP);
		assert_int_equal(out[7], 64);
		assert_memory_equal(out + 8, in + 24, 16);
		assert_memory_equal(out + 24, in + 8, 16);
		return;
	}
	assert_int_equal(out[0], 0x45);
	assert_int_equal(get16(out + 2), 20 + p->tcp);
	assert_int_equal(get16(out + 6), 0x4000);
	assert_int_equal(out[8], 64);
	assert_int_equal(out[9], IPPROTO_TCP);
	assert_memory_equal(out + 12, in + 16, 4);
	assert_memory_equal(out + 16, in + 12, 4);
	assert_int_equal(sum16(out, 20, 0), 0xffff);
}

static void check_tcp(const struct packet *p, const struct packet *a)
{
	static const uint8_t nothing[40];
	const uint8_t *out = a->bytes + a->l4;

	assert_int_equal(get16(out), PORT);
	assert_int_equal(get16(out + 2), CLIENT_PORT);
	assert_int_equal(get32(out + 8), SEQUENCE + 1);
	assert_int_equal(out[12], p->tcp / 4 << 4);
	assert_int_equal(out[13], SYN | ACK);
	assert_true(get16(out + 14) > 0);
	assert_int_equal(get16(out + 18), 0);
	assert_int_equal(tcp_sum(a), 0xffff);
	if (p->tcp == 20)
		return;
	assert_int_equal(get16(out + 20), 0x0204);
	assert_in_range(get16(out + 22), 536, is_six(p) ? 1440 : 1460);
	assert_memory_equal(out + 24, nothing, p->tcp - 24);
}

/* The SYN's answer, checked. */
static void expect_answer(const struct packet_spec *s, struct packet *a)
{
	static struct packet p;
	unsigned count, verdict;

	packet_make(&p, s);
	verdict = answer_of(&p, a, &count);
	if (verdict != XDP_TX || count != COUNT(cookies))
		fail_msg("from %s: verdict %u, %s", s->from, verdict, guard_counter_name(count));
	assert_int_equal(a->len, p.len);
	assert_memory_equal(a->bytes, p.bytes + 6, 6);
	assert_memory_equal(a->bytes + 6, p.bytes, 6);
	assert_memory_equal(a->bytes + 12, p.bytes + 12, p.l3 - 12); /* tags and protocol */
	check_ip(&p, a);
	check_tcp(&p, a);
}

static void the_answer_is_right(void **state)
{
	struct packet_spec s[] = {
		{SYN_TO("127.0.0.1")},
		{SYN_TO("::1")},
		{SYN_TO("127.0.0.1"), .tags = {0x8100}},
		{SYN_TO("::1"), .tags = {0x88a8, 0x8100}},
		{SYN_TO("127.0.0.1"), .data = 100},
		{SYN_TO("::1"), .data = 101},
		{SYN_TO("127.0.0.1"), .padding = 7},
		{SYN_TO("127.0.0.1")},
		{SYN_TO("::1")},
	};
	struct packet_spec bare = {.to_port = PORT, .flags = SYN};
	static struct packet a;

	(void)state;
	s[7].tcp_options = s[8].tcp_options = JUMBO;
	for (size_t i = 0; i < sizeof(s) / sizeof(s[0]); i++)
		expect_answer(&s[i], &a);
	bare.from = bare.to = "127.0.0.1";
	expect_answer(&bare, &a);
	bare.from = bare.to = "::1";
	expect_answer(&bare, &a);
	bare.tcp_room = 40;
	expect_answer(&bare, &a);
	bare.tcp_room = 4;
	expect_answer(&bare, &a);
}

/* Each address has another checksum, with and without carries. */
static void checksums_of_many_addresses(void **state)
{
	struct packet_spec s = {SYN_TO("127.0.0.1")};
	static struct packet a;
	char from[20];

	(void)state;
	s.from = from;
	for (unsigned i = 0; i < 500; i++) {
		snprintf(from, sizeof(from), "127.%u.%u.%u", i * 77 % 256, i * 13 % 256, i % 255);
		expect_answer(&s, &a);
	}
}

static void put_sum(uint8_t *p, uint32_t sum)
{
	uint16_t word = htons((uint16_t)~sum);

	memcpy(p, &word, 2);
}

/*
 * Sends the ACK of an answer to the listener, as the client would; `off` is added to what it
 * acknowledges.
 */
static void send_ack(const struct packet_spec *syn, const struct packet *answer, uint32_t off)
{
	struct packet_spec s = *syn;
	static struct packet p;
	union addr to;
	const char *why;
	uint32_t word;
	int fd, one = 1;

	s.flags = ACK;
	s.tcp_options = NULL;
	s.tcp_room = s.data = 0;
	memset(s.tags, 0, sizeof(s.tags));
	packet_make(&p, &s);
	word = htonl(SEQUENCE + 1);
	memcpy(p.bytes + p.l4 + 4, &word, 4);
	word = htonl(get32(answer->bytes + answer->l4 + 4) + 1 + off);
	memcpy(p.bytes + p.l4 + 8, &word, 4);
	put_sum(p.bytes + p.l4 + 16, tcp_sum(&p));
	assert_int_equal(addr_parse(&to, is_six(&p) ? "[::1]:0" : "127.0.0.1:0", &why), 0);
	fd = socket(to.family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	assert_true(fd >= 0);
	if (is_six(&p))
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &one, sizeof(one)), 0);
	assert_int_equal(sendto(fd, p.bytes + p.l3, p.len - p.l3, 0, &to.sa, addr_len(&to)),
			 (ssize_t)(p.len - p.l3));
	close(fd);
}

static void expect_accepted(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	int fd;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
}

static void the_kernel_takes_the_cookie(void **state)
{
	struct packet_spec s[] = {{SYN_TO("127.0.0.1")}, {SYN_TO("::1")}};
	static struct packet a;

	(void)state;
	for (int i = 0; i < 2; i++) {
		expect_answer(&s[i], &a);
		/* A wrong cookie makes no connection. Loopback delivers in order. */
		send_ack(&s[i], &a, 77);
		assert_int_equal(accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC), -1);
		assert_int_equal(errno, EAGAIN);
		send_ack(&s[i], &a, 0);
		expect_accepted(listeners[i]);
	}
}

static void expect_untouched(const struct packet_spec *s, unsigned wanted)
{
	static struct packet p, a;
	unsigned count;

	packet_make(&p, s);
	assert_int_equal(answer_of(&p, &a, &count), wanted);
	assert_int_equal(count, COUNT(rate_total));
	/* Untouched: another program may look at it. */
	assert_int_equal(a.len, p.len);
	assert_memory_equal(a.bytes, p.bytes, p.len);
}

static void what_cannot_be_answered_is_dropped(void **state)
{
	struct packet_spec s[] = {
		{SYN_TO("127.0.0.1"), .options = 4},
		{SYN_TO("127.0.0.1"), .fragment = MORE},
		{SYN_TO("::1"), .ext = "d"},
		{SYN_TO("::1"), .ext = "f"},
	};
	struct packet_spec four = {SYN_TO("127.0.0.1")}, six = {SYN_TO("::1")};

	(void)state;
	for (size_t i = 0; i < sizeof(s) / sizeof(s[0]); i++)
		expect_untouched(&s[i], XDP_DROP);
	four.flags = SYN | FIN;
	expect_untouched(&four, XDP_DROP);
	four.flags = SYN;
	syncookies("1");
	expect_untouched(&four, XDP_DROP);
	syncookies("0");
	expect_untouched(&six, XDP_DROP);
	syncookies("2");
	close(listeners[0]);
	expect_untouched(&four, XDP_DROP);
	listeners[0] = listen_at("127.0.0.1:4433");
	guard_configure((struct kedge_guard_config){.total_rate = 1, .total_burst = 0});
	expect_untouched(&four, XDP_DROP);
	guard_configure((struct kedge_guard_config){
		.flags = KEDGE_GUARD_COOKIES | KEDGE_GUARD_OBSERVE, .total_rate = 1});
	expect_untouched(&four, XDP_PASS);
}

static void strangers_get_no_answer(void **state)
{
	struct packet_spec s = {SYN_TO("127.0.0.1")};
	static struct packet p, a;
	unsigned count;

	(void)state;
	guard_listen(0, "127.0.0.1", PORT, 1, true);
	packet_make(&p, &s);
	assert_int_equal(answer_of(&p, &a, &count), XDP_DROP);
	assert_int_equal(count, COUNT(stranger));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_answer_is_right, setup, teardown),
		cmocka_unit_test_setup_teardown(checksums_of_many_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(the_kernel_takes_the_cookie, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_answered_is_dropped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(strangers_get_no_answer, setup, teardown),
	};

	need_root();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}
