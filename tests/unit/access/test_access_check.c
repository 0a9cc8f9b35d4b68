/* SPDX-License-Identifier: BSD-2-Clause */
/* access.c: each thing that must hold of the requests that wait for their line, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access/access.c"
#include "tests/lib/breaks.h"

static uint64_t now_us = 5;
static struct pending first, second;
static struct access_flow a;

static void check(void)
{
	flow_check(&a);
}

static const char *flow_broken(unsigned row)
{
	BREAK("a->base.listener_len < ADDR_TEXT_MAX", a.base.listener_len = 1000);
	BREAK("a->base.id_len <= ACCESS_ID_MAX", a.base.id_len = 255);
	BREAK("a->base.reason < KEDGE_REASON_COUNT", a.base.reason = KEDGE_REASON_COUNT);
	BREAK("memchr(a->base.client", memset(a.base.client, 'x', sizeof(a.base.client)));
	BREAK("p->request_len <= ACCESS_REQUEST_MAX", second.request_len = UINT16_MAX);
	BREAK("p->field_len[i] <=", first.field_len[FIELD_HOST] = UINT16_MAX);
	BREAK("p->field_len[i] <=", second.field_len[FIELD_AGENT] = UINT16_MAX);
	BREAK("p->begun_us <= *a->now_us", second.begun_us = 6);
	return NULL;
}

static void pending_requests(void **state)
{
	(void)state;
	a.now_us = &now_us;
	STAILQ_INIT(&a.pending);
	STAILQ_INSERT_TAIL(&a.pending, &first, link);
	STAILQ_INSERT_TAIL(&a.pending, &second, link);
	breaks(flow_broken, check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pending_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
