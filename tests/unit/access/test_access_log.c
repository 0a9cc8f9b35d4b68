/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access_log.c with access.c and access_sink.c: from requests and responses to lines in a file;
 * sinks that are slow, fail or are moved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/access.h"
#include "tests/lib/net.h"

static char dir[] = "/tmp/kedge-access-XXXXXX", path[64], moved[64];
static struct kedge_stats *rows[2];
static struct access_log *log_;
static uint64_t now_us = 5000000;

static int up(void **state)
{
	for (int i = 0; i < 2; i++) {
		rows[i] = aligned_alloc(64, sizeof(*rows[i]));
		memset(rows[i], 0, sizeof(*rows[i]));
	}
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	return 0;
}

static int down(void **state)
{
	for (int i = 0; i < 2; i++)
		free(rows[i]);
	unlink(path);
	unlink(moved);
	return rmdir(dir);
}

/* The caller's text of the target ends with the start, as a reload ends it. */
static void begin(const char *target, enum access_format format)
{
	char *text = strdup(target);

	assert_non_null(text);
	memset(rows[0], 0, sizeof(*rows[0]));
	memset(rows[1], 0, sizeof(*rows[1]));
	assert_int_equal(access_log_open(&log_, text, format, 2), 0);
	free(text);
	assert_int_equal(access_log_start(log_, rows), 0);
}

static uint64_t lines(void)
{
	return __atomic_load_n(&rows[0]->access_lines, __ATOMIC_RELAXED) +
	       __atomic_load_n(&rows[1]->access_lines, __ATOMIC_RELAXED);
}

static uint64_t dropped(void)
{
	return __atomic_load_n(&rows[0]->access_dropped, __ATOMIC_RELAXED) +
	       __atomic_load_n(&rows[1]->access_dropped, __ATOMIC_RELAXED);
}

static void until_lines(uint64_t n)
{
	uint64_t deadline = net_now_ms() + NET_PATIENCE_MS;

	while (lines() < n && net_now_ms() < deadline)
		poll(NULL, 0, 2);
	assert_int_equal(lines(), n);
}

/* The content of a file, terminated. The caller frees it. */
static char *content(const char *name)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
	fclose(f);
	return text;
}

/* The "request" status bytes of each line, one a line. */
static char *short_content(const char *name)
{
	char *all = content(name), *out = calloc(1, 1 << 20), *to = out;

	for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
		char *from = strchr(line, '"');
		char *end = strstr(line, " 0.");

		assert_true(from && end && from < end);
		to += sprintf(to, "%.*s\n", (int)(end - from), from);
	}
	free(all);
	return out;
}

static struct access_flow *flow(unsigned worker)
{
	static const union addr client = {
		.in = {.sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f, .sin_port = 0x3412}};
	const struct access_facts facts = {.listener = "127.0.0.1:443", .client = &client};
	struct access_flow *a = access_flow_new(log_, worker, &facts, &now_us);

	assert_non_null(a);
	return a;
}

static void request(struct access_flow *a, const char *head)
{
	access_request(a, head, strlen(head));
}

static void an_id_goes_with_its_lines(void **state)
{
	static const union addr client = {.family = AF_UNSPEC};
	const struct access_facts facts = {.listener = "127.0.0.1:443",
					   .client = &client,
					   .id = "00ff",
					   .id_len = 4,
					   .sni = "s"};
	struct access_flow *a;
	char *text;

	begin(path, ACCESS_FORMAT_JSON);
	a = access_flow_new(log_, 0, &facts, &now_us);
	assert_non_null(a);
	request(a, "GET /1 HTTP/1.1\r\nHost: h\r\nX-Request-Id: i\r\nUser-Agent: u\r\n\r\n");
	access_response(a, 200, 10, 1);
	access_flow_end(a);
	access_log_close(log_);
	text = content(path);
	assert_non_null(strstr(text, "\"listener\":\"127.0.0.1:443\""));
	assert_non_null(strstr(text, "\"user_agent\":\"u\",\"host\":\"h\",\"sni\":\"s\","
				     "\"request_id\":\"i\",\"unique_id\":\"00ff\"}\n"));
	free(text);
	unlink(path);
}

static void responses_go_to_requests_in_order(void **state)
{
	struct access_flow *a, *b;
	char *text;

	begin(path, ACCESS_FORMAT_COMMON);
	a = flow(0);
	b = flow(1);
	request(a, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
	request(a, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	access_response(a, 200, 10, 1);
	request(a, "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
	access_response(a, 404, 20, 1);
	access_response(a, 304, 0, 1);
	access_response(a, 408, 0, 1); /* nobody asked */
	until_lines(3);
	access_flow_end(a);
	/* kedge's own answer, and requests that the end meets: one
	 * while its response is under way. */
	request(b, "GET /4 HTTP/1.1\r\n\r\n");
	access_reason(b, KEDGE_REASON_app_gone);
	access_own(b, 502, 63);
	request(b, "GET /5 HTTP/1.1\r\n\r\n");
	request(b, "GET /6");
	access_cut(b, 200, 7);
	access_flow_end(b);
	b = flow(1);
	access_own(b, 502, 63); /* of a request that was not read */
	access_flow_end(b);
	access_flow_end(NULL);
	access_log_close(log_);
	text = short_content(path);
	assert_string_equal(text, "\"GET /1 HTTP/1.1\" 200 10\n"
				  "\"GET /2 HTTP/1.1\" 404 20\n"
				  "\"GET /3 HTTP/1.1\" 304 0\n"
				  "\"GET /4 HTTP/1.1\" 502 63\n"
				  "\"GET /5 HTTP/1.1\" 200 7\n"
				  "\"GET /6\" - 0\n"
				  "\"-\" 502 63\n");
	free(text);
	unlink(path);
	assert_int_equal(lines(), 7);
	assert_int_equal(dropped(), 0);
}

static void one_line(const char *target)
{
	struct access_flow *a = flow(0);

	request(a, target);
	access_response(a, 200, 1, 1);
	access_flow_end(a);
}

static void a_moved_file_is_left_when_asked(void **state)
{
	char *text;

	begin(path, ACCESS_FORMAT_COMMON);
	one_line("GET /old HTTP/1.1");
	until_lines(1);
	assert_int_equal(rename(path, moved), 0);
	one_line("GET /still HTTP/1.1");
	until_lines(2);
	access_log_reopen(log_);
	for (uint64_t until = net_now_ms() + NET_PATIENCE_MS;
	     access(path, F_OK) < 0 && net_now_ms() < until;)
		poll(NULL, 0, 2);
	one_line("GET /new HTTP/1.1");
	access_log_close(log_);
	text = short_content(moved);
	assert_string_equal(text, "\"GET /old HTTP/1.1\" 200 1\n\"GET /still HTTP/1.1\" 200 1\n");
	free(text);
	text = short_content(path);
	assert_string_equal(text, "\"GET /new HTTP/1.1\" 200 1\n");
	free(text);
	unlink(path);
	unlink(moved);
}

/* The old file stays in use if the new one cannot be opened. */
static void a_failed_reopen_changes_nothing(void **state)
{
	char *text;

	begin(path, ACCESS_FORMAT_COMMON);
	one_line("GET /1 HTTP/1.1");
	until_lines(1);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	access_log_reopen(log_);
	one_line("GET /2 HTTP/1.1");
	until_lines(2);
	access_log_close(log_);
	text = short_content(moved);
	assert_string_equal(text, "\"GET /1 HTTP/1.1\" 200 1\n\"GET /2 HTTP/1.1\" 200 1\n");
	free(text);
	rmdir(path);
	unlink(moved);
}

#define MANY 40000

/* Without a reader: workers do not wait, lost lines are counted, closing does not hang. */
static void a_stuck_sink_costs_lines_only(void **state)
{
	uint64_t begun;
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	begin(path, ACCESS_FORMAT_JSON);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	begun = net_now_ms();
	for (int i = 0; i < MANY; i++)
		one_line("GET /a HTTP/1.1");
	assert_true(net_now_ms() - begun < NET_PATIENCE_MS);
	assert_true(dropped() > MANY / 2);
	begun = net_now_ms();
	access_log_close(log_);
	assert_true(net_now_ms() - begun < NET_PATIENCE_MS);
	assert_true(lines() > 0);
	assert_int_equal(lines() + dropped(), MANY);
	close(fd);
	unlink(path);
}

/* A late reader gets all lines that pipe and ring hold, whole. */
static void a_slow_sink_loses_nothing_that_fits(void **state)
{
	char line[1024];
	uint64_t n = 0;
	FILE *from;

	assert_int_equal(mkfifo(path, 0600), 0);
	begin(path, ACCESS_FORMAT_JSON);
	for (int i = 0; i < 2000; i++)
		one_line("GET /a HTTP/1.1");
	from = fopen(path, "r");
	assert_non_null(from);
	while (n < 2000 && fgets(line, sizeof(line), from)) {
		assert_int_equal(line[0], '{');
		assert_string_equal(line + strlen(line) - 2, "}\n");
		n++;
	}
	assert_int_equal(n, 2000);
	until_lines(2000);
	assert_int_equal(dropped(), 0);
	access_log_close(log_);
	fclose(from);
	unlink(path);
}

static void a_failing_sink_is_counted(void **state)
{
	uint64_t deadline = net_now_ms() + NET_PATIENCE_MS;

	begin("/dev/full", ACCESS_FORMAT_COMMON);
	one_line("GET /1 HTTP/1.1");
	one_line("GET /2 HTTP/1.1");
	while (dropped() < 2 && net_now_ms() < deadline)
		poll(NULL, 0, 2);
	assert_int_equal(dropped(), 2);
	assert_int_equal(lines(), 0);
	access_log_close(log_);
}

static void what_cannot_be_opened_is_an_error(void **state)
{
	struct access_log *log = NULL;

	assert_int_equal(access_log_open(&log, "/no/such/dir/log", ACCESS_FORMAT_JSON, 1), -ENOENT);
	assert_null(log);
	access_log_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses_go_to_requests_in_order),
		cmocka_unit_test(an_id_goes_with_its_lines),
		cmocka_unit_test(a_moved_file_is_left_when_asked),
		cmocka_unit_test(a_failed_reopen_changes_nothing),
		cmocka_unit_test(a_stuck_sink_costs_lines_only),
		cmocka_unit_test(a_slow_sink_loses_nothing_that_fits),
		cmocka_unit_test(a_failing_sink_is_counted),
		cmocka_unit_test(what_cannot_be_opened_is_an_error),
	};

	return cmocka_run_group_tests(tests, up, down);
}
