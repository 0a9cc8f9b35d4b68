/* SPDX-License-Identifier: BSD-2-Clause */
/* alpn.c: lists of protocols in wire form, and the one that is shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "tests/lib/no_memory.h"
#include "tls/alpn.h"

#define WIRE(text) (const uint8_t *)(text), sizeof(text) - 1

static struct alpn_list list_of(enum conf_mode mode, size_t count, ...)
{
	struct alpn_list list = {0};
	char *names[4];
	va_list args;

	va_start(args, count);
	for (size_t i = 0; i < count; i++)
		names[i] = va_arg(args, char *);
	va_end(args);
	assert_int_equal(
		alpn_list_make(&list, &(struct conf_names){.set = names, .count = count}, mode), 0);
	return list;
}

static void lists_are_in_wire_form(void **state)
{
	struct alpn_list list = list_of(MODE_TCP, 2, "h2", "imap");

	(void)state;
	assert_int_equal(list.len, 8);
	assert_memory_equal(list.wire, "\x02h2\x04imap", 8);
	alpn_list_clear(&list);
	assert_null(list.wire);
	assert_int_equal(list.len, 0);
}

static void what_a_mode_has_by_itself(void **state)
{
	struct alpn_list list = list_of(MODE_HTTP, 0);

	(void)state;
	assert_int_equal(list.len, 18);
	assert_memory_equal(list.wire, "\x08http/1.1\x08http/1.0", 18);
	alpn_list_clear(&list);
	list = list_of(MODE_HTTP, 1, "http/1.1");
	assert_int_equal(list.len, 9);
	alpn_list_clear(&list);
	list = list_of(MODE_TCP, 0);
	assert_int_equal(list.len, 0);
	alpn_list_clear(&list);
}

static void the_longest_name(void **state)
{
	char name[256];
	struct alpn_list list;

	(void)state;
	memset(name, 'x', 255);
	name[255] = '\0';
	list = list_of(MODE_TCP, 2, name, "h2");
	assert_int_equal(list.len, 256 + 3);
	assert_int_equal(list.wire[0], 255);
	alpn_list_clear(&list);
}

static void our_order_decides(void **state)
{
	struct alpn_list list = list_of(MODE_TCP, 2, "h2", "http/1.1");
	const uint8_t *out = NULL;
	uint8_t len = 0;

	(void)state;
	assert_true(alpn_select(&list, WIRE("\x08http/1.1\x02h2"), &out, &len));
	assert_int_equal(len, 2);
	assert_memory_equal(out, "h2", 2);
	assert_true(alpn_select(&list, WIRE("\x03h2c\x08http/1.1"), &out, &len));
	assert_int_equal(len, 8);
	alpn_list_clear(&list);
}

static void nothing_is_shared(void **state)
{
	struct alpn_list list = list_of(MODE_TCP, 1, "h2");
	const uint8_t *out = NULL;
	uint8_t len = 0;

	(void)state;
	/* Part of a name, more than a name, other letters, a NUL, within another name. */
	assert_false(alpn_select(&list, WIRE("\x01h"), &out, &len));
	assert_false(alpn_select(&list, WIRE("\x03h2c"), &out, &len));
	assert_false(alpn_select(&list, WIRE("\x02H2"), &out, &len));
	assert_false(alpn_select(&list, WIRE("\x03h2\0"), &out, &len));
	assert_false(alpn_select(&list, WIRE("\x04\x02h2x"), &out, &len));
	/* A length beyond the end of the list. */
	assert_false(alpn_select(&list, WIRE("\x02h"), &out, &len));
	assert_false(alpn_select(&list, WIRE("\xff\x02h2"), &out, &len));
	alpn_list_clear(&list);
	assert_false(alpn_select(&list, WIRE("\x02h2"), &out, &len));
}

static void without_memory(void **state)
{
	struct conf_names names = {.set = (char *[]){(char *)"a", (char *)"b"}, .count = 2};

	(void)state;
	for (int at = 0; at < 2; at++) {
		struct alpn_list list = {0};
		int r;

		no_memory_after = at;
		r = alpn_list_make(&list, &names, MODE_TCP);
		no_memory_after = -1;
		assert_int_equal(r, -ENOMEM);
		assert_null(list.wire);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_in_wire_form),
		cmocka_unit_test(what_a_mode_has_by_itself),
		cmocka_unit_test(the_longest_name),
		cmocka_unit_test(our_order_decides),
		cmocka_unit_test(nothing_is_shared),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
