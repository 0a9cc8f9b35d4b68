/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_route.c: which route a client gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/no_memory.h"
#include "tls/tls_route.h"
#include "tls/tls_types.h"

#define ROUTES_MAX 8

static struct tls_route routes[ROUTES_MAX];
static struct tls_ctx ctx = {.routes = routes, .routes_count = 1};

/* names: separated by blanks. alpn: one protocol; NULL: any. Returns the route's index. */
static unsigned add(const char *text, const char *alpn)
{
	char copy[200], *names[10];
	char *protocol[] = {(char *)alpn};
	struct conf_names list = {.set = names};
	unsigned route = ctx.routes_count++;

	strcpy(copy, text);
	for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
		names[list.count++] = at;
	routes[route] = (struct tls_route){.by_alpn = alpn != NULL};
	assert_int_equal(
		alpn_list_make(&routes[route].alpn,
			       &(struct conf_names){.set = protocol, .count = alpn != NULL},
			       MODE_TCP),
		0);
	assert_int_equal(route_names_add(&ctx.names, &list, route), 0);
	return route;
}

static int clear(void **state)
{
	(void)state;
	while (ctx.routes_count > 1)
		alpn_list_clear(&routes[--ctx.routes_count].alpn);
	route_names_clear(&ctx.names);
	return 0;
}

static bool known;

/* offer: in wire form; NULL: no ALPN. */
static unsigned choose(const char *host, const char *offer)
{
	const struct hello_part protocols = {.bytes = (const uint8_t *)offer,
					     .len = offer ? strlen(offer) : 0};

	return tls_route_choose(&ctx, host, &protocols, &known);
}

static void no_routes(void **state)
{
	(void)state;
	assert_int_equal(choose("a.test", NULL), 0);
	assert_false(known);
}

static void by_name(void **state)
{
	unsigned b = add("b.test B2.test.", NULL), a = add("a.test", NULL);

	(void)state;
	assert_int_equal(choose("a.test", NULL), a);
	assert_true(known);
	assert_int_equal(choose("b.test", "\x02h2"), b);
	assert_int_equal(choose("b2.test", NULL), b);
	assert_int_equal(choose("c.test", NULL), 0);
	assert_false(known);
	assert_int_equal(choose("x.a.test", NULL), 0);
	assert_int_equal(choose("test", NULL), 0);
	assert_int_equal(choose("a.tes", NULL), 0);
	assert_int_equal(choose("a.testx", NULL), 0);
}

static void a_wildcard_is_one_label(void **state)
{
	unsigned wild = add("*.a.test", NULL), exact = add("x.a.test", NULL);

	(void)state;
	assert_int_equal(choose("y.a.test", NULL), wild);
	assert_int_equal(choose("x.a.test", NULL), exact);
	assert_int_equal(choose("a.test", NULL), 0);
	assert_int_equal(choose("z.y.a.test", NULL), 0);
	assert_int_equal(choose("*.a.test", NULL), 0);
	assert_int_equal(choose(".a.test", NULL), 0);
}

static void by_protocol(void **state)
{
	unsigned any = add("a.test", NULL), h2 = add("a.test", "h2"), imap = add("a.test", "imap");

	(void)state;
	assert_int_equal(choose("a.test", "\x02h2"), h2);
	assert_int_equal(choose("a.test", "\x08http/1.1\x04imap"), imap);
	/* The first route, whatever the client prefers. */
	assert_int_equal(choose("a.test", "\x04imap\x02h2"), h2);
	assert_int_equal(choose("a.test", "\x08http/1.1"), any);
	assert_int_equal(choose("a.test", NULL), any);
}

static void no_protocol_in_common(void **state)
{
	add("a.test *.b.test", "h2");
	(void)state;
	assert_int_equal(choose("a.test", "\x08http/1.1"), 0);
	assert_true(known);
	assert_int_equal(choose("a.test", NULL), 0);
	assert_true(known);
	assert_int_equal(choose("x.b.test", NULL), 0);
	assert_true(known);
	assert_int_equal(choose("b.test", NULL), 0);
	assert_false(known);
}

/* The wildcard is for what the name's own routes do not take. */
static void from_the_name_to_its_wildcard(void **state)
{
	unsigned exact = add("x.a.test", "h2"), wild = add("*.a.test", NULL);

	(void)state;
	assert_int_equal(choose("x.a.test", "\x02h2"), exact);
	assert_int_equal(choose("x.a.test", "\x08http/1.1"), wild);
	assert_int_equal(choose("x.a.test", NULL), wild);
}

static void many(void **state)
{
	char name[30];
	unsigned route = 0;

	(void)state;
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "n%d.test", i * 7 % 400);
		if (i % 100 == 0)
			route = add(name, NULL);
		else
			assert_int_equal(
				route_names_add(
					&ctx.names,
					&(struct conf_names){.set = (char *[]){name}, .count = 1},
					route),
				0);
	}
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "n%d.test", i * 7 % 400);
		assert_int_equal(choose(name, NULL), i / 100 + 1);
	}
}

static void what_is_no_name(void **state)
{
	char long_name[300];
	struct conf_names list = {.set = (char *[]){long_name}, .count = 1};

	(void)state;
	long_name[0] = '\0';
	assert_int_equal(route_names_add(&ctx.names, &list, 1), -EINVAL);
	memset(long_name, 'a', 254);
	long_name[254] = '\0';
	assert_int_equal(route_names_add(&ctx.names, &list, 1), -EINVAL);
	assert_int_equal(choose("a.test", NULL), 0);
}

static void without_memory(void **state)
{
	struct conf_names list = {.set = (char *[]){(char *)"a", (char *)"b"}, .count = 2};

	(void)state;
	for (int at = 0; at < 3; at++) {
		no_memory_after = at;
		assert_int_equal(route_names_add(&ctx.names, &list, 1), -ENOMEM);
		no_memory_after = -1;
		route_names_clear(&ctx.names);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(no_routes, clear),
		cmocka_unit_test_teardown(by_name, clear),
		cmocka_unit_test_teardown(a_wildcard_is_one_label, clear),
		cmocka_unit_test_teardown(by_protocol, clear),
		cmocka_unit_test_teardown(no_protocol_in_common, clear),
		cmocka_unit_test_teardown(from_the_name_to_its_wildcard, clear),
		cmocka_unit_test_teardown(many, clear),
		cmocka_unit_test_teardown(what_is_no_name, clear),
		cmocka_unit_test_teardown(without_memory, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
