/* SPDX-License-Identifier: BSD-2-Clause */
/* config_table.c: every row meets what the other files expect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "config/config_options.h"

#define for_each_option(opt)                                \
	for (const struct option_def *opt = config_options; \
	     opt < config_options + config_options_count; opt++)

static void names_are_distinct_and_fit_on_a_flag(void **state)
{
	assert_in_range(config_options_count, 60, CONFIG_OPTIONS_MAX);
	for_each_option(a)
	{
		size_t len = strlen(a->name);

		assert_in_range(len, 1, 40);
		for (const char *c = a->name; *c; c++)
			assert_true(islower(*c) || isdigit(*c) || *c == '-');
		assert_true(islower(a->name[0]));
		/* The first of its name: the row itself, if there is no other. */
		assert_ptr_equal(option_find(a->name, len), a);
		/* Names of the file's own keys. */
		assert_string_not_equal(a->name, "certs");
		assert_string_not_equal(a->name, "listeners");
		assert_string_not_equal(a->name, "apps");
		assert_string_not_equal(a->name, "routes");
		assert_string_not_equal(a->name, "help");
	}
}

static bool is_of_app(const struct option_def *opt)
{
	return opt->scope == OPTION_OF_APP || opt->scope == OPTION_OF_ENTRY;
}

static size_t size_of(const struct option_def *opt)
{
	static const size_t sizes[] = {
		[OPTION_ADDR] = sizeof(union addr),
		[OPTION_NUMBER] = sizeof(uint32_t),
		[OPTION_WORD] = sizeof(unsigned),
		[OPTION_WORDS] = sizeof(unsigned),
		[OPTION_BOOL] = sizeof(bool),
		[OPTION_PATH] = sizeof(char *),
		[OPTION_CIDRS] = sizeof(struct conf_cidrs),
		[OPTION_NAMES] = sizeof(struct conf_names),
		[OPTION_CERT] = sizeof(struct conf_cert *),
		[OPTION_APP] = sizeof(struct conf_names),
		[OPTION_SERVERS] = sizeof(struct conf_servers),
		[OPTION_TEXT] = sizeof(char *),
		[OPTION_RANGE] = sizeof(struct conf_range),
		[OPTION_MODE] = sizeof(unsigned),
	};

	return sizes[opt->kind];
}

enum home { OF_CONF, OF_LISTENER, OF_ROUTE, OF_APP };

static enum home home_of(const struct option_def *opt)
{
	if (is_of_app(opt))
		return OF_APP;
	if (opt->scope == OPTION_OF_ROUTE)
		return OF_ROUTE;
	return opt->scope == OPTION_GLOBAL ? OF_CONF : OF_LISTENER;
}

static size_t size_of_home(const struct option_def *opt)
{
	static const size_t sizes[] = {
		[OF_CONF] = sizeof(struct conf),
		[OF_LISTENER] = sizeof(struct conf_listener),
		[OF_ROUTE] = sizeof(struct conf_route),
		[OF_APP] = sizeof(struct conf_app),
	};

	return sizes[home_of(opt)];
}

static bool share_a_list(const struct option_def *a, const struct option_def *b)
{
	return a->kind == b->kind && (a->kind == OPTION_CERT || a->kind == OPTION_SERVERS);
}

/* Overlapping fields would overwrite each other. */
static void fields_do_not_overlap(void **state)
{
	for_each_option(a)
	{
		assert_true(a->offset + size_of(a) <= size_of_home(a));
		for_each_option(b)
		{
			if (a == b || home_of(a) != home_of(b) || share_a_list(a, b))
				continue;
			assert_true(a->offset + size_of(a) <= b->offset ||
				    b->offset + size_of(b) <= a->offset);
		}
	}
}

static void every_default_is_one_of_its_own_values(void **state)
{
	for_each_option(opt)
	{
		_cleanup_(conf_freep)
		struct conf *conf = calloc(1, sizeof(*conf));
		_cleanup_(conf_listener_clear)
		struct conf_listener l = {0};
		_cleanup_(conf_app_clear)
		struct conf_app app = {0};
		void *base = is_of_app(opt)                ? (void *)&app
			     : opt->scope == OPTION_GLOBAL ? (void *)conf
							   : &l;
		char why[WHY_MAX] = "";

		assert_non_null(conf);
		/* It has a default, or a text for having none, or it must be given. */
		assert_false(opt->text && opt->without);
		if (opt->text && option_set(opt, base, opt->offset, opt->text, 0, why))
			fail_msg("%s: %s", opt->name, why);
	}
	assert_null(option_find("app", 3)->text);
	assert_null(option_find("app", 3)->without);
}

static void each_kind_has_what_it_needs(void **state)
{
	for_each_option(opt)
	{
		size_t words = 0;

		while (words <= OPTION_WORDS_MAX && opt->words[words])
			words++;
		assert_true(words <= OPTION_WORDS_MAX);
		/* The usage shows either the words or the argument. */
		assert_int_equal(words > 0, !opt->arg);
		assert_int_equal(words > 0, opt->kind == OPTION_WORD || opt->kind == OPTION_WORDS ||
						    opt->kind == OPTION_BOOL);
		if (opt->kind == OPTION_BOOL)
			assert_int_equal(words, 2);
		if (opt->kind == OPTION_NUMBER || opt->kind == OPTION_PATH ||
		    opt->kind == OPTION_NAMES || opt->kind == OPTION_CERT)
			assert_true(opt->max > opt->min);
		if (opt->off_allowed)
			assert_non_null(strstr(opt->arg, "|off"));
		/* config_diff() can restore only these. */
		if (opt->restart)
			assert_true(opt->kind != OPTION_CIDRS && opt->kind != OPTION_CERT);
	}
}

/* No capital letter and no full stop: the usage appends to it. */
static void help_is_one_sentence(void **state)
{
	for_each_option(opt)
	{
		size_t len = strlen(opt->help);

		assert_in_range(len, 10, 400);
		assert_false(ispunct(opt->help[len - 1]) && opt->help[len - 1] != ')');
		assert_null(strchr(opt->help, '\n'));
		assert_null(strstr(opt->help, "  "));
		/* A bar would end a cell of the table in docs/configuration.md. */
		assert_null(strchr(opt->help, '|'));
	}
}

/* Only --listen starts a listener. */
static void one_option_begins_a_listener(void **state)
{
	size_t count = 0;

	for_each_option(opt) count += opt->scope == OPTION_LISTEN;
	assert_int_equal(count, 1);
	assert_int_equal(option_find("listen", 6)->scope, OPTION_LISTEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_distinct_and_fit_on_a_flag),
		cmocka_unit_test(fields_do_not_overlap),
		cmocka_unit_test(every_default_is_one_of_its_own_values),
		cmocka_unit_test(each_kind_has_what_it_needs),
		cmocka_unit_test(help_is_one_sentence),
		cmocka_unit_test(one_option_begins_a_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
