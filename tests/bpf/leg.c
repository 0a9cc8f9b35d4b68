/* SPDX-License-Identifier: BSD-2-Clause */
#include "leg.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#define DEADLINE_MS 10000

static void check(bool ok, const char *what)
{
	if (!ok)
		fail_msg("%s: %s", what, strerror(errno));
}

void bytes_add(struct bytes *b, const void *p, size_t n)
{
	if (b->len + n > b->room) {
		b->room = (b->len + n) * 2;
		b->p = realloc(b->p, b->room);
		check(b->p, "realloc");
	}
	if (n)
		memcpy(b->p + b->len, p, n);
	b->len += n;
}

void bytes_free(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){0};
}

static int listen_on(const struct leg_opts *o, union addr *where)
{
	int family = o->mapped ? AF_INET6 : o->listen_family ? o->listen_family : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), zero = 0;
	socklen_t len = sizeof(*where);

	check(fd >= 0, "socket");
	memset(where, 0, sizeof(*where));
	where->family = (sa_family_t)family;
	if (family == AF_INET)
		where->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (!o->mapped)
		where->in6.sin6_addr = in6addr_loopback;
	else
		check(!setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)), "V6ONLY");
	check(!bind(fd, &where->sa, family == AF_INET ? sizeof(where->in) : sizeof(where->in6)),
	      "bind");
	check(!listen(fd, 16), "listen");
	check(!getsockname(fd, &where->sa, &len), "getsockname");
	if (o->mapped) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = where->in6.sin6_port};

		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		where->in = in;
	}
	return fd;
}

void leg_open(struct leg *l, const struct leg_opts *o)
{
	static struct kedge_stats own_stats;
	union addr where;
	int listener = listen_on(o, &where), one = 1;
	socklen_t len = where.family == AF_INET ? sizeof(where.in) : sizeof(where.in6);

	memset(l, 0, sizeof(*l));
	l->bpf = o->bpf;
	l->kedge = socket(where.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	check(l->kedge >= 0, "socket");
	check(!setsockopt(l->kedge, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "NODELAY");
	if (o->bpf)
		assert_int_equal(kbpf_flow_add(o->bpf, &l->flow_copy, l->kedge, o->worker, o->conf,
					       o->bypass),
				 0);
	check(!connect(l->kedge, &where.sa, len) || errno == EINPROGRESS, "connect");
	l->app = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	check(l->app >= 0, "accept");
	close(listener);
	setsockopt(l->app, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!o->bpf) {
		l->stats = &own_stats;
		l->edit = edit_user_new(l->kedge, o->conf, l->stats, NULL);
	} else {
		assert_int_equal(kbpf_flow_join(o->bpf, &l->flow_copy, l->kedge), 0);
		l->stats = kbpf_stats(o->bpf, o->worker);
		l->edit = edit_bpf_new(l->kedge, o->bpf, &l->flow_copy, l->stats, NULL);
	}
	assert_non_null(l->edit);
}

void leg_close(struct leg *l)
{
	edit_free(l->edit);
	if (l->kedge >= 0)
		close(l->kedge);
	if (l->app >= 0)
		close(l->app);
	bytes_free(&l->got);
}

bool leg_drain(struct leg *l)
{
	static uint8_t buf[65536];

	for (;;) {
		ssize_t n = recv(l->app, buf, sizeof(buf), 0);

		if (n < 0 && errno == EAGAIN)
			return true;
		check(n >= 0, "recv at the application");
		if (!n)
			return false;
		bytes_add(&l->got, buf, (size_t)n);
	}
}

static void wait_for(int fd, short events, const char *what)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n = poll(&p, 1, DEADLINE_MS);

	if (n != 1)
		fail_msg("deadline: %s", what);
}

void leg_finish(struct leg *l)
{
	check(!shutdown(l->kedge, SHUT_WR), "shutdown");
	while (leg_drain(l))
		wait_for(l->app, POLLIN, "the application waits for the end");
}

/* One piece, until it is taken or refused. */
static bool feed_piece(struct leg *l, const uint8_t *p, size_t n, uint64_t tunnels,
		       struct outcome *out)
{
	while (n) {
		ssize_t r = edit_send(l->edit, p, n);

		if (r == -EAGAIN) {
			leg_drain(l);
			wait_for(l->kedge, POLLOUT, "the app leg is full");
			r = edit_flush(l->edit);
			if (r == 0 || r == -EAGAIN)
				continue;
		}
		if (r < 0) {
			out->error = (int)r;
			return false;
		}
		assert_true((size_t)r <= n);
		out->took += (size_t)r;
		p += r;
		n -= (size_t)r;
		if (l->edit->note->standing == KEDGE_WAITING) {
			bool tunnel = tunnels >> (out->upgrades++ & 63) & 1;

			assert_int_equal(edit_resume(l->edit, tunnel), 0);
		}
		leg_drain(l);
	}
	return true;
}

struct outcome leg_feed(struct leg *l, const void *in, size_t len, const size_t *cuts, size_t n,
			uint64_t tunnels)
{
	struct outcome out = {0};
	size_t from = 0;

	for (size_t i = 0; i <= n; i++) {
		size_t to = i < n ? cuts[i] : len;

		if (to > len)
			to = len;
		if (to > from &&
		    !feed_piece(l, (const uint8_t *)in + from, to - from, tunnels, &out))
			break;
		if (to > from)
			from = to;
	}
	return out;
}

static char cgroup_path[256];

static bool write_pid(const char *dir)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "we");
	if (!f)
		return false;
	fprintf(f, "%d\n", getpid());
	return fclose(f) == 0;
}

static const char *cgroup_root(void)
{
	static char point[200];
	char line[1024];
	FILE *f = fopen("/proc/self/mounts", "re");

	check(f, "/proc/self/mounts");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %199s cgroup2 ", point) == 1 && strstr(line, " cgroup2 "))
			break;
	fclose(f);
	return point;
}

/* Removes the leftovers of test programs that were killed. */
static void cgroup_sweep(void)
{
	char pattern[256];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/kedge-*-*", cgroup_root());
	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int pid = atoi(strrchr(found.gl_pathv[i], '-') + 1);

		if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
			rmdir(found.gl_pathv[i]);
	}
	globfree(&found);
}

const char *cgroup_enter(const char *name)
{
	cgroup_sweep();
	snprintf(cgroup_path, sizeof(cgroup_path), "%s/kedge-%s-%d", cgroup_root(), name, getpid());
	check(!mkdir(cgroup_path, 0755), cgroup_path);
	check(write_pid(cgroup_path), "cgroup.procs");
	return cgroup_path;
}

void cgroup_leave(void)
{
	write_pid(cgroup_root());
	rmdir(cgroup_path);
}

void need_root(void)
{
	struct rlimit files = {8192, 8192};

	if (geteuid() == 0) {
		setrlimit(RLIMIT_NOFILE, &files);
		return;
	}
	fprintf(stderr, "skipped: needs root\n");
	exit(77);
}

int map_find(const char *name)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct bpf_map_info info = {0};
		uint32_t len = sizeof(info);
		char path[32], what[32] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, what, sizeof(what) - 1) < 0 ||
		    strcmp(what, "anon_inode:bpf-map"))
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, name))
			return fd;
	}
	check(false, name);
	return -1;
}
