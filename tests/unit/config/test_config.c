/* SPDX-License-Identifier: BSD-2-Clause */
/* config.c: everything is freed (the sanitizer checks), and nothing twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"

static void fill_listener(struct conf_listener *l)
{
	l->trust.set = calloc(2, sizeof(*l->trust.set));
	l->trust.count = 2;
	l->certs = calloc(3, sizeof(*l->certs));
	l->certs_count = 3;
	l->certs[0] = (struct conf_cert){strdup("c"), strdup("k"), strdup("o")};
	l->certs[1].cert = strdup("half a pair");
}

static void fill_names(struct conf_names *names)
{
	names->set = calloc(2, sizeof(*names->set));
	names->set[0] = strdup("a");
	names->set[1] = strdup("b");
	names->count = 2;
}

static void a_listener_is_empty_afterwards(void **state)
{
	static const struct conf_listener empty;
	struct conf_listener l = {.tls = true, .connections_max = 7};

	fill_listener(&l);
	conf_listener_clear(&l);
	assert_memory_equal(&l, &empty, sizeof(l));
	conf_listener_clear(&l);
}

/* For a listener without TLS. The other fields stay. */
static void certificates_go_alone(void **state)
{
	struct conf_listener l = {.tls = true, .connections_max = 7};

	fill_listener(&l);
	conf_listener_clear_certs(&l);
	assert_null(l.certs);
	assert_int_equal(l.certs_count, 0);
	assert_int_equal(l.trust.count, 2);
	assert_int_equal(l.connections_max, 7);
	conf_listener_clear_certs(&l);
	conf_listener_clear(&l);
}

static void names_are_empty_afterwards(void **state)
{
	struct conf_names names = {0};

	conf_names_clear(&names);
	fill_names(&names);
	conf_names_clear(&names);
	assert_null(names.set);
	assert_int_equal(names.count, 0);
}

static void every_field_is_freed(void **state)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	char **texts[] = {&conf->file,    &conf->app_cgroup, &conf->cgroup,      &conf->pin,
			  &conf->control, &conf->access_log, &conf->ticket_keys, &conf->user};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = strdup("x");
	conf->xff_trust.set = calloc(1, sizeof(*conf->xff_trust.set));
	fill_names(&conf->guard.interfaces);
	conf->listeners = calloc(2, sizeof(*conf->listeners));
	conf->listeners_count = 2;
	fill_listener(&conf->listeners[1]);
	config_free(conf);
}

static void nothing_is_freed_too(void **state)
{
	_cleanup_(conf_freep)
	struct conf *none = NULL;

	config_free(NULL);
	config_free(calloc(1, sizeof(*none)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_is_empty_afterwards),
		cmocka_unit_test(certificates_go_alone),
		cmocka_unit_test(names_are_empty_afterwards),
		cmocka_unit_test(every_field_is_freed),
		cmocka_unit_test(nothing_is_freed_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
