/* SPDX-License-Identifier: BSD-2-Clause */
/* cert_figures.c: the certificates of some doors, for another thread, while they are replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tls/tls.h"

static void fake_facts(const struct tls_ctx *ctx, cert_facts_fn *each, void *arg);

#define tls_ctx_facts fake_facts
#include "daemon/cert_figures.c"

/* A context is the list of its files, each a letter. */
static void fake_facts(const struct tls_ctx *ctx, cert_facts_fn *each, void *arg)
{
	for (const char *c = (const char *)ctx; c && *c; c++) {
		const char file[] = {*c, '\0'};
		struct cert_facts facts = {.file = file, .not_after = *c};

		snprintf(facts.subject, sizeof(facts.subject), "CN=%c", *c);
		snprintf(facts.names, sizeof(facts.names), "%c.test", *c);
		each(arg, &facts);
	}
}

static struct cert_figures figures = {.lock = PTHREAD_MUTEX_INITIALIZER};
static char told[512];

static void tell(void *arg, const struct metrics_cert *c)
{
	size_t len = strlen(told);

	assert_ptr_equal(arg, told);
	snprintf(told + len, sizeof(told) - len, "%s %s %s %s %d\n", c->listener, c->file,
		 c->subject, c->names, (int)c->not_after);
}

static const char *all_of_them(void)
{
	told[0] = '\0';
	cert_figures_each(&figures, tell, told);
	return told;
}

static void set(const char *first, const char *second)
{
	struct service services[2] = {{.tls = (void *)first, .name = "a:1"},
				      {.tls = (void *)second, .name = "b:2"}};
	struct door doors[2] = {{.service = &services[0]}, {.service = &services[1]}};
	struct doors *all = calloc(1, sizeof(*all) + 2 * sizeof(all->doors[0]));

	assert_non_null(all);
	all->count = 2;
	all->doors[0] = &doors[0];
	all->doors[1] = &doors[1];
	cert_figures_set(&figures, all);
	free(all);
}

static void those_in_force_are_told(void **state)
{
	(void)state;
	assert_string_equal(all_of_them(), "");
	set("xy", NULL); /* the second one is without TLS */
	assert_string_equal(all_of_them(), "a:1 x CN=x x.test 120\na:1 y CN=y y.test 121\n");
	set("x", "x");
	assert_string_equal(all_of_them(), "a:1 x CN=x x.test 120\nb:2 x CN=x x.test 120\n");
	cert_figures_set(&figures, NULL);
	assert_string_equal(all_of_them(), "");
}

/* Of a listener and of its routes. Two lines with the same labels would spoil the whole scrape. */
/* In a reload the worker takes over sockets and names later. */
static void a_listener_that_stays_keeps_its_name(void **state)
{
	struct service old = {.tls = (void *)"x", .name = "a:1"}, new = {.tls = (void *)"p"};
	struct door before = {.service = &old}, door = {.service = &new, .before = &before};
	struct doors *doors = calloc(1, sizeof(*doors) + sizeof(doors->doors[0]));

	doors->count = 1;
	doors->doors[0] = &door;
	cert_figures_set(&figures, doors);
	free(doors);
	assert_non_null(strstr(all_of_them(), "a:1"));
	cert_figures_set(&figures, NULL);
}

static void a_file_is_told_once_for_a_listener(void **state)
{
	(void)state;
	set("xyx", "yy");
	assert_string_equal(all_of_them(), "a:1 x CN=x x.test 120\na:1 y CN=y y.test 121\n"
					   "b:2 y CN=y y.test 121\n");
	cert_figures_set(&figures, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_in_force_are_told),
		cmocka_unit_test(a_file_is_told_once_for_a_listener),
		cmocka_unit_test(a_listener_that_stays_keeps_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
