/* SPDX-License-Identifier: BSD-2-Clause */
/* config_schema.c: the keys of a file as a JSON schema. test_schema.py judges files by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "config/config_keys.h"
#include "config/config_schema.h"
#include "tests/lib/loading.h"

static const char *const levels[] = {
	[LEVEL_LISTENER] = "listener", [LEVEL_ROUTE] = "route", [LEVEL_CERT] = "cert",
	[LEVEL_APP] = "app",           [LEVEL_CHECK] = "check",
};

static char *written(void)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	assert_int_equal(config_write_schema(to), 0);
	fclose(to);
	return text;
}

static void the_file_of_the_tree_is_ours(void **state)
{
	_cleanup_(freep)
	char *theirs = read_tree("dist/kedge.schema.json"), *ours = written();

	/* If this fails, run `make reference`. */
	assert_string_equal(theirs, ours);
}

/* Each level has the keys that kedge takes there, and no others. */
static void every_key_is_at_its_levels(void **state)
{
	_cleanup_(freep)
	char *text = written();
	json_t *whole = json_loads(text, 0, NULL);

	assert_non_null(whole);
	for (enum config_level level = LEVEL_TOP; level <= LEVEL_CHECK; level++) {
		json_t *at = level == LEVEL_TOP
				     ? whole
				     : json_object_get(json_object_get(whole, "definitions"),
						       levels[level]);
		json_t *keys = json_object_get(at, "properties");
		size_t count = 0;

		assert_true(json_is_false(json_object_get(at, "additionalProperties")));
		for (size_t key = 0; key < KEYS_MAX; key++) {
			const char *name = key_name(level, key);

			count += !!name;
			if (name)
				assert_non_null(json_object_get(json_object_get(keys, name),
								"description"));
		}
		assert_true(count > 0);
		assert_int_equal(json_object_size(keys), count);
	}
	json_decref(whole);
}

static void a_full_disk_is_an_error(void **state)
{
	FILE *to = fopen("/dev/full", "w");

	assert_non_null(to);
	setvbuf(to, NULL, _IONBF, 0);
	assert_int_equal(config_write_schema(to), -EIO);
	fclose(to);
}

static size_t left;

static void *scarce(size_t len)
{
	return left && left-- ? malloc(len) : NULL;
}

/* Without memory there is an error and no half of a schema. */
static void no_memory_is_an_error(void **state)
{
	_cleanup_(freep)
	char *text = NULL;
	size_t len, tried = 0;
	int err = -ENOMEM;

	for (size_t n = 0; err == -ENOMEM; n += 97, tried++) {
		FILE *to = open_memstream(&text, &len);

		assert_non_null(to);
		left = n;
		json_set_alloc_funcs(scarce, free);
		err = config_write_schema(to);
		json_set_alloc_funcs(malloc, free);
		fclose(to);
		assert_true(!err || err == -EIO || !len);
		if (err)
			free(take_ptr(text));
	}
	assert_true(tried > 10);
	assert_true(err == 0 || err == -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_of_the_tree_is_ours),
		cmocka_unit_test(every_key_is_at_its_levels),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests_name("config_schema", tests, NULL, NULL);
}
