/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bypass: which sockets are paired, that bytes stay in order and bounded on both paths, and
 * that no map has a row left when connections end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "kedge/flow.h"
#include "leg.h"
#include "http/xff.h"

#define PINS "/sys/fs/bpf/kedge-test-bypass"
#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"

static struct kbpf *bpf;
static struct http1_conf conf;

static int setup(void **state)
{
	struct kbpf_opts opts = {.edit = true,
				 .bypass = true,
				 .pin = PINS,
				 .workers = 1,
				 .flows_max = 1100,
				 .cgroup = cgroup_enter("bypass")};
	union addr client;
	const char *bad;
	char why[256];

	/* Leftovers of a run that was killed. */
	if (system("rm -rf " PINS))
		return -1;
	if (kbpf_open(&bpf, &opts, why))
		fail_msg("kbpf_open: %s", why);
	assert_int_equal(addr_parse(&client, "198.51.100.22:1", &bad), 0);
	http1_conf_set(&conf, HTTP1_XFF_APPEND, 0, &client, false, 80);
	return 0;
}

static int teardown(void **state)
{
	kbpf_close(bpf);
	cgroup_leave();
	return access(PINS, F_OK) == 0;
}

/* Entries of a pinned map. */
static int entries(const char *name)
{
	char path[128], key[64], next[64];
	int fd, n = 0;

	snprintf(path, sizeof(path), "%s/%s", PINS, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	for (void *from = NULL; !bpf_map_get_next_key(fd, from, next); from = key, n++)
		memcpy(key, next, sizeof(key));
	close(fd);
	return n;
}

static void assert_maps_empty(void)
{
	static const char *const maps[] = {"kdg_flow", "kdg_pair", "kdg_app", "kdg_leg",
					   "kdg_appleg"};

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (entries(maps[i]))
			fail_msg("%s has %d entries left", maps[i], entries(maps[i]));
}

static void wait_in(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 10000), 1);
}

static void read_all(int fd, char *buf, size_t n)
{
	while (n) {
		ssize_t r;

		wait_in(fd);
		r = recv(fd, buf, n, MSG_DONTWAIT);
		assert_true(r > 0);
		buf += r;
		n -= (size_t)r;
	}
}

/* A request and its response, and the path that they took. */
static void exchange(const struct leg_opts *o, bool expect_bypass)
{
	static const char edited[] = GET "X-Forwarded-For: 198.51.100.22\r\n\r\n";
	struct kedge_stats before = *kbpf_stats(bpf, 0), *now = kbpf_stats(bpf, 0);
	char buf[sizeof(edited)] = {0};
	struct leg l;

	leg_open(&l, o);
	assert_int_equal(kbpf_flow_paired(bpf, &l.flow_copy), expect_bypass);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(edit_send(l.edit, GET "\r\n", strlen(GET "\r\n")),
				 strlen(GET "\r\n"));
		read_all(l.app, buf, sizeof(edited) - 1);
		assert_string_equal(buf, edited);
		assert_int_equal(send(l.app, "answer", 6, 0), 6);
		memset(buf, 0, sizeof(buf));
		read_all(l.kedge, buf, 6);
		assert_string_equal(buf, "answer");
		assert_int_equal(now->steer_redirected - before.steer_redirected,
				 expect_bypass ? i : 0);
		assert_int_equal(now->steer_down_redirected - before.steer_down_redirected,
				 expect_bypass ? i : 0);
	}
	assert_int_equal(entries("kdg_appleg"), expect_bypass);
	assert_int_equal(entries("kdg_pair"), 0);
	leg_close(&l);
	assert_maps_empty();
}

static void ipv4(void **state)
{
	exchange(&(struct leg_opts){.bpf = bpf, .conf = &conf, .bypass = true}, true);
}

static void ipv6(void **state)
{
	exchange(
		&(struct leg_opts){
			.bpf = bpf, .conf = &conf, .bypass = true, .listen_family = AF_INET6},
		true);
}

/* Node listens on "::" and is reached as 127.0.0.1. */
static void ipv4_to_a_dual_stack_listener(void **state)
{
	exchange(&(struct leg_opts){.bpf = bpf, .conf = &conf, .bypass = true, .mapped = true},
		 true);
}

static void off_for_the_flow(void **state)
{
	exchange(&(struct leg_opts){.bpf = bpf, .conf = &conf}, false);
}

/* Connections of others in the same cgroup, before and after: in no map, under no program. */
static void others_are_left_alone(void **state)
{
	struct leg_opts other = {.conf = &conf}; /* no bpf: a plain socket pair */
	uint64_t messages = kbpf_stats(bpf, 0)->bpf_messages;
	struct leg l;

	leg_open(&l, &other);
	assert_maps_empty();
	assert_int_equal(send(l.kedge, "plain", 5, 0), 5);
	wait_in(l.app);
	assert_true(leg_drain(&l));
	assert_int_equal(l.got.len, 5);
	assert_int_equal(kbpf_stats(bpf, 0)->bpf_messages, messages);
	leg_close(&l);
}

/* --- large bodies ----------------------------------------------------------------------------- */

static uint32_t random_state = 1;

static uint32_t rnd(size_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % (uint32_t)below;
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16 ^ at >> 24);
}

static void fill(uint8_t *p, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(at + i);
}

static void verify(const uint8_t *p, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(at + i))
			fail_msg("byte %llu is wrong", (unsigned long long)(at + i));
}

/* Takes up to `most` bytes; 0 when there are none. */
static size_t take(int fd, uint64_t at, size_t most)
{
	static uint8_t buf[256 * 1024];
	ssize_t n = recv(fd, buf, most < sizeof(buf) ? most : sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return 0;
	assert_true(n > 0);
	verify(buf, at, (size_t)n);
	return (size_t)n;
}

static uint64_t body_bytes(void)
{
	const char *mb = getenv("KEDGE_MEGABYTES");

	return (uint64_t)(mb ? atoi(mb) : 100) << 20;
}

/*
 * The reader changes its behaviour from time to time. Either it lets everything fill up and then
 * reads it all, or it reads a little now and then, so that a few bytes of either path are left when
 * the next message comes. It changes many times during each body.
 */
static struct {
	bool fills;
	unsigned left;       /* messages until it changes */
	unsigned seldom;     /* reads once in so many messages */
	size_t turns, bytes; /* at most */
} reader;

static void reader_change(void)
{
	reader.fills = !reader.fills;
	reader.left = 1 + rnd(60);
	reader.seldom = reader.fills ? 20 : 1 + rnd(4);
	reader.turns = reader.fills ? 60 : 3;
	reader.bytes = reader.fills ? 300000 : 1 + rnd(40000);
}

/* Each body begins alike, whatever the ones before it have drawn. */
static void reader_begin(void)
{
	random_state = 1;
	reader.fills = false;
	reader_change();
}

static bool reader_waits(void)
{
	if (!reader.left--)
		reader_change();
	return rnd(reader.seldom);
}

/* How often to read now, unless all is read before. */
static unsigned reader_turns(void)
{
	return reader.fills ? (unsigned)reader.turns : 1 + rnd(reader.turns);
}

/* A body through the editor to such an application. */
static void body_up(bool bypass)
{
	static uint8_t buf[KEDGE_SEND_BYTES_MAX];
	struct leg_opts o = {.bpf = bpf, .conf = &conf, .bypass = bypass};
	uint64_t total = body_bytes(), sent = 0, got = 0;
	int size = 1 << 18; /* full soon, whatever the kernel would let it grow to */
	unsigned full = 0;
	char head[128];
	struct leg l;

	reader_begin();
	leg_open(&l, &o);
	assert_int_equal(setsockopt(l.app, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	snprintf(head, sizeof(head), GET "Content-Length: %llu\r\n\r\n", (unsigned long long)total);
	assert_int_equal(edit_send(l.edit, head, strlen(head)), strlen(head));
	read_all(l.app, head,
		 strlen(GET) + strlen(strchr(strchr(head, '\n') + 1, '\n') + 1) +
			 strlen("X-Forwarded-For: 198.51.100.22\r\n"));
	while (got < total) {
		size_t n = rnd(4) ? sizeof(buf) : 1 + rnd(sizeof(buf));
		ssize_t r = -EAGAIN;

		if (n > total - sent)
			n = total - sent;
		if (n) {
			fill(buf, sent, n);
			r = edit_send(l.edit, buf, n);
			assert_true(r > 0 || r == -EAGAIN);
		}
		if (r > 0) {
			sent += (size_t)r;
			if (!full || reader_waits())
				continue;
		} else if (n) {
			full++;
		}
		for (unsigned i = reader_turns(); i && got < sent; i--) {
			wait_in(l.app);
			got += take(l.app, got, 1 + rnd(reader.bytes));
		}
	}
	assert_true(full > 0);
	assert_int_equal(l.edit->note->standing, KEDGE_BETWEEN);
	leg_close(&l);
	assert_maps_empty();
}

static void body_up_over_tcp(void **state)
{
	body_up(false);
}

static void body_up_with_bypass(void **state)
{
	struct kedge_stats before = *kbpf_stats(bpf, 0), *now = kbpf_stats(bpf, 0);

	body_up(true);
	/* Both paths were taken; otherwise the test did not test the change between them. */
	assert_true(now->steer_redirected > before.steer_redirected);
	assert_true(now->steer_passed > before.steer_passed);
}

static void body_down_with_bypass(void **state)
{
	static uint8_t buf[200000];
	struct leg_opts o = {.bpf = bpf, .conf = &conf, .bypass = true};
	struct kedge_stats before = *kbpf_stats(bpf, 0), *now = kbpf_stats(bpf, 0);
	uint64_t total = body_bytes(), sent = 0, got = 0;
	int size = 1 << 18; /* full soon, whatever the kernel would let buffers grow to */
	bool full = false;
	struct leg l;

	reader_begin();
	leg_open(&l, &o);
	assert_int_equal(setsockopt(l.app, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(setsockopt(l.kedge, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	while (got < total) {
		size_t n = rnd(3) ? 1 + rnd(20000) : 1 + rnd(sizeof(buf));
		ssize_t r;

		if (n > total - sent)
			n = total - sent;
		fill(buf, sent, n);
		r = n ? send(l.app, buf, n, MSG_DONTWAIT) : -1;
		if (r > 0)
			sent += (size_t)r;
		if (r > 0 && (!full || reader_waits()))
			continue;
		full |= r < 0;
		for (unsigned i = reader_turns(); i && got < sent; i--) {
			wait_in(l.kedge);
			got += take(l.kedge, got, 1 + rnd(reader.bytes));
		}
	}
	assert_true(now->steer_down_redirected > before.steer_down_redirected);
	assert_true(now->steer_down_passed > before.steer_down_passed);
	assert_int_equal(l.edit->note->mixed, 1);
	leg_close(&l);
	assert_maps_empty();
}

/*
 * As many bytes bypass TCP for an application that does not read as it may have unread: `limit`,
 * less than one message more. Its receive buffer is of `rcvbuf` bytes; the kernel doubles that.
 */
static void fill_unread(int rcvbuf, uint64_t limit)
{
	static const char head[] = GET "Content-Length: 99999999\r\n\r\n";
	static const uint8_t body[4096];
	struct leg_opts o = {.bpf = bpf, .conf = &conf, .bypass = true};
	struct kedge_stats before = *kbpf_stats(bpf, 0), *now = kbpf_stats(bpf, 0);
	uint64_t bytes = 0;
	struct leg l;

	leg_open(&l, &o);
	assert_int_equal(setsockopt(l.app, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)), 0);
	assert_int_equal(edit_send(l.edit, head, strlen(head)), strlen(head));
	while (now->steer_passed == before.steer_passed) {
		bytes = now->steer_redirected_bytes - before.steer_redirected_bytes;
		assert_in_range(bytes, 1, limit);
		assert_int_equal(edit_send(l.edit, body, sizeof(body)), sizeof(body));
	}
	assert_in_range(bytes, limit - sizeof(body) + 1, limit);
	leg_close(&l);
	assert_maps_empty();
}

static void unread_bytes_are_half_of_a_small_buffer(void **state)
{
	fill_unread(100000, 100000);
}

/* STEER_BYTES_MAX, which is BPF's own. */
static void unread_bytes_are_a_mebibyte_of_a_large_one(void **state)
{
	fill_unread(16 << 20, 1 << 20);
}

/* A thousand at once, then ended in every order: kedge first, application first, with unread data,
 * by reset. */
static void thousand_connections_leave_nothing(void **state)
{
	enum { N = 1000 };
	struct leg *l = calloc(N, sizeof(*l));

	assert_non_null(l);
	for (int i = 0; i < N; i++) {
		struct leg_opts o = {.bpf = bpf,
				     .conf = i % 5 ? &conf : NULL,
				     .bypass = i % 3 != 0,
				     .listen_family = i % 2 ? AF_INET6 : AF_INET};

		leg_open(&l[i], &o);
		if (i % 4)
			assert_int_equal(edit_send(l[i].edit, GET "\r\n", strlen(GET "\r\n")),
					 strlen(GET "\r\n"));
		if (i % 7 == 0)
			assert_int_equal(send(l[i].app, "unread", 6, 0), 6);
	}
	assert_int_equal(entries("kdg_flow"), N);
	for (int i = 0; i < N; i++) {
		struct linger reset = {.l_onoff = 1};

		if (i % 6 == 1)
			setsockopt(l[i].app, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (i % 6 == 2)
			setsockopt(l[i].kedge, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (i % 2) {
			close(l[i].app);
			l[i].app = -1;
		}
		leg_close(&l[i]);
	}
	free(l);
	assert_maps_empty();
}

/* The daemon's end is closed and the application still writes: an ordinary error, no leak. */
static void application_outlives_kedge(void **state)
{
	struct leg_opts o = {.bpf = bpf, .conf = &conf, .bypass = true};
	struct leg l;

	leg_open(&l, &o);
	assert_int_equal(edit_send(l.edit, GET "\r\n", strlen(GET "\r\n")), strlen(GET "\r\n"));
	edit_free(l.edit);
	l.edit = NULL;
	close(l.kedge);
	l.kedge = -1;
	wait_in(l.app);
	while (leg_drain(&l))
		wait_in(l.app);
	assert_true(l.got.len > strlen(GET));
	while (send(l.app, "late", 4, MSG_NOSIGNAL) == 4)
		wait_in(l.app);
	assert_true(errno == EPIPE || errno == ECONNRESET);
	leg_close(&l);
	assert_maps_empty();
}

/* A listener that defers accepting until the first byte: kedge's row waits for it. */
static int listen_deferred(struct sockaddr_in *where)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), seconds = 60;
	socklen_t len = sizeof(*where);

	*where = (struct sockaddr_in){.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)),
			 0);
	assert_int_equal(bind(fd, (struct sockaddr *)where, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)where, &len), 0);
	return fd;
}

/*
 * A connection of kedge's ends before the application's end exists. Then another program connects
 * from the same port before the daemon has noticed: that connection is not kedge's.
 */
static void a_row_ends_with_its_socket(void **state)
{
	struct sockaddr_in where, own, none = {.sin_family = AF_UNSPEC};
	socklen_t len = sizeof(own);
	int listener = listen_deferred(&where), one = 1, far;
	int kedge = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
	struct kbpf_flow flow;

	own = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	setsockopt(kedge, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(kedge, (struct sockaddr *)&own, len), 0);
	assert_int_equal(kbpf_flow_add(bpf, &flow, kedge, 0, &conf, true), 0);
	assert_int_equal(connect(kedge, (struct sockaddr *)&where, len), 0);
	assert_int_equal(entries("kdg_pair"), 1);
	assert_int_equal(getsockname(kedge, (struct sockaddr *)&own, &len), 0);
	assert_int_equal(connect(kedge, (struct sockaddr *)&none, len), 0); /* as a RST has it */
	assert_int_equal(entries("kdg_pair"), 0);
	assert_int_equal(bind(other, (struct sockaddr *)&own, len), 0);
	assert_int_equal(connect(other, (struct sockaddr *)&where, len), 0);
	assert_int_equal(send(other, "mine", 4, 0), 4);
	far = accept(listener, NULL, NULL);
	assert_true(far >= 0);
	assert_false(kbpf_flow_paired(bpf, &flow));
	assert_int_equal(entries("kdg_app"), 0);
	kbpf_flow_del(bpf, &flow);
	close(far);
	close(other);
	close(kedge);
	close(listener);
	assert_maps_empty();
}

/* A slot is reused: the application's end of the earlier flow does not write to it. */
static void a_note_is_its_flows_alone(void **state)
{
	struct leg_opts o = {.bpf = bpf, .conf = &conf, .bypass = true};
	struct leg first, second;

	leg_open(&first, &o);
	edit_free(first.edit); /* gives its slot back; the socket is not closed yet */
	first.edit = NULL;
	leg_open(&second, &o);
	assert_int_equal(first.flow_copy.slot, second.flow_copy.slot);
	assert_int_equal(send(first.app, "late", 4, MSG_NOSIGNAL), 4);
	assert_int_equal(second.edit->note->mixed, 0);
	leg_close(&first);
	leg_close(&second);
	assert_maps_empty();
}

/* The flow of a socket has another slot than its application's end knows. */
static void a_note_of_an_earlier_slot_is_left_alone(void **state)
{
	struct leg_opts o = {.bpf = bpf, .conf = &conf, .bypass = true};
	struct leg first, second;
	struct kbpf_flow again;

	leg_open(&first, &o);
	edit_free(first.edit);
	first.edit = NULL;
	leg_open(&second, &o);
	assert_int_equal(first.flow_copy.slot, second.flow_copy.slot);
	assert_int_equal(kbpf_flow_add(bpf, &again, first.kedge, 0, &conf, true), 0);
	assert_int_equal(again.cookie, first.flow_copy.cookie);
	assert_int_not_equal(again.slot, first.flow_copy.slot);
	assert_int_equal(send(first.app, "late", 4, MSG_NOSIGNAL), 4);
	assert_int_equal(second.edit->note->mixed, 0);
	kbpf_flow_del(bpf, &again);
	leg_close(&first);
	leg_close(&second);
	assert_maps_empty();
}

/* The application's socket has gone, and another one has its memory: no message goes there. */
static void a_receiver_is_known_by_its_cookie(void **state)
{
	struct leg_opts o = {.bpf = bpf, .conf = &conf, .bypass = true};
	struct kedge_stats before = *kbpf_stats(bpf, 0), *now = kbpf_stats(bpf, 0);
	struct kedge_flow flow, other;
	int map = map_find("kdg_flow");
	struct leg l, another;

	leg_open(&l, &o);
	leg_open(&another, &o);
	assert_int_equal(bpf_map_lookup_elem(map, &l.flow_copy.cookie, &flow), 0);
	assert_int_equal(bpf_map_lookup_elem(map, &another.flow_copy.cookie, &other), 0);
	assert_true(flow.app.sk && flow.app.sk != other.app.sk);
	flow.app.sk = other.app.sk;
	assert_int_equal(bpf_map_update_elem(map, &l.flow_copy.cookie, &flow, BPF_EXIST), 0);
	assert_int_equal(edit_send(l.edit, GET "\r\n", strlen(GET "\r\n")), strlen(GET "\r\n"));
	wait_in(l.app); /* by TCP */
	assert_int_equal(now->steer_redirected, before.steer_redirected);
	assert_int_equal(now->steer_stale, before.steer_stale + 1);
	assert_int_equal(now->steer_passed, before.steer_passed + 1);
	leg_close(&l);
	leg_close(&another);
	assert_maps_empty();
}

/* No room for a row: the daemon is told why the ends did not find each other. */
static void a_full_map_is_told_of(void **state)
{
	struct leg_opts o = {.bpf = bpf, .conf = &conf, .bypass = true};
	struct kedge_tuple row = {.local_port = 1};
	int map = map_find("kdg_pair");
	struct kedge_end end = {0};
	struct leg l;

	assert_true(map >= 0);
	while (!bpf_map_update_elem(map, &row, &end, BPF_ANY))
		row.local_ip[15] += !++row.remote_port;
	leg_open(&l, &o);
	assert_int_equal(l.edit->note->paired, 0);
	assert_int_equal(l.edit->note->unpaired, E2BIG);
	leg_close(&l);
	row = (struct kedge_tuple){0};
	while (!bpf_map_get_next_key(map, NULL, &row))
		bpf_map_delete_elem(map, &row);
	assert_maps_empty();
}

/* kedge in a child: sends its requests, says so, and stays until it is killed. */
static void child_kedge(const struct sockaddr_in *where, int ready)
{
	struct kbpf_opts opts = {.edit = true, .bypass = true, .workers = 1, .flows_max = 1};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct kbpf_flow flow;
	struct edit *e;
	char why[256];

	if (kbpf_open(&bpf, &opts, why) || kbpf_flow_add(bpf, &flow, fd, 0, &conf, true) ||
	    connect(fd, (const struct sockaddr *)where, sizeof(*where)) ||
	    kbpf_flow_join(bpf, &flow, fd))
		_exit(1);
	e = edit_bpf_new(fd, bpf, &flow, kbpf_stats(bpf, 0), NULL);
	for (int i = 0; i < 100; i++)
		if (edit_send(e, GET "\r\n", strlen(GET "\r\n")) < 0)
			_exit(1);
	if (!kbpf_stats(bpf, 0)->steer_redirected || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* All bytes arrive, then the end. The application's socket goes on as a TCP socket. */
static void application_outlives_a_killed_kedge(void **state)
{
	struct sockaddr_in where = {.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(where);
	struct leg l = {.kedge = -1};
	int listener = socket(AF_INET, SOCK_STREAM, 0), ready[2], status;
	size_t edited = strlen(GET "X-Forwarded-For: 198.51.100.22\r\n\r\n");
	pid_t child;
	char byte;

	assert_int_equal(bind(listener, (struct sockaddr *)&where, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&where, &len), 0);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		close(ready[0]);
		child_kedge(&where, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	l.app = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	while (leg_drain(&l))
		wait_in(l.app);
	assert_int_equal(l.got.len, 100 * edited);
	while (send(l.app, "late", 4, MSG_NOSIGNAL) == 4)
		wait_in(l.app);
	assert_true(errno == EPIPE || errno == ECONNRESET);
	leg_close(&l);
	close(listener);
	close(ready[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(ipv4_to_a_dual_stack_listener),
		cmocka_unit_test(off_for_the_flow),
		cmocka_unit_test(others_are_left_alone),
		cmocka_unit_test(body_up_over_tcp),
		cmocka_unit_test(body_up_with_bypass),
		cmocka_unit_test(body_down_with_bypass),
		cmocka_unit_test(unread_bytes_are_half_of_a_small_buffer),
		cmocka_unit_test(unread_bytes_are_a_mebibyte_of_a_large_one),
		cmocka_unit_test(thousand_connections_leave_nothing),
		cmocka_unit_test(a_row_ends_with_its_socket),
		cmocka_unit_test(a_note_is_its_flows_alone),
		cmocka_unit_test(a_note_of_an_earlier_slot_is_left_alone),
		cmocka_unit_test(a_receiver_is_known_by_its_cookie),
		cmocka_unit_test(a_full_map_is_told_of),
		cmocka_unit_test(application_outlives_kedge),
		cmocka_unit_test(application_outlives_a_killed_kedge),
	};

	need_root();
	return cmocka_run_group_tests(tests, setup, teardown);
}
