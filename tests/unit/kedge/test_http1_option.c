/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge/http1_option.h: Connection and Upgrade, as they come and with HTTP/2 taken out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "http1_rules.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"

static struct http1_conf append, cut;

static int setup(void **state)
{
	http1_case_conf(&append, HTTP1_XFF_APPEND, 0);
	http1_case_conf(&cut, HTTP1_XFF_APPEND, HTTP1_CUT_H2C);
	return 0;
}

/* The lines pass as they came, with and without the cutting of h2c. */
static void passes(const char *lines, enum kedge_standing standing)
{
	char in[512], out[512];

	snprintf(in, sizeof(in), GET "%s\r\n", lines);
	snprintf(out, sizeof(out), GET "%s" OURS "\r\n", lines);
	rules_accept(&append, in, out, standing);
	rules_accept(&cut, in, out, standing);
}

static void is_refused(const char *lines, enum kedge_reason reason)
{
	char in[1024];

	snprintf(in, sizeof(in), GET "%s\r\n", lines);
	rules_refuse(&append, in, reason);
	rules_refuse(&cut, in, reason);
}

static void connection(void **state)
{
	passes("Connection: close\r\n", KEDGE_BETWEEN);
	passes("Connection:keep-alive\r\n", KEDGE_BETWEEN);
	passes("Connection: \t\r\n", KEDGE_BETWEEN);
	passes("Connection: ,, close ,\t,\r\nConnection: te\r\n", KEDGE_BETWEEN);
	is_refused("Connection: close keep-alive\r\n", KEDGE_REASON_http_connection_malformed);
	is_refused("Connection: \"close\"\r\n", KEDGE_REASON_http_connection_malformed);
	is_refused("Connection: close;x\r\n", KEDGE_REASON_http_connection_malformed);
	is_refused("Connection: close\x01\r\n", KEDGE_REASON_http_control_char);
	is_refused("Connection: close\n", KEDGE_REASON_http_bare_cr_lf);
}

/* The next server removes the fields that Connection lists: it must not lose one that it needs. */
static void fields_that_connection_must_not_list(void **state)
{
	static const char *const names[] = {"Host",
					    "content-length",
					    "Transfer-Encoding",
					    "X-Forwarded-For",
					    "X-Forwarded-Any",
					    "X-Real-IP",
					    "X_Forwarded_For",
					    "Forwarded",
					    "Content_Length",
					    "X-Forwarded-Proto",
					    "True-Client-IP"};
	char lines[128];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(lines, sizeof(lines), "Connection: close, %s\r\n", names[i]);
		is_refused(lines, KEDGE_REASON_http_connection_field);
		snprintf(lines, sizeof(lines), "Connection: %s , close\r\n", names[i]);
		is_refused(lines, KEDGE_REASON_http_connection_field);
	}
}

/* "Connection: " and all options are HTTP1_OPTIONS_MAX bytes at most, over all lines. */
static void long_lists(void **state)
{
	const int most = HTTP1_OPTIONS_MAX - (int)strlen("Connection: ");
	char in[1024], out[1024];

	for (int more = 0; more < 2; more++) {
		snprintf(in, sizeof(in), GET "Connection: %0*d\r\n\r\n", most + more, 0);
		snprintf(out, sizeof(out), GET "Connection: %0*d\r\n" OURS "\r\n", most + more, 0);
		if (more)
			rules_refuse(&append, in, KEDGE_REASON_http_connection_too_long);
		else
			rules_accept(&append, in, out, KEDGE_BETWEEN);
	}
	snprintf(in, sizeof(in), GET "Connection: %0*d\r\nConnection: a\r\n\r\n", most - 2, 0);
	rules_refuse(&cut, in, KEDGE_REASON_http_connection_too_long);
}

/* An upgrade needs both fields, and HTTP/1.1: then the answer decides. */
static void upgrades(void **state)
{
	static const struct {
		const char *in;
		enum kedge_standing standing;
	} rows[] = {
		{GET "Connection: upgrade\r\nUpgrade: websocket\r\n", KEDGE_WAITING},
		{GET "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n", KEDGE_WAITING},
		{GET "Upgrade: websocket\r\n", KEDGE_BETWEEN},
		{GET "Connection: upgrade\r\n", KEDGE_BETWEEN},
		{"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n", KEDGE_BETWEEN},
	};
	char in[256], out[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(in, sizeof(in), "%s\r\n", rows[i].in);
		snprintf(out, sizeof(out), "%s" OURS "\r\n", rows[i].in);
		rules_accept(&append, in, out, rows[i].standing);
	}
	is_refused("Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n",
		   KEDGE_REASON_http_upgrade_body);
	is_refused("Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n",
		   KEDGE_REASON_http_upgrade_body);
}

/* HTTP/2 in clear: refused, unless it is taken out. */
static void h2c(void **state)
{
	static const char *const upgrade[] = {
		"h2c", "H2C", "h2", "h2c, websocket", "websocket, h2c", "x,h2"};
	static const char *const others[] = {"h2x", "h2cc", "xh2c", "h", "websocket/13"};
	char lines[128];

	for (size_t i = 0; i < COUNT(upgrade); i++) {
		snprintf(lines, sizeof(lines), GET "Upgrade: %s\r\n\r\n", upgrade[i]);
		rules_refuse(&append, lines, KEDGE_REASON_http_upgrade);
	}
	rules_refuse(&append, GET "HTTP2-Settings: x\r\n\r\n", KEDGE_REASON_http_upgrade);
	for (size_t i = 0; i < COUNT(others); i++) {
		snprintf(lines, sizeof(lines), "Upgrade: %s\r\n", others[i]);
		passes(lines, KEDGE_BETWEEN);
	}
}

static void h2c_taken_out(void **state)
{
	static const struct {
		const char *in, *out;
		enum kedge_standing standing;
	} rows[] = {
		{"Upgrade: h2c\r\n", "", KEDGE_BETWEEN},
		{"Upgrade:  H2 , h2c,\r\nA: b\r\n", "A: b\r\n", KEDGE_BETWEEN},
		{"HTTP2-Settings: x\r\n", "", KEDGE_BETWEEN},
		{"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n", "",
		 KEDGE_BETWEEN},
	};
	char in[256], out[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(in, sizeof(in), GET "%s\r\n", rows[i].in);
		snprintf(out, sizeof(out), GET "%s" OURS "\r\n", rows[i].out);
		rules_accept(&cut, in, out, rows[i].standing);
	}
	/* Beside another protocol, it would have to be cut out of a value: refused. */
	rules_refuse(&cut, GET "Upgrade: h2c, websocket\r\n\r\n", KEDGE_REASON_http_upgrade);
	rules_refuse(&cut, GET "Upgrade: websocket, h2c\r\n\r\n", KEDGE_REASON_http_upgrade);
	rules_refuse(&cut, GET "Upgrade: h2c h2c\r\n\r\n", KEDGE_REASON_http_upgrade);
	rules_refuse(&cut, GET "Upgrade: h2c, h2c, h2c, h2c, h2c, h2c\r\n\r\n",
		     KEDGE_REASON_http_upgrade);
}

/* Upgrade options are removed from Connection; the others come back behind our text. */
static void options_come_back(void **state)
{
	rules_accept(&cut, GET "Connection: close, Upgrade,TE\r\nUpgrade: h2c\r\n\r\n",
		     GET OURS "Connection: close, TE\r\n\r\n", KEDGE_BETWEEN);
	rules_accept(&cut, GET "Connection: Upgrade\r\nConnection: close\r\nUpgrade: h2c\r\n\r\n",
		     GET "Connection: close\r\n" OURS "\r\n", KEDGE_BETWEEN);
	rules_accept(&cut, GET "Connection: HTTP2-Settings, Upgrade\r\nUpgrade: websocket\r\n\r\n",
		     GET "Upgrade: websocket\r\n" OURS "Connection: Upgrade\r\n\r\n",
		     KEDGE_WAITING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection),
		cmocka_unit_test(fields_that_connection_must_not_list),
		cmocka_unit_test(long_lists),
		cmocka_unit_test(upgrades),
		cmocka_unit_test(h2c),
		cmocka_unit_test(h2c_taken_out),
		cmocka_unit_test(options_come_back),
	};

	return cmocka_run_group_tests_name("http1_option", tests, setup, NULL);
}
