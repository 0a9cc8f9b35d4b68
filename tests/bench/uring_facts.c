/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring_facts: the behaviour of io_uring's calls on kedge's sockets (with kernel TLS, and under its
 * sk_msg program), and under a seccomp filter. Prints a line for each test:
 *
 *   fact NAME: result
 *
 * Needs root for the sk_msg program. If a test cannot be made, it says so and ends with status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu.h"
#include "uring_facts.h"
#include "http/xff.h"

#define BUFFERS      8
#define BUFFER_BYTES 4096
#define CALLS        200000 /* each of five times */

struct io_uring facts_ring;
static struct io_uring_buf_ring *shared;
static uint8_t buffers[BUFFERS][BUFFER_BYTES];

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "uring_facts: %s: %m\n", what);
	exit(1);
}

void check(bool ok, const char *what)
{
	if (!ok)
		die(what);
}

void fact(const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("fact %s: ", name);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	va_end(args);
}

/* --- the ring --------------------------------------------------------------------------------- */

void open_ring(void)
{
	struct io_uring_buf_reg reg = {.ring_entries = BUFFERS, .bgid = FACTS_GROUP};
	int err = io_uring_queue_init(16, &facts_ring, 0);

	if (err) {
		errno = -err;
		die("io_uring");
	}
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	check(shared != MAP_FAILED, "mmap");
	reg.ring_addr = (uintptr_t)shared;
	errno = -io_uring_register_buf_ring(&facts_ring, &reg, 0);
	check(!errno, "ring of buffers");
	io_uring_buf_ring_init(shared);
	for (int i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(shared, buffers[i], BUFFER_BYTES, (uint16_t)i, BUFFERS - 1,
				      i);
	io_uring_buf_ring_advance(shared, BUFFERS);
}

void close_ring(void)
{
	io_uring_queue_exit(&facts_ring);
	munmap(shared, 4096);
}

int complete(unsigned *flags, uint8_t **buffer)
{
	struct __kernel_timespec patience = {.tv_nsec = 500000000};
	struct io_uring_cqe *cqe;
	int result = io_uring_wait_cqe_timeout(&facts_ring, &cqe, &patience);

	if (result)
		return result;
	result = cqe->res;
	if (flags)
		*flags = cqe->flags;
	if (buffer)
		*buffer = cqe->flags & IORING_CQE_F_BUFFER
				  ? buffers[cqe->flags >> IORING_CQE_BUFFER_SHIFT]
				  : NULL;
	io_uring_cqe_seen(&facts_ring, cqe);
	return result;
}

int run(void)
{
	io_uring_submit(&facts_ring);
	return complete(NULL, NULL);
}

const char *named(int result)
{
	static char text[64];

	if (result < 0)
		return strerrorname_np(-result);
	snprintf(text, sizeof(text), "%d bytes", result);
	return text;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int listen_anywhere(struct sockaddr_in *in)
{
	socklen_t len = sizeof(*in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*in = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	check(fd >= 0 && !bind(fd, (struct sockaddr *)in, len) && !listen(fd, 1) &&
		      !getsockname(fd, (struct sockaddr *)in, &len),
	      "listen");
	return fd;
}

void connect_pair(int pair[2], struct kbpf *bpf, struct kbpf_flow *flow,
		  const struct http1_conf *conf)
{
	struct sockaddr_in in;
	int listener = listen_anywhere(&in);

	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(pair[0] >= 0, "socket");
	if (bpf)
		check(!kbpf_flow_add(bpf, flow, pair[0], 0, conf, false), "kbpf_flow_add");
	check(!connect(pair[0], (struct sockaddr *)&in, sizeof(in)), "connect");
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	check(pair[1] >= 0, "accept4");
	close(listener);
	if (bpf)
		check(!kbpf_flow_join(bpf, flow, pair[0]), "kbpf_flow_join");
}

void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	poll(&p, 1, 500);
}

/* --- the sk_msg program ----------------------------------------------------------------------- */

static void try_edit(struct kbpf *bpf, const struct http1_conf *conf, const char *name,
		     unsigned char how, int flags)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct io_uring_sqe *sqe = io_uring_get_sqe(&facts_ring);
	struct kbpf_flow flow;
	char got[512];
	int pair[2], sent;
	ssize_t n;

	connect_pair(pair, bpf, &flow, conf);
	io_uring_prep_send(sqe, pair[0], request, sizeof(request) - 1, flags);
	sqe->flags |= how;
	sent = run();
	wait_readable(pair[1]);
	n = recv(pair[1], got, sizeof(got) - 1, MSG_DONTWAIT);
	got[n > 0 ? n : 0] = '\0';
	fact(name, "%s; the application has %s and %s X-Forwarded-For", named(sent),
	     n > 0 ? "a request" : "nothing", strstr(got, "X-Forwarded-For") ? "an" : "no");
	kbpf_flow_del(bpf, &flow);
	close(pair[0]);
	close(pair[1]);
}

static void edit_facts(void)
{
	struct kbpf_opts opts = {.edit = true, .workers = 1, .flows_max = 16};
	union addr client = {.in = {.sin_family = AF_INET}};
	struct http1_conf conf;
	struct kbpf *bpf;
	char why[256];

	http1_conf_set(&conf, HTTP1_XFF_APPEND, 0, &client, true, 443);
	if (kbpf_open(&bpf, &opts, why)) {
		fact("sk_msg", "not possible: %s", why);
		return;
	}
	try_edit(bpf, &conf, "sk_msg, send", 0, 0);
	try_edit(bpf, &conf, "sk_msg, send with MSG_WAITALL", 0, MSG_WAITALL | MSG_DONTWAIT);
	try_edit(bpf, &conf, "sk_msg, send by a worker of io_uring", IOSQE_ASYNC, 0);
	kbpf_close(bpf);
}

/* --- a filter --------------------------------------------------------------------------------- */

/* In a process of its own, because a filter cannot be removed. */
static void filter_facts(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&facts_ring);
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int pair[2];
	ssize_t n;

	connect_pair(pair, NULL, NULL, NULL);
	check(filter && !seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sendto), 0) &&
		      !seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 0) &&
		      !seccomp_load(filter),
	      "seccomp");
	n = send(pair[0], "x", 1, 0);
	fact("seccomp that refuses sendto, sendto(2)", "%s", named(n < 0 ? -errno : (int)n));
	io_uring_prep_send(sqe, pair[0], "x", 1, 0);
	fact("seccomp that refuses sendto, io_uring's send", "%s", named(run()));
	exit(0);
}

/* --- the price of a system call --------------------------------------------------------------- */

static void price(void)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < 5; round++) {
		uint64_t began = now_ns(), took;

		for (int i = 0; i < CALLS; i++)
			syscall(SYS_getppid);
		took = now_ns() - began;
		if (took < best)
			best = took;
	}
	fact("system call that does nothing", "%.0f ns", (double)best / CALLS);
}

int main(void)
{
	int status;
	pid_t child;

	price();
	tls_facts();
	open_ring();
	edit_facts();
	close_ring();
	child = fork();
	check(child >= 0, "fork");
	if (!child) {
		open_ring();
		filter_facts();
	}
	check(waitpid(child, &status, 0) == child, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
