/*
 * The editor in the kernel against the one in user space: the same stream in the same pieces must
 * give the same bytes, the same note and the same errors. Streams by hand for each rule, and
 * streams at random (seeded, printed when they differ).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <cmocka.h>

#include "leg.h"
#include "xff.h"

static struct bpf *bpf;
static bool bypass; /* all of it once more with messages redirected */
static struct http1_conf conf;

#define CLIENT "198.51.100.22"

static void conf_make(struct http1_conf *c, enum http1_mode mode, __u8 flags)
{
	union addr client;
	const char *why;

	assert_int_equal(addr_parse(&client, CLIENT ":35646", &why), 0);
	http1_conf_set(c, mode, flags, &client, true, 443);
}

static int setup(void **state)
{
	struct bpf_opts opts = {.edit = true, .workers = 2, .flows_max = 64, .bypass = bypass};
	char why[256];
	int err;

	if (bypass)
		opts.cgroup = cgroup_enter("edit");
	err = bpf_open(&bpf, &opts, why);
	if (err)
		fail_msg("bpf_open: %s", why);
	conf_make(&conf, HTTP1_XFF_APPEND, 0);
	return 0;
}

static int teardown(void **state)
{
	uint64_t redirected = bpf_stats(bpf, 0)->steer_redirected;

	bpf_close(bpf);
	if (bypass)
		cgroup_leave();
	return (redirected > 0) != bypass;
}

/* The part of a stream around `at`. */
static void print_stream(const char *what, const struct bytes *b, size_t at)
{
	size_t from = at > 200 ? at - 200 : 0, to = at + 200 < b->len ? at + 200 : b->len;

	fprintf(stderr, "%s, %zu bytes, from %zu:\n", what, b->len, from);
	for (size_t i = from; i < to; i++)
		if (b->p[i] == '\n' || (b->p[i] >= ' ' && b->p[i] < 0x7f))
			fputc(b->p[i], stderr);
		else if (b->p[i] != '\r')
			fprintf(stderr, "\\x%02x", b->p[i]);
	fprintf(stderr, "\n--\n");
}

static size_t first_difference(const struct bytes *a, const struct bytes *b)
{
	size_t i = 0;

	while (i < a->len && i < b->len && a->p[i] == b->p[i])
		i++;
	return i;
}

/* Both editors, the same pieces. True when they agree. */
static bool same(const struct http1_conf *c, const void *in, size_t len, const size_t *cuts,
		 size_t n, uint64_t tunnels)
{
	struct leg_opts user = {.conf = c}, kernel = {.bpf = bpf, .conf = c, .bypass = bypass};
	struct leg u, k;
	struct outcome ou, ok;
	bool equal;

	leg_open(&u, &user);
	leg_open(&k, &kernel);
	ou = leg_feed(&u, in, len, cuts, n, tunnels);
	ok = leg_feed(&k, in, len, cuts, n, tunnels);
	leg_finish(&u);
	leg_finish(&k);
	equal = ou.error == ok.error && ou.upgrades == ok.upgrades &&
		u.edit->note->requests == k.edit->note->requests &&
		u.edit->note->standing == k.edit->note->standing &&
		u.edit->note->reason == k.edit->note->reason &&
		!memcmp(u.edit->note->head_bits, k.edit->note->head_bits,
			sizeof(u.edit->note->head_bits)) &&
		(ou.error || ou.took == ok.took) && u.got.len == k.got.len &&
		(!u.got.len || !memcmp(u.got.p, k.got.p, u.got.len));
	if (!equal) {
		fprintf(stderr,
			"error %d/%d took %zu/%zu requests %u/%u standing %u/%u reason "
			"%u/%u upgrades %u/%u\n",
			ou.error, ok.error, ou.took, ok.took, u.edit->note->requests,
			k.edit->note->requests, u.edit->note->standing, k.edit->note->standing,
			u.edit->note->reason, k.edit->note->reason, ou.upgrades, ok.upgrades);
		print_stream("user", &u.got, first_difference(&u.got, &k.got));
		print_stream("kernel", &k.got, first_difference(&u.got, &k.got));
	}
	leg_close(&u);
	leg_close(&k);
	return equal;
}

/* And both must give what is expected. */
static void expect(const char *in, const char *out)
{
	struct leg_opts kernel = {.bpf = bpf, .conf = &conf, .bypass = bypass};
	struct leg k;
	struct outcome o;

	leg_open(&k, &kernel);
	o = leg_feed(&k, in, strlen(in), NULL, 0, 0);
	leg_finish(&k);
	assert_int_equal(o.error, 0);
	if (k.got.len != strlen(out) || memcmp(k.got.p, out, k.got.len)) {
		print_stream("got", &k.got, 0);
		fail_msg("other than expected");
	}
	leg_close(&k);
	assert_true(same(&conf, in, strlen(in), NULL, 0, 0));
}

static void every_cut(const char *in, size_t len, uint64_t tunnels)
{
	for (size_t cut = 1; cut < len; cut++)
		assert_true(same(&conf, in, len, &cut, 1, tunnels));
}

static void every_byte(const char *in, size_t len, uint64_t tunnels)
{
	size_t *cuts = malloc(len * sizeof(*cuts));

	for (size_t i = 0; i < len; i++)
		cuts[i] = i + 1;
	assert_true(same(&conf, in, len, cuts, len, tunnels));
	free(cuts);
}

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"
#define OURS "X-Forwarded-For: " CLIENT "\r\n"

static void one_request(void **state)
{
	expect(GET "\r\n", GET OURS "\r\n");
}

static void body_by_length(void **state)
{
	expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET "\r\n",
	       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" OURS "\r\nhello" GET OURS
	       "\r\n");
}

static void incoming_lines_become_one(void **state)
{
	expect(GET "x-forwarded-for: 127.0.0.4\r\nAccept: */*\r\nX-Forwarded-For:  10.0.0.1, b "
		   "\r\n\r\n",
	       GET "Accept: */*\r\nX-Forwarded-For: 127.0.0.4, 10.0.0.1, b, " CLIENT "\r\n\r\n");
}

static const char mixed[] =
	GET "X-Forwarded-For: 1.2.3.4\r\nX-Forward: no\r\nX-Forwarded-For: 5.6.7.8\r\n\r\n"
	    "\r\n"
	    "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
	    "5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nTrail: er\r\n\r\n"
	    "HEAD /h HTTP/1.0\r\nX-Forwarded-For:\r\n\r\n"
	    "PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" GET "\r\n";

static void mixed_at_every_cut(void **state)
{
	every_cut(mixed, sizeof(mixed) - 1, 0);
}

static void mixed_bytewise(void **state)
{
	every_byte(mixed, sizeof(mixed) - 1, 0);
}

static const char upgrade[] = GET "\r\n" GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
				  "\x81\x03"
				  "abc GET / HTTP/1.1\r\n\r\n";

static void upgrade_answered_101(void **state)
{
	every_cut(upgrade, sizeof(upgrade) - 1, 1);
	every_byte(upgrade, sizeof(upgrade) - 1, 1);
}

static const char declined[] = GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" GET
				   "\r\n" GET "Connection: upgrade\r\nUpgrade: x\r\n\r\n"
				   "tunnelled";

static void upgrade_declined(void **state)
{
	every_cut(declined, sizeof(declined) - 1, 2);
	every_byte(declined, sizeof(declined) - 1, 2);
}

/* A stream that is refused after complete requests, at every cut. */
static void refused(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
		"chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcde\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char in[1024];
		int n = snprintf(in, sizeof(in), "%s%s%s%s", GET "\r\n", GET "\r\n", bad[i],
				 GET "\r\n");

		every_cut(in, (size_t)n, 0);
		every_byte(in, (size_t)n, 0);
	}
}

/* Whatever the daemon does after a refusal, the kernel lets nothing more out. */
static void refused_stays_refused(void **state)
{
	static const char in[] = GET "\r\nGET /\tx HTTP/1.1\r\n";
	struct leg_opts kernel = {.bpf = bpf, .conf = &conf, .bypass = bypass};
	struct outcome o;
	struct leg k;
	size_t got;

	leg_open(&k, &kernel);
	o = leg_feed(&k, in, sizeof(in) - 1, NULL, 0, 0);
	assert_int_equal(o.error, -EPROTO);
	leg_drain(&k);
	got = k.got.len;
	assert_int_equal(got, strlen(GET OURS "\r\n"));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(k.kedge, GET "\r\n", strlen(GET "\r\n"), 0), -1);
		assert_int_equal(errno, EACCES);
	}
	leg_finish(&k);
	assert_int_equal(k.got.len, got);
	leg_close(&k);
}

/* The send buffer made too small behind the editor's back: found out, never carried on with. */
static void short_send_ends_the_flow(void **state)
{
	struct leg_opts kernel = {.bpf = bpf, .conf = &conf}; /* by TCP: redirects have no buffer */
	struct bytes b = {0};
	int tiny = 1;
	struct leg k;

	for (int i = 0; i < 100; i++)
		bytes_add(&b, GET "\r\n", strlen(GET "\r\n"));
	leg_open(&k, &kernel);
	assert_int_equal(edit_send(k.edit, GET "\r\n", strlen(GET "\r\n")), strlen(GET "\r\n"));
	assert_int_equal(setsockopt(k.kedge, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny)), 0);
	assert_int_equal(edit_send(k.edit, b.p, b.len), -EIO);
	assert_int_equal(k.edit->note->reason, KEDGE_REASON_edit_short_send);
	assert_true(edit_send(k.edit, b.p, b.len) < 0);
	leg_close(&k);
	bytes_free(&b);
}

/* Nothing is cut short when the application reads nothing until kedge's end is full. */
static void full_socket_cuts_nothing_short(void **state)
{
	struct leg_opts kernel = {.bpf = bpf, .conf = &conf, .bypass = bypass};
	const size_t one = strlen(GET "\r\n"), edited = strlen(GET OURS "\r\n");
	struct bytes b = {0};
	size_t sent = 0;
	struct leg k;

	for (int i = 0; i < 200; i++)
		bytes_add(&b, GET "\r\n", one);
	leg_open(&k, &kernel);
	for (int full = 0; full < 5;) {
		ssize_t r = edit_send(k.edit, b.p, b.len);

		if (r == -EAGAIN) {
			full++;
			for (int i = 0; i < 3; i++)
				leg_drain(&k);
			continue;
		}
		assert_int_equal(r, b.len);
		sent += 200;
	}
	leg_finish(&k);
	assert_int_equal(k.got.len, sent * edited);
	for (size_t i = 0; i < sent; i++)
		assert_memory_equal(k.got.p + i * edited, GET OURS "\r\n", edited);
	leg_close(&k);
	bytes_free(&b);
}

static void pipelined(void **state)
{
	struct bytes b = {0};

	for (int i = 0; i < 300; i++)
		bytes_add(&b, GET "\r\n", strlen(GET "\r\n"));
	assert_true(same(&conf, b.p, 50 * strlen(GET "\r\n"), NULL, 0, 0));
	assert_true(same(&conf, b.p, b.len, NULL, 0, 0));
	bytes_free(&b);
	for (int i = 0; i < 910; i++)
		bytes_add(&b, "GET / HTTP/1.0\r\n\r\n", 18);
	assert_true(same(&conf, b.p, b.len, NULL, 0, 0));
	bytes_free(&b);
}

/* A client that pipelines: few segments, and none held back in kedge's end. */
static void pipelined_is_sent_at_once(void **state)
{
	struct leg_opts kernel = {.bpf = bpf, .conf = &conf, .bypass = bypass};
	static const char in[] = GET "\r\n" GET "\r\n";
	struct leg k;

	leg_open(&k, &kernel);
	for (int i = 0; i < 5; i++) {
		int left = -1;

		assert_int_equal(edit_send(k.edit, in, sizeof(in) - 1), sizeof(in) - 1);
		/* Before the application reads: what it acknowledges would push the rest. */
		assert_int_equal(ioctl(k.kedge, SIOCOUTQNSD, &left), 0);
		assert_int_equal(left, 0);
		leg_drain(&k);
	}
	leg_close(&k);
}

static void long_heads(void **state)
{
	struct bytes b = {0};
	char line[256];

	for (int r = 0; r < 3; r++) {
		bytes_add(&b, GET, strlen(GET));
		for (int i = 0; i < 120; i++) {
			int n = snprintf(line, sizeof(line), "X-Field-%d: %0100d\r\n", i, i);

			bytes_add(&b, line, (size_t)n);
		}
		bytes_add(&b, "X-Forwarded-For: 1.1.1.1\r\n\r\n", 28);
	}
	assert_true(same(&conf, b.p, b.len, NULL, 0, 0));
	for (size_t step = 1; step < 9000; step = step * 3 + 1) {
		size_t *cuts = calloc(b.len / step + 1, sizeof(*cuts)), n = 0;

		for (size_t at = step; at < b.len; at += step)
			cuts[n++] = at;
		assert_true(same(&conf, b.p, b.len, cuts, n, 0));
		free(cuts);
	}
	bytes_free(&b);
}

/* A head of nothing but lines to be taken out. */
static void many_lines_cut(void **state)
{
	struct bytes b = {0};

	for (int r = 0; r < 10; r++) {
		bytes_add(&b, GET, strlen(GET));
		for (int i = 0; i < 100; i++)
			bytes_add(&b, "x-forwarded-for: 1\r\n", 20);
		bytes_add(&b, "\r\n", 2);
	}
	assert_true(same(&conf, b.p, b.len, NULL, 0, 0));
	bytes_free(&b);
}

static void modes(void **state)
{
	for (int mode = HTTP1_XFF_APPEND; mode <= HTTP1_XFF_NEVER; mode++)
		for (int flags = 0; flags < 8; flags++) {
			struct http1_conf c;
			size_t cuts[40], n = 0;

			conf_make(&c, mode, (__u8)flags);
			assert_true(same(&c, mixed, sizeof(mixed) - 1, NULL, 0, 0));
			for (size_t at = 7; at < sizeof(mixed) && n < 40; at += 11)
				cuts[n++] = at;
			assert_true(same(&c, mixed, sizeof(mixed) - 1, cuts, n, 0));
		}
}

/* --- at random ------------------------------------------------------------------------------ */

static uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33) % below;
}

static void add_text(struct bytes *b, const char *s)
{
	bytes_add(b, s, strlen(s));
}

static void random_request(struct bytes *b)
{
	static const char *const lines[] = {
		"Host: a\r\n",
		"Accept: */*\r\n",
		"X-Forwarded-For: 10.0.0.1\r\n",
		"x-forwarded-for:2.2.2.2 , 3.3.3.3\t\r\n",
		"X-Forwarded-Proto: http\r\n",
		"X-Forwarded-Port: 1\r\n",
		"X-Real: x\r\n",
		"X-Forwarded-Fox: x\r\n",
		"X: \r\n",
		"Cookie: "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
		"X-Forwarded-For:\r\n",
	};
	int kind = (int)rnd(8);

	if (rnd(12) == 0)
		add_text(b, "\r\n");
	add_text(b, rnd(6) ? "POST /p?q HTTP/1.1\r\nHost: h\r\n"
			   : "HEAD http://h/ HTTP/1.1\r\nHost: h\r\n");
	for (int i = (int)rnd(7); i > 0; i--)
		add_text(b, lines[1 + rnd(sizeof(lines) / sizeof(lines[0]) - (rnd(40) ? 1 : 2))]);
	if (kind == 0) {
		char head[64], *body = calloc(1, 20000);
		uint32_t n = rnd(4) ? rnd(40) : rnd(20000);

		snprintf(head, sizeof(head), "Content-Length: %u\r\n\r\n", n);
		add_text(b, head);
		memset(body, 'X', n);
		bytes_add(b, body, n);
		free(body);
	} else if (kind == 1) {
		char chunk[80];

		add_text(b, "Transfer-Encoding: chunked\r\n\r\n");
		for (int i = (int)rnd(5); i > 0; i--) {
			int n = (int)rnd(30) + 1;

			snprintf(chunk, sizeof(chunk), "%x\r\n%.*s\r\n", (unsigned)n, n,
				 "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX");
			add_text(b, chunk);
		}
		add_text(b, rnd(2) ? "0\r\n\r\n" : "0\r\nX-T: 1\r\n\r\n");
	} else if (kind == 2 && !rnd(3)) {
		add_text(b, "Connection: upgrade\r\nUpgrade: x\r\n\r\n");
	} else {
		add_text(b, "\r\n");
	}
}

static bool random_case(uint64_t seed)
{
	struct bytes b = {0};
	struct http1_conf c;
	size_t *cuts, n = 0, step;
	bool ok;

	random_state = seed;
	for (int i = (int)(rnd(4) ? 1 + rnd(12) : rnd(200)); i >= 0; i--)
		random_request(&b);
	if (!rnd(3))
		b.p[rnd((uint32_t)b.len)] = (uint8_t)rnd(256);
	step = (size_t[]){3, 20, 200, 2000, 20000}[rnd(5)];
	cuts = calloc(b.len + 1, sizeof(*cuts));
	for (size_t at = rnd((uint32_t)step) + 1; at < b.len; at += rnd((uint32_t)step) + 1)
		cuts[n++] = at;
	conf_make(&c, rnd(3) ? HTTP1_XFF_APPEND : rnd(4), (__u8)(rnd(2) ? 0 : rnd(8)));
	ok = same(&c, b.p, b.len, cuts, n, rnd(16));
	free(cuts);
	bytes_free(&b);
	return ok;
}

static void random_streams(void **state)
{
	const char *text = getenv("KEDGE_SEED"), *count = getenv("KEDGE_RANDOM");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
	int n = count ? atoi(count) : 150;

	for (int i = 0; i < n; i++, seed++)
		if (!random_case(seed))
			fail_msg("seed %llu", (unsigned long long)seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request),
		cmocka_unit_test(body_by_length),
		cmocka_unit_test(incoming_lines_become_one),
		cmocka_unit_test(mixed_at_every_cut),
		cmocka_unit_test(mixed_bytewise),
		cmocka_unit_test(upgrade_answered_101),
		cmocka_unit_test(upgrade_declined),
		cmocka_unit_test(refused),
		cmocka_unit_test(refused_stays_refused),
		cmocka_unit_test(short_send_ends_the_flow),
		cmocka_unit_test(full_socket_cuts_nothing_short),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(pipelined_is_sent_at_once),
		cmocka_unit_test(long_heads),
		cmocka_unit_test(many_lines_cut),
		cmocka_unit_test(modes),
		cmocka_unit_test(random_streams),
	};

	int failed;

	need_root();
	failed = cmocka_run_group_tests_name("over TCP", tests, setup, teardown);
	bypass = true;
	return failed + cmocka_run_group_tests_name("with bypass", tests, setup, teardown);
}
