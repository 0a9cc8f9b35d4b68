/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge/http1_line.h: request lines that pass, and the reasons why others are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "http1_rules.h"

#define HOST "\r\nHost: a\r\n"

static struct http1_conf append;

static int setup(void **state)
{
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	return 0;
}

/* A line that passes unchanged. Its target must fit "Host: a". */
static void passes(const char *line)
{
	char in[512], out[512];

	snprintf(in, sizeof(in), "%s" HOST "\r\n", line);
	snprintf(out, sizeof(out), "%s" HOST OURS "\r\n", line);
	rules_accept(&append, in, out, KEDGE_BETWEEN);
}

static void is_refused(const char *line, enum kedge_reason reason)
{
	char in[512];

	snprintf(in, sizeof(in), "%s" HOST "\r\n", line);
	rules_refuse(&append, in, reason);
}

static void methods(void **state)
{
	passes("A / HTTP/1.1");
	passes("GET / HTTP/1.1");
	passes("get / HTTP/1.1");
	passes("OPTIONS / HTTP/1.1");
	passes("!#$%&'*+-.^_`|~ / HTTP/1.1");
	passes("HEADS / HTTP/1.1");
	passes("CONNECTS / HTTP/1.1");
	passes("ABCDEFGHIJKLMNOPQRSTUVWX / HTTP/1.1");
	is_refused("ABCDEFGHIJKLMNOPQRSTUVWXY / HTTP/1.1", KEDGE_REASON_http_method);
	is_refused("CONNECT a:443 HTTP/1.1", KEDGE_REASON_http_method);
	is_refused("connect a:443 HTTP/1.1", KEDGE_REASON_http_method);
	is_refused("head / HTTP/1.1", KEDGE_REASON_http_method);
	is_refused("HEAd / HTTP/1.1", KEDGE_REASON_http_method);
	is_refused("PRI * HTTP/2.0", KEDGE_REASON_http_version);
}

/* Every byte that is not in a token, at the start of a method and inside. */
static void bytes_of_a_method(void **state)
{
	for (int b = 1; b < 256; b++) {
		char line[] = "GET / HTTP/1.1";
		enum kedge_reason reason =
			b == '\n' ? KEDGE_REASON_http_bare_cr_lf : KEDGE_REASON_http_request_line;

		if (http1_is_tchar((uint8_t)b))
			continue;
		line[1] = (char)b;
		if (b != ' ')
			is_refused(line, reason);
		line[1] = 'E';
		line[0] = (char)b;
		if (b != '\r')
			is_refused(line, reason);
	}
}

static void targets(void **state)
{
	passes("GET /a/b?c=d&e=%20;f HTTP/1.1");
	passes("GET /\"<>[]^`{|}\\ HTTP/1.1"); /* not in RFC 3986, and harmless */
	passes("OPTIONS * HTTP/1.1");
	passes("GET http://a HTTP/1.1");
	passes("GET http://a/ HTTP/1.1");
	passes("GET https://A?b HTTP/1.1");
	passes("GET HtTpS://a/b HTTP/1.1");
	is_refused("GET * HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("OPTIONS *a HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET a HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET ?a HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET  / HTTP/1.1", KEDGE_REASON_http_request_line);
	is_refused("GET HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET /a b HTTP/1.1", KEDGE_REASON_http_request_line);
	is_refused("GET /a#b HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET /a\tb HTTP/1.1", KEDGE_REASON_http_request_line);
	is_refused("GET /a\x7f HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET /a\x80 HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET /a\x01 HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET ftp://a/ HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET http:/a HTTP/1.1", KEDGE_REASON_http_target);
	is_refused("GET httpss://a/ HTTP/1.1", KEDGE_REASON_http_target);
}

/* uri-host [":" port]; Host must be the same. */
static void authorities(void **state)
{
	static const char *const good[] = {"b",       "b:",           "b:1",
					   "b:65535", "192.0.2.1:80", "[::1]",
					   "[::1]:",  "[1.2:3f]:80",  "a-b.c_d~e"},
				 *const bad[] = {"",      ":80",    "u@b",  "b:a",   "b:123456",
						 "b:1:2", "[]",     "[::1", "[::g]", "[::1]b",
						 "b]",    "b[::1]", "a,b",  "b\\c",  "b\x80"};
	char in[512], out[512];

	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(in, sizeof(in), "GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n", good[i],
			 good[i]);
		snprintf(out, sizeof(out), "GET http://%s/ HTTP/1.1\r\nHost: %s\r\n" OURS "\r\n",
			 good[i], good[i]);
		rules_accept(&append, in, out, KEDGE_BETWEEN);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(in, sizeof(in), "GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i],
			 bad[i]);
		rules_refuse(&append, in, KEDGE_REASON_http_target);
	}
	is_refused("GET http://b/ HTTP/1.1", KEDGE_REASON_http_host);
	is_refused("GET http://aa/ HTTP/1.1", KEDGE_REASON_http_host);
}

/* The longest authority that is kept, and one more. */
static void long_authorities(void **state)
{
	char name[HTTP1_AUTHORITY_MAX + 2], in[1024], out[1024];

	memset(name, 'n', sizeof(name));
	name[HTTP1_AUTHORITY_MAX] = 0;
	snprintf(in, sizeof(in), "GET http://%s HTTP/1.1\r\nHost: %s\r\n\r\n", name, name);
	snprintf(out, sizeof(out), "GET http://%s HTTP/1.1\r\nHost: %s\r\n" OURS "\r\n", name,
		 name);
	rules_accept(&append, in, out, KEDGE_BETWEEN);
	name[HTTP1_AUTHORITY_MAX] = 'n';
	name[HTTP1_AUTHORITY_MAX + 1] = 0;
	snprintf(in, sizeof(in), "GET http://%s HTTP/1.1\r\nHost: %s\r\n\r\n", name, name);
	rules_refuse(&append, in, KEDGE_REASON_http_target);
}

static void versions(void **state)
{
	passes("GET / HTTP/1.0");
	is_refused("GET / HTTP/1.2", KEDGE_REASON_http_version);
	is_refused("GET / HTTP/2.0", KEDGE_REASON_http_version);
	is_refused("GET / HTTP/0.9", KEDGE_REASON_http_version);
	is_refused("GET / HTTP/1.10", KEDGE_REASON_http_version);
	is_refused("GET / HTTP/1,1", KEDGE_REASON_http_version);
	is_refused("GET / http/1.1", KEDGE_REASON_http_request_line);
	is_refused("GET / HTTP/1.1 ", KEDGE_REASON_http_request_line);
	is_refused("GET / HTTP/1.1x", KEDGE_REASON_http_request_line);
	is_refused("GET / HTTP/", KEDGE_REASON_http_request_line);
	is_refused("GET /  HTTP/1.1", KEDGE_REASON_http_request_line);
	is_refused("GET /", KEDGE_REASON_http_request_line); /* HTTP/0.9 */
}

static void ends_of_a_line(void **state)
{
	rules_refuse(&append, "GET / HTTP/1.1\nHost: a\n\n", KEDGE_REASON_http_bare_cr_lf);
	rules_refuse(&append, "GET / HTTP/1.1\r\r\n", KEDGE_REASON_http_bare_cr_lf);
	rules_refuse(&append, "GET\n/ HTTP/1.1\r\n", KEDGE_REASON_http_bare_cr_lf);
	rules_refuse(&append, "GET /\n", KEDGE_REASON_http_bare_cr_lf);
}

/* RFC 9112, 2.2: one empty line before a request is ignored. */
static void empty_lines_before(void **state)
{
	rules_accept(&append, "\r\nGET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n" OURS "\r\n",
		     KEDGE_BETWEEN);
	rules_accept(&append, "\r\n", "", KEDGE_BETWEEN);
	rules_accept(&append, "\r", "", KEDGE_BETWEEN);
	rules_refuse(&append, "\r\n\r\nGET / HTTP/1.0\r\n\r\n", KEDGE_REASON_http_request_line);
	rules_refuse(&append, "\n", KEDGE_REASON_http_bare_cr_lf);
	rules_refuse(&append, "\rGET / HTTP/1.0\r\n\r\n", KEDGE_REASON_http_bare_cr_lf);
}

/* The CRLF counts. */
static void long_lines(void **state)
{
	static char in[KEDGE_LINE_BYTES_MAX + 64], out[KEDGE_LINE_BYTES_MAX + 128];

	for (int more = 0; more < 2; more++) {
		int n = KEDGE_LINE_BYTES_MAX - (int)strlen("GET / HTTP/1.0\r\n") + more;

		snprintf(in, sizeof(in), "GET /%0*d HTTP/1.0\r\n\r\n", n, 0);
		snprintf(out, sizeof(out), "GET /%0*d HTTP/1.0\r\n" OURS "\r\n", n, 0);
		if (more)
			rules_refuse(&append, in, KEDGE_REASON_http_line_too_long);
		else
			rules_accept(&append, in, out, KEDGE_BETWEEN);
	}
}

/* Nothing of a request is left for the next one. */
static void a_request_begins_from_nothing(void **state)
{
	struct http1 h;

	memset(&h, 0xff, sizeof(h));
	h.state = HTTP1_START;
	http1_begin(&h);
	assert_int_equal(h.flags, 0);
	assert_int_equal(h.fields, 0);
	assert_int_equal(h.head, 1);
	assert_int_equal(h.left, 0);
	assert_int_equal(h.list_len, 0);
	assert_int_equal(h.list_fit, 0);
	assert_int_equal(h.authority_len, 0);
	assert_int_equal(h.options_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods),          cmocka_unit_test(bytes_of_a_method),
		cmocka_unit_test(targets),          cmocka_unit_test(authorities),
		cmocka_unit_test(long_authorities), cmocka_unit_test(versions),
		cmocka_unit_test(ends_of_a_line),   cmocka_unit_test(empty_lines_before),
		cmocka_unit_test(long_lines),       cmocka_unit_test(a_request_begins_from_nothing),
	};

	return cmocka_run_group_tests_name("http1_line", tests, setup, NULL);
}
