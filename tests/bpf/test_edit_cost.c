/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of an edit in the kernel: the run time of kdg_request by the kernel's accounting, for
 * heads of several sizes. The figures are printed. The bound that is checked is generous, since the
 * machine may be busy or emulated.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "both.h"

#define ROUNDS_MAX  4000
#define BLOCKS      20
/* An emulated machine takes about 40 times as long as the slowest real one that was seen. */
#define HEAD_NS_MAX 400000

static struct http1_conf conf;
static int program = -1;

/* The program that kbpf_open() loaded: the newest of its name. */
static int program_open(const char *name)
{
	uint32_t id = 0;
	int found = -1;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &len) || strcmp(info.name, name)) {
			close(fd);
			continue;
		}
		if (found >= 0)
			close(found);
		found = fd;
	}
	return found;
}

static int setup(void **state)
{
	int err;

	conf_make(&conf, HTTP1_XFF_APPEND, 0);
	err = both_setup(state);
	program = program_open("kdg_request");
	return err ? err : program < 0;
}

static int teardown(void **state)
{
	close(program);
	return both_teardown(state);
}

static void run_time(uint64_t *ns, uint64_t *runs)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &len), 0);
	*ns = info.run_time_ns;
	*runs = info.run_cnt;
}

static unsigned rounds(void)
{
	const char *text = getenv("KEDGE_COST_ROUNDS");
	unsigned n = text ? (unsigned)atoi(text) : 400;

	return n < ROUNDS_MAX ? n : ROUNDS_MAX;
}

/* A head of `bytes` bytes. Lines are about as long as those of browsers, longer in long heads. */
static char *head_make(size_t bytes)
{
	int line = bytes < 5000 ? 55 : 200;
	char *head = calloc(1, bytes + 1);
	size_t n =
		(size_t)sprintf(head, "GET /articles/2026/kernel HTTP/1.1\r\nHost: a.example\r\n");

	assert_non_null(head);
	while (n + 2 * (size_t)line < bytes)
		n += (size_t)sprintf(head + n, "Accept-Thing: %0*d\r\n", line - 16, 1);
	sprintf(head + n, "A: %0*d\r\n\r\n", (int)(bytes - n - 7), 1);
	return head;
}

static void exchange(struct leg *l, const char *p, size_t n)
{
	assert_int_equal(edit_send(l->edit, p, n), (ssize_t)n);
	assert_true(leg_drain(l));
	l->got.len = 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Median over blocks of the program's nanoseconds a message. */
static double cost(struct leg *l, const char *p, size_t n)
{
	double each[BLOCKS];
	uint64_t ns[2], runs[2];

	for (unsigned i = 0; i < 50; i++)
		exchange(l, p, n);
	for (unsigned b = 0; b < BLOCKS; b++) {
		run_time(&ns[0], &runs[0]);
		for (unsigned i = 0; i < rounds() / BLOCKS; i++)
			exchange(l, p, n);
		run_time(&ns[1], &runs[1]);
		assert_int_equal(runs[1] - runs[0], rounds() / BLOCKS);
		each[b] = (double)(ns[1] - ns[0]) / (double)(runs[1] - runs[0]);
	}
	qsort(each, BLOCKS, sizeof(*each), compare);
	return each[BLOCKS / 2];
}

/* The fixed cost of a message, with the two clock readings around the program. */
static double cost_unread(const struct leg_opts *o)
{
	static const char upgrade[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
				      "Upgrade: websocket\r\n\r\n";
	struct leg l;
	double ns;

	leg_open(&l, o);
	assert_int_equal(leg_feed(&l, upgrade, strlen(upgrade), NULL, 0, 1).upgrades, 1);
	ns = cost(&l, upgrade, strlen(upgrade));
	leg_close(&l);
	return ns;
}

static void heads(void **state)
{
	static const size_t sizes[] = {68, 300, 1000, 4000, 16000};
	struct leg_opts o = {.bpf = both_bpf, .conf = &conf, .bypass = both_bypass};
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	double unread, ns;
	struct leg l;

	(void)state;
	assert_true(stats >= 0);
	unread = cost_unread(&o);
	printf("measured kdg_request: message of a tunnel: %.0f ns\n", unread);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *head = head_make(sizes[i]);
		size_t n = strlen(head);

		leg_open(&l, &o);
		ns = cost(&l, head, n);
		printf("measured kdg_request: head of %zu bytes: %.0f ns, %.2f ns a byte\n", n, ns,
		       ns / (double)n);
		assert_true(ns > 0 && ns < HEAD_NS_MAX * (1 + (double)n / 1000));
		leg_close(&l);
		free(head);
	}
	close(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads),
	};

	need_root();
	return cmocka_run_group_tests(tests, setup, teardown);
}
