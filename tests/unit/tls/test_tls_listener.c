/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_listener.c: a listener of the configuration with all that its clients get. */
#include "tests/unit/tls/tls_rig.h"
#include "tests/lib/assert_reason.h"

#include <errno.h>
#include <string.h>

#include "tls/tls_listener.h"

enum { OWN, ROUTE, CERTS };
static struct peer_cert files[CERTS];
static struct conf_cert pairs[CERTS];
static struct tls_shared shared;

static char *h2[] = {(char *)"h2"}, *names[] = {(char *)"r.test"};
static struct conf_route routes[] = {
	{.names = {names, 1}, .alpn = {h2, 1}, .mode = MODE_TCP, .certs_count = 1},
};
static struct conf_listener listener = {.certs_count = 1, .routes = routes, .routes_count = 1};

/* What a client gets: its route, or -2 and the reason. */
static int route_of(struct tls_ctx *ctx, const char *name, const char *alpn,
		    enum kedge_reason *reason)
{
	struct conn c;
	int route;

	start(&c, ctx, &(struct peer_opts){.server_name = name, .alpn = alpn});
	shake_hands(&c, 0);
	route = c.step == TLS_DONE ? tls_conn_route(c.tls) : -2;
	*reason = c.reason;
	stop(&c);
	ERR_clear_error();
	return route;
}

static void everything_is_taken_over(void **state)
{
	struct tls_ctx *ctx = NULL;
	enum kedge_reason reason;

	(void)state;
	for (int strict = 0; strict < 2; strict++) {
		listener.strict_sni = strict;
		assert_int_equal(tls_listener_new(&ctx, &listener, &shared), 0);
		assert_int_equal(route_of(ctx, "r.test", "\x02h2", &reason), 0);
		assert_int_equal(route_of(ctx, "own.test", "\x08http/1.1", &reason), -1);
		assert_int_equal(route_of(ctx, "x.test", "\x08http/1.1", &reason),
				 strict ? -2 : -1);
		if (strict)
			assert_reason(reason, KEDGE_REASON_tls_unknown_name);
		tls_ctx_free(ctx);
	}
	listener.strict_sni = false;
}

static void a_route_that_cannot_be_read(void **state)
{
	struct conf_cert nowhere = {.cert = (char *)"/nowhere", .key = (char *)"/nowhere"};
	struct tls_ctx *ctx = NULL;

	(void)state;
	routes[0].certs = &nowhere;
	assert_int_equal(tls_listener_new(&ctx, &listener, &shared), -ENOENT);
	assert_null(ctx);
	routes[0].certs = &pairs[ROUTE];
}

static int set_up(void **state)
{
	(void)state;
	peer_cert_make(&files[OWN], "own", PEER_EC, "own.test", 10);
	peer_cert_make(&files[ROUTE], "route", PEER_EC, "r.test", 10);
	for (int i = 0; i < CERTS; i++)
		pairs[i] = (struct conf_cert){.cert = files[i].cert, .key = files[i].key};
	listener.certs = &pairs[OWN];
	routes[0].certs = &pairs[ROUTE];
	make_shared(&shared, POLICY_OFF, false, false);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_taken_over),
		cmocka_unit_test(a_route_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
