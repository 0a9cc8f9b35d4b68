/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics.c, metrics_text.c: the sums and the text; metrics_server.c: scrapers of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "metrics/counters.h"
#include "metrics/metrics_server.h"
#include "tests/lib/net.h"

#define WORKERS 2

static struct kedge_stats *rows[WORKERS];
static struct metrics *metrics;
static struct metrics_source source;

static int up(void **state)
{
	metrics = metrics_new(WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		rows[i] = aligned_alloc(64, sizeof(*rows[i]));
		memset(rows[i], 0, sizeof(*rows[i]));
	}
	source = (struct metrics_source){.rows = (const struct kedge_stats *const *)rows,
					 .rows_count = WORKERS,
					 .metrics = metrics,
					 .edit_kernel = true};
	return metrics ? 0 : -1;
}

static int down(void **state)
{
	metrics_free(metrics);
	for (int i = 0; i < WORKERS; i++)
		free(rows[i]);
	return 0;
}

static char *text(void)
{
	char *out = NULL;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	metrics_write(to, &source);
	fclose(to);
	return out;
}

static void has(const char *all, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(all, whole))
		fail_msg("no line '%s'", line);
}

static void every_counter_is_a_sum_with_help_and_type(void **state)
{
	char line[256], *all;

	for (size_t i = 0; i < counters_count; i++)
		for (int w = 0; w < WORKERS; w++)
			((uint64_t *)rows[w])[i] = 1000 * (uint64_t)w + i;
	for (int i = 1; i < KEDGE_REASON_COUNT; i++)
		((uint64_t *)&rows[1]->reasons)[i - 1] = (uint64_t)i;
	all = text();
	for (size_t i = 0; i < counters_count; i++) {
		snprintf(line, sizeof(line), "kedge_%s_total %zu", counters[i].name, 1000 + 2 * i);
		has(all, line);
		snprintf(line, sizeof(line), "# HELP kedge_%s_total %s", counters[i].name,
			 counters[i].text);
		has(all, line);
		snprintf(line, sizeof(line), "# TYPE kedge_%s_total counter", counters[i].name);
		has(all, line);
	}
	snprintf(line, sizeof(line), "kedge_ended_total{reason=\"http_host\"} %d",
		 KEDGE_REASON_http_host);
	has(all, line);
	has(all, "kedge_capability{capability=\"edit\"} 1");
	has(all, "kedge_capability{capability=\"bypass\"} 0");
	has(all, "kedge_capability{capability=\"guard\"} 0");
	has(all, "kedge_guard_stranger_total 0");
	has(all, "kedge_workers 2");
	free(all);
}

static void histograms_add_up_over_workers_and_buckets(void **state)
{
	char *all;

	histogram_take(&metrics_row(metrics, 0)->request, 20, 1);
	histogram_take(&metrics_row(metrics, 1)->request, 3000000, 2);
	histogram_take(&metrics_row(metrics, 1)->request, 100000000, 1);
	metrics_row(metrics, 1)->flows[2][1][0] = 7;
	all = text();
	has(all, "kedge_request_seconds_bucket{le=\"0.000032\"} 2");
	has(all, "kedge_request_seconds_bucket{le=\"2.097152\"} 2");
	has(all, "kedge_request_seconds_bucket{le=\"4.194304\"} 3");
	has(all, "kedge_request_seconds_bucket{le=\"+Inf\"} 4");
	has(all, "kedge_request_seconds_sum 103.000020");
	has(all, "kedge_request_seconds_count 4");
	has(all, "kedge_handshake_seconds_count 0");
	has(all, "kedge_flow_capabilities_total{record=\"kernel\",edit=\"kernel\",bypass=\"off\"} "
		 "7");
	free(all);
}

static void listeners_have_their_own_counts(void **state)
{
	struct metrics_listener *a = metrics_listener(metrics, "127.0.0.1:443", 0);
	struct metrics_listener *again = metrics_listener(metrics, "127.0.0.1:443", 1);
	struct metrics_listener *odd = metrics_listener(metrics, "unix:/a\"b\\c\n", 0);
	char *all;

	assert_non_null(a);
	assert_ptr_equal(a, metrics_listener(metrics, "127.0.0.1:443", 0));
	a->accepted = 5;
	again->accepted = 6;
	a->closed = 3;
	a->flows = 2;
	odd->closed = 1; /* read before its accept: never below zero */
	all = text();
	has(all, "kedge_listener_accepted_total{listener=\"127.0.0.1:443\"} 11");
	has(all, "kedge_listener_connections_open{listener=\"127.0.0.1:443\"} 8");
	has(all, "kedge_listener_flows_total{listener=\"127.0.0.1:443\"} 2");
	has(all, "kedge_listener_connections_open{listener=\"unix:/a\\\"b\\\\c?\"} 0");
	free(all);
}

/* --- the server ------------------------------------------------------------------------------- */

static struct metrics_server *server;
static uint16_t port;
static pthread_t test_thread;
static unsigned ends, refusals; /* what the server met; atomic */

static int serve(void **state)
{
	union addr addr = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)}};

	up(state);
	test_thread = pthread_self();
	ends = refusals = 0;
	assert_int_equal(metrics_server_open(&server, &addr), 0);
	port = metrics_server_port(server);
	return metrics_server_start(server, &source);
}

static int unserve(void **state)
{
	metrics_server_close(server);
	return down(state);
}

/* Everything until the end, terminated, to be freed. */
static char *read_all(int fd)
{
	char *all = calloc(1, 1 << 20);
	size_t n = 0;
	ssize_t r;

	do {
		assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
		r = recv(fd, all + n, (1 << 20) - 1 - n, 0);
		n += r > 0 ? (size_t)r : 0;
	} while (r > 0);
	all[n] = '\0';
	return all;
}

static char *ask(const char *request)
{
	int fd = net_connect(port);
	char *all;

	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	all = read_all(fd);
	close(fd);
	return all;
}

static void check(const char *request, const char *begin)
{
	char *all = ask(request);

	if (strncmp(all, begin, strlen(begin)) != 0)
		fail_msg("%s instead of %s to %s", all, begin, request);
	free(all);
}

static void only_get_metrics_is_answered_with_them(void **state)
{
	char *all = ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	char *body = strstr(all, "\r\n\r\n");
	unsigned long length;

	assert_non_null(body);
	body += 4;
	assert_true(strstr(all, "text/plain; version=0.0.4") < body);
	assert_int_equal(sscanf(strstr(all, "Content-Length: "), "Content-Length: %lu", &length),
			 1);
	assert_int_equal(strlen(body), length);
	has(body, "kedge_workers 2");
	assert_int_equal(body[length - 1], '\n');
	free(all);
	check("GET /metrics?x HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ");
	check("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ");
	check("GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ");
	check("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 ");
	check("HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ");
	check("\r\n\r\n", "HTTP/1.1 405 ");
}

/* Monitors ask so whether it is there. */
static void head_has_the_head_alone(void **state)
{
	char *all = ask("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	unsigned long length;

	(void)state;
	assert_int_equal(strncmp(all, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_int_equal(sscanf(strstr(all, "Content-Length: "), "Content-Length: %lu", &length),
			 1);
	assert_true(length > 0);
	assert_string_equal(strstr(all, "\r\n\r\n"), "\r\n\r\n");
	free(all);
	all = ask("HEAD /other HTTP/1.1\r\n\r\n");
	assert_int_equal(strncmp(all, "HTTP/1.1 404 ", 13), 0);
	assert_string_equal(strstr(all, "\r\n\r\n"), "\r\n\r\n");
	free(all);
}

static void a_head_without_end_is_not_waited_for(void **state)
{
	char head[8192];
	int fd = net_connect(port);
	char *all;

	memset(head, 'a', sizeof(head));
	send(fd, head, sizeof(head), MSG_NOSIGNAL);
	all = read_all(fd); /* the end, before its time is over */
	assert_string_equal(all, "");
	free(all);
	close(fd);
}

/* More than are held at a time: each newer one ends the oldest, and none of them is in the way. */
static void silent_scrapers_are_in_nobodys_way(void **state)
{
	int silent[100];

	for (int i = 0; i < 100; i++)
		silent[i] = net_connect(port);
	check("GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ");
	free(read_all(silent[0]));
	assert_false(net_wait(silent[99], POLLIN, NET_QUIET_MS));
	for (int i = 0; i < 100; i++)
		close(silent[i]);
	check("GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ");
}

/* Asks in single bytes and reads late; the others do not wait. */
static void slow_scrapers_get_all_of_it(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\n\r\n";
	int slow = net_connect(port), size = 1024;
	char *all;

	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (size_t i = 0; i < sizeof(request) - 1; i++)
		assert_int_equal(send(slow, request + i, 1, MSG_NOSIGNAL), 1);
	check("GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ");
	all = read_all(slow);
	assert_non_null(strstr(all, "kedge_request_seconds_count"));
	free(all);
	close(slow);
}

/* --- the server's system calls, counted ------------------------------------------------------- */

static int refuse_with; /* atomic; what accept4(2) fails with, 0: it does not */

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = recvfrom(fd, buf, len, flags, NULL, NULL);

	if (n == 0 && !pthread_equal(pthread_self(), test_thread))
		__atomic_add_fetch(&ends, 1, __ATOMIC_SEQ_CST);
	if (n >= 0)
		errno = EAGAIN; /* what an earlier call has left there */
	return n;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int err = __atomic_load_n(&refuse_with, __ATOMIC_SEQ_CST);

	if (!err || pthread_equal(pthread_self(), test_thread))
		return (int)syscall(SYS_accept4, fd, addr, len, flags);
	__atomic_add_fetch(&refusals, 1, __ATOMIC_SEQ_CST);
	errno = err;
	return -1;
}

static unsigned ends_seen(void)
{
	return __atomic_load_n(&ends, __ATOMIC_SEQ_CST);
}

static void the_end_of_a_scraper_is_seen_once(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		check("GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ");
	/* The last one's end may be on its way. */
	while (ends_seen() < 4)
		assert_true(poll(NULL, 0, 1) == 0);
	assert_in_range(ends_seen(), 4, 5);
}

/* Out of descriptors nobody is accepted; a loop that tries at once again would spin. */
static void what_can_not_be_accepted_waits(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
	uint64_t begin = net_now_ms();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		unsigned before = __atomic_load_n(&refusals, __ATOMIC_SEQ_CST);
		int fd;

		__atomic_store_n(&refuse_with, errors[i], __ATOMIC_SEQ_CST);
		fd = net_connect(port);
		while (__atomic_load_n(&refusals, __ATOMIC_SEQ_CST) < before + 2)
			assert_true(poll(NULL, 0, 1) == 0);
		__atomic_store_n(&refuse_with, 0, __ATOMIC_SEQ_CST);
		check("GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ");
		close(fd);
	}
	/* Two tries each, and a pause after both. */
	assert_true(net_now_ms() - begin >= 4 * 200);
}

static void an_address_in_use_is_an_error(void **state)
{
	union addr addr = {.in = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(0x7f000001),
				  .sin_port = htons(port)}};
	struct metrics_server *other = NULL;

	assert_int_equal(metrics_server_open(&other, &addr), -EADDRINUSE);
	assert_null(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_counter_is_a_sum_with_help_and_type, up,
						down),
		cmocka_unit_test_setup_teardown(histograms_add_up_over_workers_and_buckets, up,
						down),
		cmocka_unit_test_setup_teardown(listeners_have_their_own_counts, up, down),
		cmocka_unit_test_setup_teardown(only_get_metrics_is_answered_with_them, serve,
						unserve),
		cmocka_unit_test_setup_teardown(a_head_without_end_is_not_waited_for, serve,
						unserve),
		cmocka_unit_test_setup_teardown(silent_scrapers_are_in_nobodys_way, serve, unserve),
		cmocka_unit_test_setup_teardown(head_has_the_head_alone, serve, unserve),
		cmocka_unit_test_setup_teardown(the_end_of_a_scraper_is_seen_once, serve, unserve),
		cmocka_unit_test_setup_teardown(what_can_not_be_accepted_waits, serve, unserve),
		cmocka_unit_test_setup_teardown(slow_scrapers_get_all_of_it, serve, unserve),
		cmocka_unit_test_setup_teardown(an_address_in_use_is_an_error, serve, unserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
