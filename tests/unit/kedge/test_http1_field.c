/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge/http1_field.h: lines of a head that pass, that are taken out, and that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "http1_rules.h"

#include "tests/lib/assert_reason.h"

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"
#define OLD  "GET / HTTP/1.0\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

static struct http1_conf append;

static int setup(void **state)
{
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	return 0;
}

static void names(void **state)
{
	rules_accept(&append, GET "a:\r\nB:c\r\n!#$%&'*+-.^_`|~:  d \r\n\r\n",
		     GET "a:\r\nB:c\r\n!#$%&'*+-.^_`|~:  d \r\n" OURS "\r\n", KEDGE_BETWEEN);
	rules_refuse(&append, GET "A : b\r\n\r\n", KEDGE_REASON_http_field_name);
	rules_refuse(&append, GET ": b\r\n\r\n", KEDGE_REASON_http_field_name);
	rules_refuse(&append, GET "A\r\n\r\n", KEDGE_REASON_http_field_name);
	rules_refuse(&append, GET "A\x80: b\r\n\r\n", KEDGE_REASON_http_field_name);
	rules_refuse(&append, GET "A\x01: b\r\n\r\n", KEDGE_REASON_http_control_char);
	rules_refuse(&append, GET "A\nB: c\r\n\r\n", KEDGE_REASON_http_bare_cr_lf);
	rules_refuse(&append, GET " A: b\r\n\r\n", KEDGE_REASON_http_fold);
	rules_refuse(&append, GET "\tA: b\r\n\r\n", KEDGE_REASON_http_fold);
	rules_refuse(&append, "GET / HTTP/1.1\r\n Host: a\r\n\r\n", KEDGE_REASON_http_fold);
	rules_refuse(&append, GET "A: b\r\n c\r\n\r\n", KEDGE_REASON_http_fold);
}

static void values(void **state)
{
	rules_accept(&append, GET "A: \t\"x\x80\xff\" \r\n\r\n",
		     GET "A: \t\"x\x80\xff\" \r\n" OURS "\r\n", KEDGE_BETWEEN);
	rules_refuse(&append, GET "A: b\x01\r\n\r\n", KEDGE_REASON_http_control_char);
	rules_refuse(&append, GET "A: b\x7f\r\n\r\n", KEDGE_REASON_http_control_char);
	rules_refuse(&append, GET "A: b\n\r\n", KEDGE_REASON_http_bare_cr_lf);
	rules_refuse(&append, GET "A: b\rc\r\n\r\n", KEDGE_REASON_http_bare_cr_lf);
	rules_refuse(&append, GET "A: b\r\n\rc", KEDGE_REASON_http_bare_cr_lf);
}

/* RFC 9112, 3.2: exactly one Host. */
static void hosts(void **state)
{
	rules_accept(&append, "GET / HTTP/1.1\r\nhOST:a.b:80 \t\r\n\r\n",
		     "GET / HTTP/1.1\r\nhOST:a.b:80 \t\r\n" OURS "\r\n", KEDGE_BETWEEN);
	rules_accept(&append, "GET / HTTP/1.1\r\nHost:\r\n\r\n",
		     "GET / HTTP/1.1\r\nHost:\r\n" OURS "\r\n", KEDGE_BETWEEN);
	rules_accept(&append, OLD "\r\n", OLD OURS "\r\n", KEDGE_BETWEEN);
	rules_refuse(&append, "GET / HTTP/1.1\r\n\r\n", KEDGE_REASON_http_host);
	rules_refuse(&append, GET "Host: a\r\n\r\n", KEDGE_REASON_http_host);
	rules_refuse(&append, OLD "Host: a\r\nHost: a\r\n\r\n", KEDGE_REASON_http_host);
	rules_refuse(&append, OLD "Host: a b\r\n\r\n", KEDGE_REASON_http_host);
	rules_refuse(&append, OLD "Host: a/b\r\n\r\n", KEDGE_REASON_http_host);
	rules_refuse(&append, OLD "Host: u@a\r\n\r\n", KEDGE_REASON_http_host);
	rules_refuse(&append, OLD "Host: [::1\r\n\r\n", KEDGE_REASON_http_host);
	rules_refuse(&append, OLD "Host: a\n\r\n", KEDGE_REASON_http_bare_cr_lf);
}

static void lengths(void **state)
{
	static const char *const bad[] = {"",    "+1",  "-1",  "1,1", "0x1",
					  "1 1", "\t1", "1\t", "1.0", "9223372036854775808"};
	char in[256];

	rules_accept(&append, POST "Content-Length:  2 \r\n\r\nok",
		     POST "Content-Length:  2 \r\n" OURS "\r\nok", KEDGE_BETWEEN);
	rules_accept(&append, POST "Content-Length: 000\r\n\r\n",
		     POST "Content-Length: 000\r\n" OURS "\r\n", KEDGE_BETWEEN);
	rules_accept(&append, POST "Content-Length: 9223372036854775807\r\n\r\nx",
		     POST "Content-Length: 9223372036854775807\r\n" OURS "\r\nx", KEDGE_BODY);
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(in, sizeof(in), POST "Content-Length: %s\r\n\r\n", bad[i]);
		rules_refuse(&append, in, KEDGE_REASON_http_content_length);
	}
	rules_refuse(&append, POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		     KEDGE_REASON_http_content_length);
}

static void codings(void **state)
{
	static const char *const bad[] = {"",
					  "gzip",
					  "gzip, chunked",
					  "chunked, gzip",
					  "chunked ",
					  "xchunked",
					  "chunkedx",
					  "chunked, chunked",
					  "\"chunked\"",
					  "\tchunked",
					  "c",
					  "chunk",
					  "chunke"};
	char in[256];

	rules_accept(&append, POST "Transfer-Encoding:  CHUNKED\r\n\r\n0\r\n\r\n",
		     POST "Transfer-Encoding:  CHUNKED\r\n" OURS "\r\n0\r\n\r\n", KEDGE_BETWEEN);
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(in, sizeof(in), POST "Transfer-Encoding: %s\r\n\r\n", bad[i]);
		rules_refuse(&append, in, KEDGE_REASON_http_transfer_encoding);
	}
	rules_refuse(&append,
		     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		     KEDGE_REASON_http_transfer_encoding);
	rules_refuse(&append, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		     KEDGE_REASON_http_transfer_encoding);
	rules_refuse(&append, POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		     KEDGE_REASON_http_framing_conflict);
	rules_refuse(&append, POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		     KEDGE_REASON_http_framing_conflict);
}

/* The client's lines and ours become one line, without white space and empty values. */
static void forwarded_for(void **state)
{
	static const struct {
		enum http1_mode mode;
		__u16 flags;
		const char *in, *out;
	} rows[] = {
		{HTTP1_XFF_APPEND, 0, "X-Forwarded-For: 1\r\n", "1, 198.51.100.22"},
		{HTTP1_XFF_APPEND, 0, "x-forwarded-FOR:\t 1 , 2 \r\nX-Forwarded-For:3\r\n",
		 "1 , 2, 3, 198.51.100.22"},
		{HTTP1_XFF_APPEND, 0, "X-Forwarded-For:\r\nX-Forwarded-For: \r\n", "198.51.100.22"},
		{HTTP1_XFF_APPEND, HTTP1_DROP_INCOMING, "X-Forwarded-For: 1\r\n", "198.51.100.22"},
		{HTTP1_XFF_REPLACE, 0, "X-Forwarded-For: 1\r\n", "198.51.100.22"},
		{HTTP1_XFF_IF_NONE, 0, "X-Forwarded-For: 1\r\n", "1"},
		{HTTP1_XFF_IF_NONE, 0, "X-Forwarded-For: \r\n", "198.51.100.22"},
		{HTTP1_XFF_IF_NONE, HTTP1_DROP_INCOMING, "X-Forwarded-For: 1\r\n", "198.51.100.22"},
	};
	struct http1_conf conf;
	char in[256], out[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		http1_case_conf(&conf, rows[i].mode, rows[i].flags);
		snprintf(in, sizeof(in), OLD "A: b\r\n%sC: d\r\n\r\n", rows[i].in);
		snprintf(out, sizeof(out), OLD "A: b\r\nC: d\r\nX-Forwarded-For: %s\r\n\r\n",
			 rows[i].out);
		rules_accept(&conf, in, out, KEDGE_BETWEEN);
	}
	http1_case_conf(&conf, HTTP1_XFF_NEVER, 0);
	rules_accept(&conf, OLD "X-Forwarded-For:  1 \r\n\r\n", OLD "X-Forwarded-For:  1 \r\n\r\n",
		     KEDGE_BETWEEN);
	http1_case_conf(&conf, HTTP1_XFF_NEVER, HTTP1_DROP_INCOMING);
	rules_accept(&conf, OLD "X-Forwarded-For: 1\r\n\r\n", OLD "\r\n", KEDGE_BETWEEN);
	rules_refuse(&append, OLD "X-Forwarded-For: 1\x01\r\n\r\n", KEDGE_REASON_http_control_char);
}

/* The list has KEDGE_XFF_BYTES_MAX bytes, two of them for the ", " before our address. */
static void a_full_list(void **state)
{
	const int most = KEDGE_XFF_BYTES_MAX - 2;
	char in[1024], out[1024];

	snprintf(in, sizeof(in), OLD "X-Forwarded-For: %0*d\r\n\r\n", most, 0);
	snprintf(out, sizeof(out), OLD "X-Forwarded-For: %0*d, 198.51.100.22\r\n\r\n", most, 0);
	rules_accept(&append, in, out, KEDGE_BETWEEN);
	snprintf(in, sizeof(in), OLD "X-Forwarded-For: %0*d\r\n\r\n", most + 1, 0);
	rules_refuse(&append, in, KEDGE_REASON_http_xff_too_long);
	/* The comma that joins two lines counts. */
	for (int left = 0; left < 4; left++) {
		snprintf(in, sizeof(in), OLD "X-Forwarded-For: %0*d\r\nX-Forwarded-For: 1\r\n\r\n",
			 most - left, 0);
		snprintf(out, sizeof(out), OLD "X-Forwarded-For: %0*d, 1, 198.51.100.22\r\n\r\n",
			 most - left, 0);
		if (left < 3)
			rules_refuse(&append, in, KEDGE_REASON_http_xff_too_long);
		else
			rules_accept(&append, in, out, KEDGE_BETWEEN);
	}
}

/* Other forwarding fields are removed, except those of a trusted client. */
static void other_forwarding_fields(void **state)
{
	static const char line[] = OLD "X-Forwarded-Proto: ftp\r\nX-Client-IP: 1\r\n\r\n";
	struct http1_conf conf;

	http1_case_conf(&conf, HTTP1_XFF_NEVER, HTTP1_STRIP);
	rules_accept(&conf, line, OLD "\r\n", KEDGE_BETWEEN);
	http1_case_conf(&conf, HTTP1_XFF_NEVER, HTTP1_SET_PROTO);
	rules_accept(&conf, line, OLD "X-Client-IP: 1\r\nX-Forwarded-Proto: https\r\n\r\n",
		     KEDGE_BETWEEN);
	http1_case_conf(&conf, HTTP1_XFF_NEVER, HTTP1_SET_PROTO | HTTP1_TRUSTED);
	rules_accept(&conf, line, line, KEDGE_BETWEEN);
	http1_case_conf(&conf, HTTP1_XFF_NEVER, 0);
	rules_accept(&conf, line, line, KEDGE_BETWEEN);
}

/* A name that is the same as ours in CGI: refused, or taken out. */
static void aliases(void **state)
{
	struct http1_conf conf;

	rules_refuse(&append, OLD "X_Forwarded_For: 1\r\n\r\n", KEDGE_REASON_http_forwarding_alias);
	rules_refuse(&append, OLD "Content_Length: 1\r\n\r\n", KEDGE_REASON_http_forwarding_alias);
	http1_case_conf(&conf, HTTP1_XFF_APPEND, HTTP1_CUT_ALIASES);
	rules_accept(&conf, OLD "X_Forwarded_For: 1\r\n\r\n", OLD OURS "\r\n", KEDGE_BETWEEN);
	rules_refuse(&conf, OLD "Content_Length: 1\r\n\r\n", KEDGE_REASON_http_forwarding_alias);
	http1_case_conf(&conf, HTTP1_XFF_NEVER, 0);
	rules_accept(&conf, OLD "X_Forwarded_For: 1\r\n\r\n", OLD "X_Forwarded_For: 1\r\n\r\n",
		     KEDGE_BETWEEN);
}

/* The limit of lines, in a head and in trailers. */
static void as_many_lines_as_may_be(void **state)
{
	for (int trailers = 0; trailers < 2; trailers++)
		for (int more = 0; more < 2; more++) {
			struct http1_bytes in = {0};
			struct http1_run r = {.conf = &append};
			const char *begin =
				trailers ? POST "Transfer-Encoding: chunked\r\n\r\n0\r\n" : OLD;

			http1_bytes_add(&in, begin, strlen(begin));
			for (int i = 0; i < KEDGE_FIELDS_MAX + more; i++)
				http1_bytes_add(&in, "a:\r\n", 4);
			http1_bytes_add(&in, "\r\n", 2);
			http1_run_feed(&r, in.data, in.len);
			assert_reason(r.h.reason, more ? KEDGE_REASON_http_too_many_fields : 0);
			http1_run_free(&r);
			free(in.data);
		}
}

/* RFC 9110, 6.5.1: no fields for framing, routing or the client's address. */
static void trailers(void **state)
{
	static const char *const bad[] = {
		"Host: a",    "Content-Length: 1",  "Transfer-Encoding: x", "Connection: close",
		"Upgrade: x", "X-Forwarded-For: 1", "X-Real-IP: 1",         "X_Forwarded_For: 1"};
	char in[256];

	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(in, sizeof(in), POST "Transfer-Encoding: chunked\r\n\r\n0\r\n%s\r\n\r\n",
			 bad[i]);
		rules_refuse(&append, in, KEDGE_REASON_http_trailer);
	}
	rules_accept(&append, POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
		     POST "Transfer-Encoding: chunked\r\n" OURS "\r\n0\r\nA: b\r\n\r\n",
		     KEDGE_BETWEEN);
}

static void as_many_bytes_as_may_be(void **state)
{
	struct http1_conf conf = append;
	char in[512];

	conf.head_bytes_max = 200;
	for (int more = 0; more < 2; more++) {
		int n = 200 - (int)strlen(OLD "A: \r\n\r\n") + more;
		struct http1_run r = {.conf = &conf};

		snprintf(in, sizeof(in), OLD "A: %0*d\r\n\r\n", n, 0);
		assert_int_equal(strlen(in), 200 + more);
		http1_run_feed(&r, (const uint8_t *)in, strlen(in));
		assert_reason(r.h.reason, more ? KEDGE_REASON_http_head_too_large : 0);
		http1_run_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),       cmocka_unit_test(values),
		cmocka_unit_test(hosts),       cmocka_unit_test(lengths),
		cmocka_unit_test(codings),     cmocka_unit_test(forwarded_for),
		cmocka_unit_test(a_full_list), cmocka_unit_test(other_forwarding_fields),
		cmocka_unit_test(aliases),     cmocka_unit_test(as_many_lines_as_may_be),
		cmocka_unit_test(trailers),    cmocka_unit_test(as_many_bytes_as_may_be),
	};

	return cmocka_run_group_tests_name("http1_field", tests, setup, NULL);
}
