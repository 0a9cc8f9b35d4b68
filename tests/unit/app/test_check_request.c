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
		cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
