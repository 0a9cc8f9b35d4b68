/* SPDX-License-Identifier: BSD-2-Clause */
/* service.c and generation.c: each thing that must hold of their references, broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "listen/service.h"
#include "tests/lib/breaks.h"

static struct limits limits;
static struct generation *generation;
static struct service *service;
static struct tally other;

static void check(void)
{
	service_check(service);
}

static void get(void)
{
	service_get(service);
}

static void put(void)
{
	service_put(service);
}

static const char *service_broken(unsigned row)
{
	BREAK("s->refs", service->refs = 0);
	BREAK("__atomic_load_n(&g->refs", generation->refs = 0);
	BREAK("index < g->conf->listeners_count", service->conf++);
	BREAK("s->tally ==", service->tally = &other);
	BREAK("s->conf->tls", service->tls = (void *)service);
	BREAK("memchr(s->name", memset(service->name, 'x', sizeof(service->name)));
	return NULL;
}

static const char *user_broken(unsigned row)
{
	BREAK("service_check: s->refs", service->refs = 0);
	return NULL;
}

static void generation_gone(void)
{
	generation->refs = 0;
	generation_put(generation);
}

static void generation_late(void)
{
	generation->refs = 0;
	generation_get(generation);
}

static void tally_gone(void)
{
	generation->tallies[0]->refs = 0;
	generation->refs = 1;
	generation_put(generation);
}

static void references(void **state)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	(void)state;
	conf->listeners = calloc(1, sizeof(*conf->listeners));
	conf->listeners_count = 1;
	generation = generation_new(conf, 1, 1);
	assert_non_null(generation);
	assert_int_equal(service_new(&service, generation, 0, &limits, false), 0);
	breaks(service_broken, check);
	get();
	breaks(user_broken, get);
	breaks(user_broken, put);
	assert_true(aborts_saying(generation_gone, "refs_check: "));
	assert_true(aborts_saying(generation_late, "refs_check: "));
	assert_true(aborts_saying(tally_gone, "refs_check: "));
	put();
	put();
	generation_put(generation);
	assert_int_equal(generation_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
