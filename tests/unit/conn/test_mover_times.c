/* SPDX-License-Identifier: BSD-2-Clause */
/* mover.c's clock: what is taken for the time of a request, and what the access log is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/access.h"
#include "tests/lib/rig.h"

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define SEEN "GET / HTTP/1.1\r\nHost: a\r\n" RIG_XFF "\r\n"

static struct rig r;

static int up(void **state)
{
	rig_up(&r, 16384, 0);
	r.now_us = 1000000;
	return 0;
}

static int down(void **state)
{
	rig_down(&r);
	return 0;
}

static void later(uint64_t us)
{
	r.now_us += us;
}

static void client_says(const char *text, const char *app_hears)
{
	rig_say(&r, r.client, text);
	rig_hear(&r, r.app, app_hears);
}

static void app_says(const char *text)
{
	rig_say(&r, r.app, text);
	rig_hear(&r, r.client, text);
}

/* So many in all, of which so many took up to `us`. */
static void check(const struct histogram *h, uint64_t count, uint64_t us, uint64_t of_these)
{
	assert_int_equal(histogram_count(h), count);
	assert_int_equal(h->count[histogram_bucket(us)], of_these);
}

static void the_clock_runs_from_the_head_to_the_end(void **state)
{
	client_says("GET / HTTP/1.1\r\nHos", "GET / HTTP/1.1\r\nHos");
	later(500000); /* a slow head is not the application's doing */
	client_says("t: a\r\n\r\n", "t: a\r\n" RIG_XFF "\r\n");
	later(1000);
	app_says("HTTP/1.1 100 Continue\r\n\r\n");
	check(&r.metrics.first_byte, 0, 0, 0);
	later(3000);
	app_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
	check(&r.metrics.first_byte, 1, 4000, 1);
	check(&r.metrics.request, 0, 0, 0);
	later(16000);
	app_says("cd");
	check(&r.metrics.first_byte, 1, 4000, 1);
	check(&r.metrics.request, 1, 20000, 1);
	assert_int_equal(r.metrics.request.sum_us, 20000);
	later(9000000); /* idle */
	client_says(GET, SEEN);
	later(100);
	app_says("HTTP/1.1 204 No\r\n\r\n");
	check(&r.metrics.first_byte, 2, 100, 1);
	check(&r.metrics.request, 2, 100, 1);
}

static void a_pipelined_request_begins_with_the_end_before_it(void **state)
{
	client_says(GET GET GET, SEEN SEEN SEEN);
	later(1000);
	app_says("HTTP/1.1 204 1\r\n\r\n");
	later(8000);
	app_says("HTTP/1.1 204 2\r\n\r\nHTTP/1.1 204 3\r\n\r\n");
	check(&r.metrics.request, 3, 1000, 1);
	check(&r.metrics.request, 3, 8000, 1);
	check(&r.metrics.request, 3, 0, 1);
	assert_int_equal(r.metrics.request.sum_us, 9000);
	assert_int_equal(r.metrics.first_byte.sum_us, 9000);
	assert_int_equal(r.f.request_us, 0);
}

static void a_response_without_length_ends_with_the_stream(void **state)
{
	client_says(GET, SEEN);
	later(1000);
	app_says("HTTP/1.1 200 OK\r\n\r\n");
	later(1000000);
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	check(&r.metrics.request, 1, 1001000, 1);
}

/* A response that is cut short has begun. It has no end whose time could be taken. */
static void a_response_that_is_cut_short_has_no_time(void **state)
{
	client_says(GET, SEEN);
	later(1000);
	app_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	check(&r.metrics.first_byte, 1, 1000, 1);
	check(&r.metrics.request, 0, 0, 0);
}

static void what_nobody_asked_for_has_no_time(void **state)
{
	rig_say(&r, r.app, "HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n");
	rig_settle(&r);
	check(&r.metrics.first_byte, 0, 0, 0);
	check(&r.metrics.request, 0, 0, 0);
}

/* --- the access log --------------------------------------------------------------------------- */

static char path[] = "/tmp/kedge-times-XXXXXX";
static struct kedge_stats *row;
static struct access_log *access_log;

static int up_logged(void **state)
{
	const union addr client = {.in = {.sin_family = AF_INET}};
	const struct access_facts facts = {.listener = "l", .client = &client};
	int fd = mkstemp(path);

	up(state);
	close(fd);
	row = aligned_alloc(64, sizeof(*row));
	memset(row, 0, sizeof(*row));
	if (access_log_open(&access_log, path, ACCESS_FORMAT_COMMON, 1) < 0 ||
	    access_log_start(access_log, &row) < 0)
		return -1;
	r.f.access = access_flow_new(access_log, 0, &facts, &r.now_us);
	return 0;
}

/* Ends the log; " STATUS BYTES SECONDS" of each line must be these. */
static void logged_are(const char *want)
{
	char line[512], got[512] = "";
	FILE *f;

	access_flow_end(r.f.access);
	access_log_close(access_log);
	f = fopen(path, "r");
	while (fgets(line, sizeof(line), f)) {
		char *from = strrchr(line, '"') + 1;

		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s\n",
			 (int)(strstr(from, " - ") - from), from);
	}
	fclose(f);
	assert_string_equal(got, want);
}

static int down_logged(void **state)
{
	unlink(path);
	strcpy(strrchr(path, '-') + 1, "XXXXXX");
	free(row);
	return down(state);
}

static void request(const char *line)
{
	access_request(r.f.access, line, strlen(line));
}

/* The rig's editor is not watched: requests are told by hand. */
static void each_response_of_a_read_is_logged_by_itself(void **state)
{
	request("GET /1");
	request("GET /2");
	request("GET /3");
	request("GET /4");
	client_says(GET GET GET GET, SEEN SEEN SEEN SEEN);
	later(1000);
	app_says("HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
		 "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n");
	later(2000);
	app_says("10\r\n0123456789abcdef\r\n0\r\n\r\nHTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n"
		 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
	later(500);
	app_says("cde");
	logged_are(" 200 3 0.001000\n 404 18 0.002000\n 304 0 0.000000\n 200 5 0.000500\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_clock_runs_from_the_head_to_the_end, up, down),
		cmocka_unit_test_setup_teardown(a_pipelined_request_begins_with_the_end_before_it,
						up, down),
		cmocka_unit_test_setup_teardown(a_response_without_length_ends_with_the_stream, up,
						down),
		cmocka_unit_test_setup_teardown(a_response_that_is_cut_short_has_no_time, up, down),
		cmocka_unit_test_setup_teardown(what_nobody_asked_for_has_no_time, up, down),
		cmocka_unit_test_setup_teardown(each_response_of_a_read_is_logged_by_itself,
						up_logged, down_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
