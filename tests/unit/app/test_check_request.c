/* SPDX-License-Identifier: BSD-2-Clause */
/* check_request.c: the bytes of a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/proxy_decode.h"

static bool is_memory_out;

static int test_asprintf(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int test_asprintf(char **out, const char *format, ...)
{
	va_list ap;
	int n;

	if (is_memory_out)
		return -1;
	va_start(ap, format);
	n = vasprintf(out, format, ap);
	va_end(ap);
	return n;
}

#define asprintf test_asprintf
#include "app/check_request.c"
#undef asprintf

static void asks(char *host, const char *expected, sa_family_t family)
{
	struct conf_app app = {.check_path = "/healthz?x=1", .check_host = host};
	struct conf_server server = {.addr.family = family, .name = "[2001:db8::1]:3000"};
	char text[256];
	size_t len;
	char *got = check_request(&len, &app, &server);

	snprintf(text, sizeof(text),
		 "GET /healthz?x=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: kedge/%s check\r\n"
		 "Connection: close\r\n\r\n",
		 expected, KEDGE_VERSION);
	assert_string_equal(got, text);
	assert_int_equal(len, strlen(text));
	free(got);
}

static void the_host_is_the_configured_one_or_the_servers_name(void **state)
{
	(void)state;
	asks("app.example", "app.example", AF_INET);
	asks("app.example", "app.example", AF_UNIX);
	asks(NULL, "[2001:db8::1]:3000", AF_INET6);
	asks(NULL, "localhost", AF_UNIX);
}

static void expect_behind(enum conf_send_proxy version, unsigned tlvs, char family, bool crc,
			  size_t header_len)
{
	struct conf_app app = {.check_path = "/", .send_proxy = version, .proxy_tlvs = tlvs};
	struct conf_server server = {.name = "a:1"};
	static struct decoded d;
	size_t len;
	char *got = check_request(&len, &app, &server);

	assert_true(len > header_len);
	assert_null(proxy_decode(&d, (const uint8_t *)got, header_len));
	assert_int_equal(d.version, version == SEND_PROXY_V1 ? 1 : 2);
	assert_int_equal(d.local, version == SEND_PROXY_V2);
	assert_int_equal(d.family, family);
	assert_int_equal(d.crc, crc);
	assert_int_equal(d.tlvs_count, crc);
	assert_memory_equal(got + header_len, "GET / HTTP/1.1\r\nHost: a:1\r\n", 27);
	assert_int_equal(len, header_len + strlen(got + header_len));
	free(got);
}

/* The connection is kedge's own: no client is behind it. */
static void a_header_says_that_it_is_nobodys(void **state)
{
	(void)state;
	expect_behind(SEND_PROXY_V1, 0, '-', false, 15);
	expect_behind(SEND_PROXY_V2, 0, '-', false, 16);
	expect_behind(SEND_PROXY_V2, 63, '-', true, 16 + 7);
}

/* An application that demands a header would take a connection without one for a fault. */
static void by_tcp_it_is_the_header_alone(void **state)
{
	static const struct {
		enum conf_send_proxy version;
		size_t len;
	} rows[] = {{SEND_PROXY_OFF, 0}, {SEND_PROXY_V1, 15}, {SEND_PROXY_V2, 16}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf_app app = {.check = CHECK_TCP, .send_proxy = rows[i].version};
		struct conf_server server = {.name = "a:1"};
		static struct decoded d;
		size_t len;
		char *got = check_request(&len, &app, &server);

		assert_int_equal(len, rows[i].len);
		if (len)
			assert_null(proxy_decode(&d, (const uint8_t *)got, len));
		free(got);
	}
}

static void without_memory_there_is_none(void **state)
{
	struct conf_app app = {.check_path = "/"};
	struct conf_server server = {.name = "a:1"};
	size_t len;

	(void)state;
	is_memory_out = true;
	assert_null(check_request(&len, &app, &server));
	is_memory_out = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_is_the_configured_one_or_the_servers_name),
		cmocka_unit_test(a_header_says_that_it_is_nobodys),
		cmocka_unit_test(by_tcp_it_is_the_header_alone),
		cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
