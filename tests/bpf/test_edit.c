/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compares the editor in the kernel with the one in user space: the same stream in the same pieces
 * must give the same bytes, the same note and the same errors. These streams are written by hand,
 * for each rule of bpf/edit.bpf.h. test_edit_random.c has random ones.
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
#include <unistd.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "both.h"

static struct http1_conf conf;

static int setup(void **state)
{
	conf_make(&conf, HTTP1_XFF_APPEND, 0);
	return both_setup(state);
}

/* And both must give what is expected. */
static void expect(const char *in, const char *out)
{
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};
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

/* A stream is cut every so many bytes; more than 1 if time is short. */
static size_t stride(void)
{
	const char *text = getenv("KEDGE_STRIDE");

	return text ? (size_t)atoi(text) : 1;
}

static void every_cut(const char *in, size_t len, uint64_t tunnels)
{
	for (size_t cut = 1; cut < len; cut += stride())
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

#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

/* A stream that is refused after complete requests, at every cut. */
static void refused(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcde\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char in[1024];
		int n = snprintf(in, sizeof(in), "%s%s%s%s", GET "\r\n", CHUNKED, bad[i],
				 GET "\r\n");

		every_cut(in, (size_t)n, 0);
		every_byte(in, (size_t)n, 0);
	}
}

/* After a refusal, the kernel sends nothing more, whatever the daemon does. */
static void refused_stays_refused(void **state)
{
	static const char in[] = GET "\r\nGET /\tx HTTP/1.1\r\n";
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};
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

/* A flow that the program does not find sends nothing: nobody would edit it. */
static void nothing_goes_out_without_a_flow(void **state)
{
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};
	int map = map_find("kdg_flow");
	struct leg k;

	leg_open(&k, &kernel);
	assert_int_equal(bpf_map_delete_elem(map, &k.flow_copy.cookie), 0);
	assert_int_equal(send(k.kedge, GET "\r\n", strlen(GET "\r\n"), 0), -1);
	assert_int_equal(errno, EACCES);
	leg_close(&k);
}

#define ASKS GET "Connection: upgrade\r\nUpgrade: x\r\n\r\n"

/* Each upgrade waits for its own answer. A message that comes before it is dropped. */
static void each_upgrade_waits(void **state)
{
	static const char in[] = ASKS GET "\r\n" ASKS;
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};
	ssize_t first = strlen(ASKS), rest = (ssize_t)strlen(in) - first;
	struct leg k;

	leg_open(&k, &kernel);
	assert_int_equal(edit_send(k.edit, in, sizeof(in) - 1), first);
	assert_int_equal(k.edit->note->standing, KEDGE_WAITING);
	assert_int_equal(edit_resume(k.edit, false), 0);
	assert_int_equal(edit_send(k.edit, in + first, (size_t)rest), rest);
	assert_int_equal(k.edit->note->withheld, 0);
	assert_int_equal(k.edit->note->standing, KEDGE_WAITING);
	assert_int_equal(send(k.kedge, GET "\r\n", strlen(GET "\r\n"), 0), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(k.edit->note->reason, KEDGE_REASON_edit_failed);
	leg_close(&k);
}

/* The kernel may make two messages of one send. Where the spare bytes are is unknown then. */
static void spare_bytes_are_not_guessed(void **state)
{
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};

	for (unsigned more = 0; more < 2; more++) {
		struct leg k;

		leg_open(&k, &kernel);
		k.edit->note->spare = 4;
		k.edit->note->sending = strlen(GET "\r\n....") + more;
		assert_int_equal(send(k.kedge, GET "\r\n\0\0\0", strlen(GET "\r\n...."), 0),
				 more ? -1 : (ssize_t)strlen(GET "\r\n...."));
		assert_int_equal(k.edit->note->reason, more ? KEDGE_REASON_edit_failed : 0);
		leg_close(&k);
	}
}

/* So many times did the program run for `in`, `times` times in one message. */
static void runs_are(const char *in, unsigned times, unsigned runs)
{
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};
	struct bytes b = {0};
	struct leg k;

	for (unsigned i = 0; i < times; i++)
		bytes_add(&b, in, strlen(in));
	leg_open(&k, &kernel);
	assert_int_equal(edit_send(k.edit, b.p, b.len), b.len);
	assert_int_equal(k.edit->note->runs, runs);
	leg_close(&k);
	bytes_free(&b);
}

/*
 * A message has room for few changes without a copy, so the program reads it in parts of seven
 * changes. The last head is changed in its spare bytes, unless lines were cut from it.
 */
static void many_changes_are_made_in_parts(void **state)
{
	static const char cut[] = GET "X-Forwarded-For: 1\r\na:\r\nX-Forwarded-For: 2\r\n\r\n";

	runs_are(GET "\r\n", 7, 1);
	runs_are(GET "\r\n", 8, 2);
	runs_are(cut, 2, 1);
	runs_are(cut, 3, 1);
	runs_are(cut, 4, 2);
}

/* A send buffer that was made too small behind the editor's back is noticed and ends the flow. */
static void short_send_ends_the_flow(void **state)
{
	struct leg_opts kernel = {.bpf = both_bpf,
				  .conf = &conf}; /* by TCP: redirects have no buffer */
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
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};
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

/* A client that pipelines: few segments, and kedge's end holds none back. */
static void pipelined_is_sent_at_once(void **state)
{
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};
	static const char in[] = GET "\r\n" GET "\r\n";
	struct leg k;

	leg_open(&k, &kernel);
	for (int i = 0; i < 5; i++) {
		int left = -1;

		assert_int_equal(edit_send(k.edit, in, sizeof(in) - 1), sizeof(in) - 1);
		/* Before the application reads: its acknowledgment would push the rest out. */
		assert_int_equal(ioctl(k.kedge, SIOCOUTQNSD, &left), 0);
		assert_int_equal(left, 0);
		leg_drain(&k);
	}
	leg_close(&k);
}

static uint32_t segments(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_data_segs_out;
}

/* Several segments would wake the application several times. */
static void one_segment_a_message(void **state)
{
	static const char *const in[] = {GET "\r\n", GET "X-Forwarded-For: 10.0.0.1\r\n\r\n"};
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf}; /* by TCP */

	for (size_t i = 0; i < 2; i++) {
		struct leg k;

		leg_open(&k, &kernel);
		/* If lines are taken out, the messages after the first are corked. */
		for (int n = 0; n < 5; n++) {
			uint32_t before = segments(k.kedge);

			assert_int_equal(edit_send(k.edit, in[i], strlen(in[i])), strlen(in[i]));
			leg_drain(&k);
			assert_true((i && !n) || segments(k.kedge) == before + 1);
		}
		leg_close(&k);
	}
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
	for (size_t step = stride(); step < 9000; step = step * 3 + 1) {
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
		for (int flags = 0; flags < 0x200; flags += 5) {
			struct http1_conf c;
			size_t cuts[40], n = 0;

			conf_make(&c, mode, (__u16)flags);
			assert_true(same(&c, mixed, sizeof(mixed) - 1, NULL, 0, 0));
			for (size_t at = 7; at < sizeof(mixed) && n < 40; at += 11)
				cuts[n++] = at;
			assert_true(same(&c, mixed, sizeof(mixed) - 1, cuts, n, 0));
		}
}

/* --- bodies from a pipe ---------------------------------------------------------------------- */

#define SPLICED 300000

/* Puts n bytes of the body into the pipe, in pieces; each write is a page of its own. */
static void fill_tube(const int *tube, const uint8_t *body, size_t n, size_t piece)
{
	for (size_t at = 0; at < n; at += piece) {
		size_t part = n - at < piece ? n - at : piece;

		assert_int_equal(write(tube[1], body + at, part), part);
	}
}

/*
 * The program sees none of these bytes, and counts them: what follows the body is a request again.
 * Large pages and small ones, full pipes and short ones.
 */
static void a_body_from_a_pipe(void **state)
{
	static const char head[] = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n";
	static const size_t pieces[] = {1, 100, 1000, 4096, 65536};
	static uint8_t body[SPLICED];
	struct leg_opts kernel = {.bpf = both_bpf, .conf = &conf};

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 2654435761u >> 13);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		size_t left = sizeof(body), full = 16 * (pieces[i] < 4096 ? pieces[i] : 4096);
		uint64_t requests;
		struct bytes want = {0};
		struct leg k;
		int tube[2];

		assert_int_equal(pipe(tube), 0);
		leg_open(&k, &kernel);
		requests = k.stats->requests_bpf;
		assert_int_equal(edit_body_rest(k.edit), 0);
		assert_int_equal(edit_send(k.edit, head, strlen(head)), strlen(head));
		assert_int_equal(edit_body_rest(k.edit), 0);
		assert_int_equal(edit_send(k.edit, "\r\n", 2), 2);
		while (left) {
			size_t n = left < full ? left : full;
			ssize_t r = 0;

			assert_int_equal(edit_body_rest(k.edit), left);
			fill_tube(tube, body + sizeof(body) - left, n, pieces[i]);
			for (left -= n; n; n -= r > 0 ? (size_t)r : 0) {
				assert_true(leg_drain(&k));
				r = edit_splice(k.edit, tube[0], n);
				assert_true(r > 0 || r == -EAGAIN);
			}
		}
		assert_int_equal(k.edit->note->standing, KEDGE_BETWEEN);
		assert_int_equal(edit_body_rest(k.edit), 0);
		assert_int_equal(edit_splice(k.edit, tube[0], 1), -EIO);
		assert_int_equal(edit_send(k.edit, GET "\r\n", strlen(GET) + 2), strlen(GET) + 2);
		assert_int_equal(k.stats->requests_bpf - requests, 2);
		leg_finish(&k);
		bytes_add(&want, head, strlen(head));
		bytes_add(&want, OURS "\r\n", strlen(OURS) + 2);
		bytes_add(&want, body, sizeof(body));
		bytes_add(&want, GET OURS "\r\n", strlen(GET OURS) + 2);
		assert_int_equal(k.got.len, want.len);
		assert_memory_equal(k.got.p, want.p, want.len);
		bytes_free(&want);
		leg_close(&k);
		close(tube[0]);
		close(tube[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request),
		cmocka_unit_test(body_by_length),
		cmocka_unit_test(a_body_from_a_pipe),
		cmocka_unit_test(incoming_lines_become_one),
		cmocka_unit_test(mixed_at_every_cut),
		cmocka_unit_test(mixed_bytewise),
		cmocka_unit_test(upgrade_answered_101),
		cmocka_unit_test(upgrade_declined),
		cmocka_unit_test(refused),
		cmocka_unit_test(refused_stays_refused),
		cmocka_unit_test(nothing_goes_out_without_a_flow),
		cmocka_unit_test(each_upgrade_waits),
		cmocka_unit_test(spare_bytes_are_not_guessed),
		cmocka_unit_test(many_changes_are_made_in_parts),
		cmocka_unit_test(short_send_ends_the_flow),
		cmocka_unit_test(full_socket_cuts_nothing_short),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(pipelined_is_sent_at_once),
		cmocka_unit_test(one_segment_a_message),
		cmocka_unit_test(long_heads),
		cmocka_unit_test(many_lines_cut),
		cmocka_unit_test(modes),
	};

	int failed;

	need_root();
	failed = cmocka_run_group_tests_name("over TCP", tests, setup, both_teardown);
	both_bypass = true;
	return failed + cmocka_run_group_tests_name("with bypass", tests, setup, both_teardown);
}
