/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe_bpf.c: what the report says of edit, bypass and peername. BPF is a fake that does as the
 * programs do, or fails as they do; the connections are real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/probe_bpf.h"
#include "daemon/probe_pair.h"
#include "http/edit_bpf.h"
#include "http/xff.h"

static struct {
	int add, join;       /* -errno of the steps */
	bool no_edit;        /* edit_bpf_new() has no memory */
	ssize_t sends;       /* what edit_send() gives; 0: all of it */
	const char *arrives; /* instead of the edited request */
	bool sees_no_ends;   /* the sockops program did not see both ends */
	uint8_t unpaired;    /* or not: this errno */
	int fionread[2];     /* before and after the join; -1: it fails */
	bool loses;          /* bytes that were asked for by FIONREAD are not there */
	int name, outcome;   /* -errno of peername_set(), peername_outcome() */
	bool by_accept, by_name;
} fake;

static struct kedge_stats stats;
static struct kedge_note note;
static unsigned flows, joined, edits;
static struct http1_conf conf_seen;
static int redirects_left; /* messages that are redirected before it stops; -1: all */

static int fake_flow_add(struct kbpf *bpf, struct kbpf_flow *flow, int fd, unsigned worker,
			 const struct http1_conf *conf, bool bypass)
{
	assert_ptr_equal(bpf, &fake);
	assert_true(fd >= 0 && worker == 0 && bypass);
	if (fake.add)
		return fake.add;
	if (conf)
		conf_seen = *conf;
	flows++;
	flow->cookie = 7;
	note.unpaired = fake.unpaired;
	flow->note = &note;
	return 0;
}

static int fake_flow_join(struct kbpf *bpf, struct kbpf_flow *flow, int fd)
{
	assert_int_equal(flow->cookie, 7);
	if (!fake.join)
		joined++;
	return fake.join;
}

static bool fake_flow_paired(struct kbpf *bpf, const struct kbpf_flow *flow)
{
	return !fake.sees_no_ends;
}

static void fake_flow_del(struct kbpf *bpf, struct kbpf_flow *flow)
{
	if (flow->cookie)
		flows--;
	flow->cookie = 0;
}

static struct kedge_stats *fake_stats(struct kbpf *bpf, unsigned worker)
{
	assert_int_equal(worker, 0);
	return &stats;
}

static ssize_t edit_send_(struct edit *e, const void *buf, size_t len)
{
	const char *what = fake.arrives;
	char all[512];

	if (!what) {
		/* As the program: the client behind what the head has. */
		const char *line = memmem(buf, len, "198.51.100.1", 12);
		size_t before = (size_t)(line + 12 - (const char *)buf);

		assert_non_null(line);
		snprintf(all, sizeof(all), "%.*s, 192.0.2.1%.*s", (int)before, (const char *)buf,
			 (int)(len - before), line + 12);
		what = all;
	}
	assert_int_equal(send(e->fd, what, strlen(what), MSG_NOSIGNAL), strlen(what));
	return fake.sends ? fake.sends : (ssize_t)len;
}

static void edit_free_(struct edit *e)
{
	edits--;
	flows--; /* the flow's entries are the editor's */
	free(e);
}

static const struct edit_ops edit_ops = {.name = "fake", .send = edit_send_, .free = edit_free_};

static struct edit *fake_edit_new(int fd, struct kbpf *bpf, const struct kbpf_flow *flow,
				  struct kedge_stats *row, struct brief *brief)
{
	struct edit *e = fake.no_edit ? NULL : calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	assert_true(row != &stats); /* a probe counts nowhere */
	edits++;
	*e = (struct edit){.ops = &edit_ops, .fd = fd};
	return e;
}

static int fake_ioctl(int fd, unsigned long request, int *value)
{
	int says = fake.fionread[joined ? 1 : 0];

	assert_int_equal(request, FIONREAD);
	*value = says;
	return says < 0 ? -1 : 0;
}

/* Only a joined socket's bytes are redirected. */
static ssize_t fake_send(int fd, const void *bytes, size_t len, int flags)
{
	if (joined && redirects_left) {
		redirects_left--;
		if (len == 5)
			stats.steer_redirected++;
		else
			stats.steer_down_redirected++;
	}
	return send(fd, bytes, len, flags);
}

static ssize_t fake_recv(int fd, void *bytes, size_t len, int flags)
{
	ssize_t n = recv(fd, bytes, len, flags);

	return fake.loses && flags & MSG_DONTWAIT ? n - 1 : n;
}

static int fake_peername_set(struct peername *p, int fd, const union addr *client)
{
	assert_ptr_equal(p, &fake);
	assert_int_equal(client->in.sin_addr.s_addr, htonl(0xc0000201));
	return fake.name;
}

static int fake_outcome(struct peername *p, int fd)
{
	return fake.outcome;
}

static union addr client(void)
{
	return (union addr){.in = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0xc0000201),
				   .sin_port = htons(4711)}};
}

static int fake_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	const union addr shown = client();

	if (!fake.by_name)
		return getpeername(fd, addr, len);
	memcpy(addr, &shown, sizeof(shown.in));
	return 0;
}

static int fake_pair_open(struct probe_pair *p, const struct probe_pair_extra *extra)
{
	int err = probe_pair_open(p, extra);

	if (!err && extra->peer && fake.by_accept)
		*extra->peer = *extra->alias;
	return err;
}

#define kbpf_flow_add    fake_flow_add
#define kbpf_flow_join   fake_flow_join
#define kbpf_flow_paired fake_flow_paired
#define kbpf_flow_del    fake_flow_del
#define kbpf_stats       fake_stats
#define edit_bpf_new     fake_edit_new
#define ioctl            fake_ioctl
#define send             fake_send
#define recv             fake_recv
#define peername_set     fake_peername_set
#define peername_outcome fake_outcome
#define getpeername      fake_getpeername
#define probe_pair_open  fake_pair_open
#include "daemon/probe_bpf.c"
#undef send
#undef recv

static struct probe_report report;

static int setup(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	memset(&fake, 0, sizeof(fake));
	memset(&stats, 0, sizeof(stats));
	memset(&note, 0, sizeof(note));
	flows = joined = edits = 0;
	redirects_left = -1; /* all */
	fake.fionread[0] = fake.fionread[1] = 5;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(flows, 0);
	assert_int_equal(edits, 0);
	return 0;
}

static void check(size_t i, const char *name, bool ok, const char *detail, const char *next)
{
	const struct probe_row *row = &report.rows[i];

	assert_true(i < report.count);
	assert_string_equal(row->name, name);
	assert_string_equal(row->detail, detail);
	assert_int_equal(row->ok, ok);
	if (next)
		assert_non_null(row->next ? strstr(row->next, next) : NULL);
	else
		assert_null(row->next);
}

/* --- edit ------------------------------------------------------------------------------------- */

static void edit(void)
{
	probe_edit(&report, (struct kbpf *)&fake);
	assert_int_equal(report.count, 2);
	check(0, "sk_msg program", true, "verified and attached", NULL);
}

static void a_head_that_got_its_line(void **state)
{
	(void)state;
	edit();
	assert_true(report.edit);
	check(1, "injection", true, "a head on a loopback pair got its line", NULL);
	assert_int_equal(joined, 1);
	assert_non_null(memmem(&conf_seen, sizeof(conf_seen), "192.0.2.1", 9));
}

static void what_edit_can_fail_with(void **state)
{
	static const char plain[] =
		"GET / HTTP/1.1\r\nHost: probe\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";

	(void)state;
	fake.arrives = plain;
	edit();
	check(1, "injection", false, "the request arrived unedited or damaged (62 bytes)",
	      "report it");
	assert_false(report.edit);

	setup(state);
	fake.sends = -EPROTO;
	edit();
	check(1, "injection", false, "send gave -71", "report it");

	setup(state);
	fake.sends = 10;
	edit();
	check(1, "injection", false, "send gave 10", "report it");

	setup(state);
	fake.no_edit = true;
	edit();
	check(1, "injection", false, "out of memory", "report it");
	assert_false(report.edit);
}

static void edit_without_a_flow_or_a_join(void **state)
{
	(void)state;
	fake.add = -ENOSPC;
	edit();
	check(1, "injection", false,
	      "no loopback pair under BPF: its map is full (No space left on device)",
	      "connections-max");
	assert_false(report.edit);

	setup(state);
	fake.join = -EBUSY;
	edit();
	assert_non_null(strstr(report.rows[1].detail, "(Device or resource busy)"));
	assert_false(report.edit);
}

/* --- bypass ----------------------------------------------------------------------------------- */

static void bypass(void)
{
	probe_bypass(&report, (struct kbpf *)&fake);
}

static void bytes_that_go_past_tcp_both_ways(void **state)
{
	(void)state;
	bypass();
	assert_true(report.bypass);
	assert_int_equal(report.count, 4);
	check(0, "sockops program", true, "saw both ends of a connection", NULL);
	check(1, "FIONREAD, by TCP", true, "FIONREAD says 5 for 5 bytes", NULL);
	check(2, "redirect", true, "to the application ok, from it ok", NULL);
	check(3, "FIONREAD, redirected", true, "FIONREAD says 5 for 5 bytes", NULL);
}

static void one_way_is_no_bypass(void **state)
{
	(void)state;
	redirects_left = 1;
	bypass();
	assert_false(report.bypass);
	assert_int_equal(report.count, 3); /* redirected bytes cannot be asked for */
	check(2, "redirect", false, "to the application ok, from it failed", "loopback TCP");

	setup(state);
	redirects_left = 0; /* they arrive, by TCP */
	bypass();
	assert_false(report.bypass);
	check(2, "redirect", false, "to the application failed, from it failed", "loopback TCP");
}

/* Applications that ask may stall, which is no reason against one that was tried. */
static void a_fionread_that_lies_is_told(void **state)
{
	(void)state;
	fake.fionread[0] = -1;
	fake.fionread[1] = 0;
	bypass();
	assert_true(report.bypass);
	check(1, "FIONREAD, by TCP", false, "could not be asked", "may stall");
	check(3, "FIONREAD, redirected", false, "FIONREAD says 0 for 5 bytes", "may stall");

	setup(state);
	fake.loses = true;
	bypass();
	check(2, "FIONREAD, by TCP", false, "bytes were lost", NULL);
}

static void what_bypass_can_fail_with(void **state)
{
	(void)state;
	fake.add = -EMFILE;
	bypass();
	assert_int_equal(report.count, 1);
	check(0, "sockops program", false, "no loopback pair: Too many open files", NULL);

	setup(state);
	fake.unpaired = ENOSPC;
	bypass();
	assert_int_equal(report.count, 1);
	check(0, "sockops program", false, "its map is full (No space left on device)",
	      "connections-max");

	setup(state);
	fake.sees_no_ends = true;
	bypass();
	assert_int_equal(report.count, 1);
	check(0, "sockops program", false, "did not see both ends of a connection", "--cgroup");

	setup(state);
	fake.join = -ENOSPC;
	bypass();
	assert_int_equal(report.count, 3);
	check(2, "sockhash", false, "its map is full (No space left on device)", "connections-max");
	assert_false(report.bypass);
}

/* --- peername --------------------------------------------------------------------------------- */

static void both_ways_of_asking_show_the_client(void **state)
{
	for (int ways = 0; ways < 4; ways++) {
		char expected[128];

		setup(state);
		fake.by_accept = ways & 1;
		fake.by_name = ways & 2;
		probe_peername(&report, (struct peername *)&fake);
		assert_int_equal(report.peername, ways == 3);
		snprintf(expected, sizeof(expected),
			 "the client is shown by accept(): %s, by getpeername(): %s",
			 ways & 1 ? "yes" : "no", ways & 2 ? "yes" : "no");
		assert_int_equal(report.count, 1);
		check(0, "getpeername programs", ways == 3, expected,
		      ways == 3 ? NULL : "--app-cgroup or --cgroup");
	}
}

static void what_peername_can_fail_with(void **state)
{
	(void)state;
	fake.by_accept = fake.by_name = true;
	fake.name = -E2BIG;
	probe_peername(&report, (struct peername *)&fake);
	check(0, "getpeername programs", false, "no loopback pair: Argument list too long",
	      "--app-cgroup");
	assert_false(report.peername);

	setup(state);
	fake.by_accept = fake.by_name = true;
	fake.outcome = -ENXIO;
	probe_peername(&report, (struct peername *)&fake);
	check(0, "getpeername programs", false, "no loopback pair: No such device or address",
	      "--app-cgroup");
	assert_false(report.peername);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_head_that_got_its_line),      TEST(what_edit_can_fail_with),
		TEST(edit_without_a_flow_or_a_join), TEST(bytes_that_go_past_tcp_both_ways),
		TEST(one_way_is_no_bypass),          TEST(a_fionread_that_lies_is_told),
		TEST(what_bypass_can_fail_with),     TEST(both_ways_of_asking_show_the_client),
		TEST(what_peername_can_fail_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
