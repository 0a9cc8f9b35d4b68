/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy_check() of proxy_proto.c: each thing that must hold of a prefix, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "http/proxy_proto.h"
#include "tests/lib/breaks.h"

static const char line[] = "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n";
static struct proxy_prefix p;
static enum proxy_verdict verdict;
static size_t n;

static void check(void)
{
	proxy_check(&p, verdict, (const uint8_t *)line, n);
}

static const char *done_broken(unsigned row)
{
	BREAK("verdict <= PROXY_BAD", verdict = PROXY_BAD + 1);
	BREAK("n < PROXY_V2_BYTES_MAX", verdict = PROXY_MORE, n = 1 << 20);
	BREAK("p->version == 1 || p->version == 2", p.version = 0);
	BREAK("(verdict == PROXY_DONE)", p.reason = KEDGE_REASON_prefix_bad);
	BREAK("(verdict == PROXY_DONE)", verdict = PROXY_BAD);
	BREAK("p->len && p->len <= n", p.len = 0);
	BREAK("p->len && p->len <= n", n--);
	BREAK("PROXY_V1_BYTES_MAX", p.len = n = 200);
	BREAK("is_family(p->src.family)", p.src.family = AF_UNIX);
	BREAK("(p->dst.family == AF_UNSPEC)", p.dst.family = AF_UNSPEC);
	BREAK("p->src.family == AF_UNSPEC && !p->tlvs", p.local = true);
	BREAK("!p->tlvs == !p->tlvs_len", p.tlvs_len = 1);
	BREAK("p->tlvs + p->tlvs_len ==", p.tlvs = (const uint8_t *)line, p.tlvs_len = 1);
	BREAK("bytes[p->len - 1]", p.len--);
	return NULL;
}

static void a_prefix(void **state)
{
	(void)state;
	n = strlen(line);
	verdict = proxy_parse(&p, (const uint8_t *)line, n);
	assert_int_equal(verdict, PROXY_DONE);
	breaks(done_broken, check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
