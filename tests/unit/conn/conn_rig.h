/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a worker in this process, without BPF, for test_conn*.c. The test plays the
 * clients and the application; it may change conf before start().
 */
#pragma once

#include <stdio.h>
#include <sys/eventfd.h>

#include "tests/lib/tls_peer.h"
#include "tests/unit/conn/conn_base.h"
#include "tls/tls.h"

#define SEEN "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"

static int app = -1; /* listens */
static uint16_t port;

static inline int up(void **state)
{
	(void)state;
	if (base_up(&app))
		return -1;
	listener_conf.addr.in = (struct sockaddr_in){.sin_family = AF_INET,
						     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	strcpy(listener_conf.name, "127.0.0.1:0");
	conf.workers = 1;
	conf.prefix_timeout_ms = 20000;
	conf.connect_timeout_ms = 20000;
	conf.head_timeout_ms = 20000;
	conf.idle_timeout_ms = 20000;
	conf.linger_timeout_ms = 20000;
	conf.drain_timeout_ms = 20000;
	conf.connections_max = 1000;
	conf.rate_grace_ms = 20000;
	return 0;
}

/* The listener speaks TLS, with records in user space. */
static inline void with_tls(void)
{
	static struct peer_cert files;
	static struct conf_cert cert = {.cert = files.cert, .key = files.key};

	peer_cert_make(&files, "conn", PEER_EC, "localhost", 1);
	listener_conf.tls = true;
	listener_conf.certs = &cert;
	listener_conf.certs_count = 1;
	conf.handshake_timeout_ms = 20000;
	conf.record = POLICY_OFF;
}

/* The test has changed conf as it likes. Clients may connect, but nobody accepts. */
static inline void prepare(void)
{
	struct sockets *sockets;
	struct doors *set;
	union addr bound = {0};
	socklen_t len = sizeof(bound);

	assert_int_equal(base_share(eventfd(0, EFD_CLOEXEC)), 0);
	assert_int_equal(tls_shared_init(&generation.tls, &conf, &(struct ktls_caps){0}), 0);
	assert_int_equal(worker_init(&worker, 0, &shared, stats), 0);
	assert_int_equal(sockets_open(&sockets, &conf, NULL, NULL), 0);
	assert_int_equal(getsockname(sockets->fd[0], &bound.sa, &len), 0);
	port = addr_port(&bound);
	assert_int_equal(doors_new(&set, &worker.acceptor, &generation), 0);
	assert_int_equal(doors_give(set, sockets, 0, NULL, NULL), 0);
	sockets_close(sockets);
	worker_post(&worker, set);
}

static inline void start(void)
{
	prepare();
	assert_int_equal(worker_start(&worker), 0);
}

static inline bool has_ended(int ms)
{
	uint64_t until = net_now_ms() + (uint64_t)ms, now = until - (uint64_t)ms, n;

	/* It is written for other reasons as well. */
	while (!__atomic_load_n(&worker.ended, __ATOMIC_ACQUIRE) && now < until) {
		if (net_wait(shared.done_fd, POLLIN, (int)(until - now)))
			assert_int_equal(read(shared.done_fd, &n, sizeof(n)), sizeof(n));
		now = net_now_ms();
	}
	return __atomic_load_n(&worker.ended, __ATOMIC_ACQUIRE);
}

static inline int down(void **state)
{
	(void)state;
	conf.drain_timeout_ms = 1;
	worker_drain(&worker);
	if (worker.doors)
		worker_fini(&worker);
	if (shared.done_fd > 0)
		close(shared.done_fd);
	shared.done_fd = 0;
	worker = (struct worker){0};
	if (app >= 0)
		close(app);
	base_down();
	return 0;
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void hear(int fd, const char *text)
{
	char got[4096];
	size_t n = strlen(text), at = 0;

	assert_true(n < sizeof(got));
	while (at < n) {
		ssize_t r;

		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		r = recv(fd, got + at, n - at, 0);
		if (r <= 0)
			fail_msg("%s after '%.*s', expected '%s'", r ? strerror(errno) : "end",
				 (int)at, got, text);
		at += (size_t)r;
	}
	got[n] = '\0';
	assert_string_equal(got, text);
}

/* Reads to the end; 0, or the errno that ended it. The beginning of what came is in *text. */
static inline int hear_out(int fd, char text[512])
{
	size_t at = 0;
	char rest[4096];
	ssize_t r;

	do {
		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		r = at < 511 ? recv(fd, text + at, 511 - at, 0) : recv(fd, rest, sizeof(rest), 0);
		at += r > 0 && at < 511 ? (size_t)r : 0;
	} while (r > 0);
	text[at] = '\0';
	return r ? errno : 0;
}

static inline void hear_end(int fd, int err)
{
	char text[512];

	assert_int_equal(hear_out(fd, text), err);
	assert_string_equal(text, "");
}

static inline void until(const __u64 *counter, uint64_t value)
{
	uint64_t deadline = net_now_ms() + NET_PATIENCE_MS;

	while (__atomic_load_n(counter, __ATOMIC_RELAXED) < value) {
		if (net_now_ms() > deadline)
			fail_msg("a counter stays at %llu", (unsigned long long)*counter);
		poll(NULL, 0, 2);
	}
	assert_int_equal(*counter, value);
}

/* A client whose request has reached its app leg. */
static inline void ask(int *client, int *leg)
{
	*client = net_connect(port);
	say(*client, GET);
	*leg = net_accept(app);
	hear(*leg, SEEN);
}

/* A client and its app leg, one request answered. */
static inline void join(int *client, int *leg)
{
	ask(client, leg);
	say(*leg, OK_HI);
	hear(*client, OK_HI);
}

/* All that comes to the end: it begins like this, and has this text in it. */
static inline void expect_answer(int client, const char *begin, const char *text)
{
	char got[512];

	assert_int_equal(hear_out(client, got), 0);
	if (strncmp(got, begin, strlen(begin)) || !strstr(got, text))
		fail_msg("expected '%s ... %s', got '%s'", begin, text, got);
}
