/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_answer.c: status, head and body by the first line of a request, whatever it is. */
#include "metrics_rig.h"

#include "metrics/metrics_answer.h"
#include "tests/lib/guard.h"

static char *answer_to(const char *request, size_t len)
{
	size_t got = 0;
	char *all = metrics_answer(&got, request, len, &numbers), *text = calloc(1, got + 1);

	assert_true(all && text);
	memcpy(text, all, got);
	assert_int_equal(strlen(text), got);
	free(all);
	return text;
}

/* The body of an answer whose head says how long it is and that nothing follows it. */
static const char *body_of(const char *all)
{
	const char *body = strstr(all, "\r\n\r\n"), *length = strstr(all, "\r\nContent-Length: ");

	assert_true(body && length && length < body);
	assert_true(strstr(all, "\r\nConnection: close\r\n") < body);
	assert_non_null(strstr(all, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8"));
	assert_int_equal(strtoul(length + 18, NULL, 10), strlen(body + 4));
	return body + 4;
}

static void check(const char *request, const char *status, const char *body)
{
	char *all = answer_to(request, strlen(request)), begin[64];

	snprintf(begin, sizeof(begin), "HTTP/1.1 %s\r\n", status);
	if (strncmp(all, begin, strlen(begin)) != 0)
		fail_msg("%s instead of %s to %s", all, status, request);
	assert_string_equal(body_of(all), body);
	free(all);
}

static void get_metrics_is_answered_with_them(void **state)
{
	static const char *const requests[] = {
		"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "GET /metrics HTTP/1.0\r\n\r\n",
		"GET /metrics?x HTTP/1.1\r\n\r\n", "GET /metrics? HTTP/1.1\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		char *all = answer_to(requests[i], strlen(requests[i]));
		const char *body;

		assert_int_equal(strncmp(all, "HTTP/1.1 200 OK\r\n", 17), 0);
		body = body_of(all);
		has(body, "kedge_workers 2");
		assert_int_equal(body[strlen(body) - 1], '\n');
		free(all);
	}
}

static void other_paths_and_methods_are_told_what_there_is(void **state)
{
	static const char *const nowhere[] = {
		"GET / HTTP/1.1\r\n\r\n",         "GET /metricsx HTTP/1.1\r\n\r\n",
		"GET /metrics/ HTTP/1.1\r\n\r\n", "GET /METRICS HTTP/1.1\r\n\r\n",
		"GET  /metrics HTTP/1.1\r\n\r\n", "GET http://a/metrics HTTP/1.1\r\n\r\n",
		"GET /metrics\r\n\r\n", /* HTTP/0.9 */
	};
	static const char *const methods[] = {
		"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
		"get /metrics HTTP/1.1\r\n\r\n",
		"GETS /metrics HTTP/1.1\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\n\r\n",
		"\r\n\r\n",
		" GET /metrics HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\x05\r\n\r\n", /* TLS */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		check(nowhere[i], "404 Not Found", "here are /metrics, /ready and /live\n");
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		check(methods[i], "405 Method Not Allowed\r\nAllow: GET, HEAD",
		      "only GET and HEAD are answered here\n");
}

/* For kubelets and balancers. It lives until it has ended. */
static void it_is_ready_until_it_is_told_to_stop(void **state)
{
	bool stopping = false;

	(void)state;
	check("GET /ready HTTP/1.1\r\n\r\n", "200 OK", "ready\n"); /* no word of it */
	numbers.stopping = &stopping;
	check("GET /ready HTTP/1.1\r\n\r\n", "200 OK", "ready\n");
	check("GET /live?x HTTP/1.0\r\n\r\n", "200 OK", "live\n");
	stopping = true;
	check("GET /ready?x HTTP/1.0\r\n\r\n", "503 Service Unavailable", "shutting down\n");
	check("GET /live HTTP/1.1\r\n\r\n", "200 OK", "live\n");
	check("GET /readyz HTTP/1.1\r\n\r\n", "404 Not Found",
	      "here are /metrics, /ready and /live\n");
}

/* Monitors ask so whether it is there. */
static void head_has_the_head_alone(void **state)
{
	static const char *const requests[] = {
		"HEAD /metrics HTTP/1.1\r\n\r\n", "HEAD /other HTTP/1.1\r\n\r\n",
		"HEAD /ready HTTP/1.1\r\n\r\n", "HEAD /live HTTP/1.1\r\n\r\n"};
	static const char *const status[] = {"HTTP/1.1 200 ", "HTTP/1.1 404 ", "HTTP/1.1 200 ",
					     "HTTP/1.1 200 "};

	(void)state;
	for (int i = 0; i < 4; i++) {
		char *all = answer_to(requests[i], strlen(requests[i]));
		const char *length = strstr(all, "\r\nContent-Length: ");

		assert_int_equal(strncmp(all, status[i], 13), 0);
		assert_non_null(length);
		assert_true(strtoul(length + 18, NULL, 10) > 0); /* that of the body to GET */
		assert_string_equal(strstr(all, "\r\n\r\n"), "\r\n\r\n");
		free(all);
	}
}

/* No byte behind the request is read, however short it is. */
static void nothing_behind_the_request_is_read(void **state)
{
	static const char *const requests[] = {"GET /metrics HTTP/1.1\r\n\r\n",
					       "HEAD /metrics HTTP/1.1\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t len = 0; len <= strlen(requests[i]); len++) {
			struct guard g;
			char *all;

			guard_new(&g, requests[i], len, GUARD_AFTER);
			all = answer_to((const char *)g.data, len);
			/* The path is known once a byte follows it. */
			assert_int_equal(!strncmp(all, "HTTP/1.1 200 ", 13),
					 len > strlen(i ? "HEAD /metrics" : "GET /metrics"));
			free(all);
			guard_free(&g);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(get_metrics_is_answered_with_them, up, down),
		cmocka_unit_test_setup_teardown(it_is_ready_until_it_is_told_to_stop, up, down),
		cmocka_unit_test_setup_teardown(other_paths_and_methods_are_told_what_there_is, up,
						down),
		cmocka_unit_test_setup_teardown(head_has_the_head_alone, up, down),
		cmocka_unit_test_setup_teardown(nothing_behind_the_request_is_read, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
