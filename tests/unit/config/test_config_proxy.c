/* SPDX-License-Identifier: BSD-2-Clause */
/* config_proxy.c: what does not go together with send-proxy, in flags and files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "config/config_proxy.h"
#include "tests/lib/loading.h"

#define HERE "--app localhost:2 --tls off --listen :1 "

static void mistakes(void **state)
{
	static const struct mistake_case cases[] = {
		{NULL, HERE "--send-proxy v3", "--send-proxy: \"v3\" is not one of off, v1, v2\n"},
		{NULL, HERE "--send-proxy v2 --proxy-tlvs crc",
		 "--proxy-tlvs: \"crc\" is not one of authority, alpn, ssl, "
		 "unique-id, crc32c, pass\n"},
		{NULL, HERE "--send-proxy v2 --proxy-tlvs ssl --proxy-tlvs pass --proxy-tlvs ssl",
		 "--proxy-tlvs: \"ssl\" is named twice\n"},
		{NULL, HERE "--proxy-tlvs ssl",
		 "--proxy-tlvs: only headers of version 2 have these: set send-proxy v2\n"},
		{NULL, HERE "--send-proxy v1 --proxy-tlvs ssl",
		 "--proxy-tlvs: only headers of version 2 have these: set send-proxy v2\n"},
		{NULL, HERE "--send-proxy v1 --peername prefer",
		 "--send-proxy: does not go together with peername: application 127.0.0.1:2 would "
		 "see a header that comes from the client, not from kedge: set one of "
		 "the two to off\n"},
	};

	(void)state;
	check_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

#define APPS "listeners: [{listen: ':1', tls: off, app: a}, {listen: ':2', tls: off, app: b}]\n"

/* For all applications, and for one. */
static void of_one_application(void **state)
{
	static const struct mistake_case cases[] = {
		{APPS "apps:\n"
		      "  a: {servers: ['localhost:7'], send-proxy: v1, proxy-tlvs: [ssl]}\n"
		      "  b: {servers: ['localhost:8']}\n",
		 "",
		 "kedge.yaml:3: apps.a.proxy-tlvs[0]: only headers of version 2 have these: set "
		 "send-proxy v2\n"},
		{APPS "send-proxy: v2\nproxy-tlvs: [ssl]\n"
		      "apps:\n"
		      "  a: {servers: ['localhost:7'], proxy-tlvs: [ssl, alpn]}\n"
		      "  b: {servers: ['localhost:8'], proxy-tlvs: [ssl, alpn, ssl]}\n",
		 "", "kedge.yaml:6: apps.b.proxy-tlvs[2]: \"ssl\" is named twice\n"},
	};
	_cleanup_(conf_freep)
	struct conf *conf =
		must_load(APPS "send-proxy: v2\n"
			       "proxy-tlvs: [ssl, alpn]\n"
			       "apps:\n"
			       "  a: {servers: ['localhost:7'], send-proxy: off}\n"
			       "  b: {servers: ['localhost:8'], proxy-tlvs: [crc32c]}\n",
			  "");

	(void)state;
	assert_int_equal(conf->apps[0].send_proxy, SEND_PROXY_OFF);
	assert_int_equal(conf->apps[0].proxy_tlvs, 0);
	assert_int_equal(conf->apps[1].send_proxy, SEND_PROXY_V2);
	assert_int_equal(conf->apps[1].proxy_tlvs, SEND_TLV_CRC32C);
	check_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

static void what_is_fine(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, HERE "--send-proxy v2 --proxy-tlvs alpn --proxy-tlvs "
						 "crc32c --edit require");
	_cleanup_(conf_freep)
	struct conf *plain = must_load(NULL, HERE "--send-proxy v1");
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(conf->apps[0].send_proxy, SEND_PROXY_V2);
	assert_int_equal(conf->apps[0].proxy_tlvs, SEND_TLV_ALPN | SEND_TLV_CRC32C);
	assert_int_equal(plain->apps[0].send_proxy, SEND_PROXY_V1);
	assert_null(config_proxy_conflict(conf, why));
	/* A reload cannot change peername. */
	conf->peername = POLICY_PREFER;
	assert_string_equal(config_proxy_conflict(conf, why), "send-proxy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes),
		cmocka_unit_test(of_one_application),
		cmocka_unit_test(what_is_fine),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
