/* SPDX-License-Identifier: BSD-2-Clause */
/* client_hello.c: extensions of a ClientHello, well-formed and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/guard.h"
#include "tls/client_hello.h"

typedef enum hello_fault (*read_fn)(struct hello_part *out, const uint8_t *body, size_t len);

/* The bytes end at a page that cannot be read. */
static enum hello_fault read_at_guard(read_fn read, struct hello_part *out, const void *body,
				      size_t len)
{
	static uint8_t kept[300];
	struct guard g = {0};
	enum hello_fault fault;

	guard_new(&g, body, len, GUARD_AFTER);
	fault = read(out, g.data, len);
	if (fault == HELLO_FINE) {
		assert_true(out->bytes >= g.data && out->len <= len);
		memcpy(kept, out->bytes, out->len);
		out->bytes = kept;
	}
	guard_free(&g);
	return fault;
}

#define READ(fn, out, text) read_at_guard(fn, out, text, sizeof(text) - 1)

static void names(void **state)
{
	struct hello_part got;

	(void)state;
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x09\0\0\x06"
			      "a.test"),
			 HELLO_FINE);
	assert_int_equal(got.len, 6);
	assert_memory_equal(got.bytes, "a.test", 6);
	assert_int_equal(READ(hello_read_name, &got, "\0\x03\0\0\0"), HELLO_FINE);
	assert_int_equal(got.len, 0);
}

static void malformed_names(void **state)
{
	struct hello_part got;

	(void)state;
	assert_int_equal(READ(hello_read_name, &got, ""), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_name, &got, "\0"), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_name, &got, "\0\0"), HELLO_MALFORMED); /* no name */
	assert_int_equal(READ(hello_read_name, &got, "\0\x01\0"), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_name, &got, "\0\x02\0\0"), HELLO_MALFORMED);
	/* Another type of name. */
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x04\x01\0\x01"
			      "a"),
			 HELLO_MALFORMED);
	/* Lengths that say too much or too little. */
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x05\0\0\x01"
			      "a"),
			 HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x03\0\0\x01"
			      "a"),
			 HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x04\0\0\x02"
			      "a"),
			 HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x04\0\0\0"
			      "a"),
			 HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x04\0\xff\xff"
			      "a"),
			 HELLO_MALFORMED);
	/* Two names: RFC 6066 allows one of each type. */
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x08\0\0\x01"
			      "a\0\0\x01"
			      "b"),
			 HELLO_MALFORMED);
}

static void names_that_no_host_has(void **state)
{
	uint8_t body[5 + HELLO_NAME_MAX + 1] = {0};
	struct hello_part got;

	(void)state;
	assert_int_equal(READ(hello_read_name, &got,
			      "\0\x06\0\0\x03"
			      "a\0b"),
			 HELLO_NO_NAME);
	assert_int_equal(READ(hello_read_name, &got, "\0\x04\0\0\x01\0"), HELLO_NO_NAME);
	memset(body + 5, 'a', sizeof(body) - 5);
	for (size_t len = HELLO_NAME_MAX; len <= HELLO_NAME_MAX + 1; len++) {
		body[0] = (uint8_t)((len + 3) >> 8);
		body[1] = (uint8_t)(len + 3);
		body[3] = (uint8_t)(len >> 8);
		body[4] = (uint8_t)len;
		assert_int_equal(read_at_guard(hello_read_name, &got, body, len + 5),
				 len > HELLO_NAME_MAX ? HELLO_NO_NAME : HELLO_FINE);
	}
	assert_int_equal(got.len, HELLO_NAME_MAX);
}

static void versions(void **state)
{
#define HIGHEST(text) hello_highest_version((const uint8_t *)(text), sizeof(text) - 1)
	(void)state;
	assert_int_equal(HIGHEST("\x02\x03\x03"), 0x0303);
	assert_int_equal(HIGHEST("\x06\x03\x02\x03\x04\x03\x03"), 0x0304);
	assert_int_equal(HIGHEST("\x06\x7a\x7a\x03\x03\x05\x05"), 0x0303); /* GREASE, a later one */
	assert_int_equal(HIGHEST("\x02\x7a\x7a"), 0);
	/* No version, or lengths that are wrong. */
	assert_int_equal(HIGHEST(""), 0);
	assert_int_equal(HIGHEST("\0"), 0);
	assert_int_equal(HIGHEST("\x01\x03"), 0);
	assert_int_equal(HIGHEST("\x03\x03\x03\x03"), 0);
	assert_int_equal(HIGHEST("\x04\x03\x03"), 0);
	assert_int_equal(HIGHEST("\x02\x03\x03\x03\x04"), 0);
}

static void protocols(void **state)
{
	struct hello_part got;

	(void)state;
	assert_int_equal(READ(hello_read_protocols, &got, "\0\x0c\x02h2\x08http/1.1"), HELLO_FINE);
	assert_int_equal(got.len, 12);
	assert_memory_equal(got.bytes, "\x02h2\x08http/1.1", 12);
}

static void malformed_protocols(void **state)
{
	struct hello_part got;

	(void)state;
	assert_int_equal(READ(hello_read_protocols, &got, ""), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_protocols, &got, "\0\0"), HELLO_MALFORMED);
	/* Empty entries: first, between, last, alone. */
	assert_int_equal(READ(hello_read_protocols, &got, "\0\x04\0\x02h2"), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_protocols, &got, "\0\x07\x02h2\0\x02h3"), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_protocols, &got, "\0\x04\x02h2\0"), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_protocols, &got, "\0\x01\0"), HELLO_MALFORMED);
	/* An entry past the end; a list longer or shorter than it says. */
	assert_int_equal(READ(hello_read_protocols, &got, "\0\x03\x03h2"), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_protocols, &got, "\0\x04\x02h2"), HELLO_MALFORMED);
	assert_int_equal(READ(hello_read_protocols, &got, "\0\x03\x02h2\x01"), HELLO_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(malformed_names),
		cmocka_unit_test(names_that_no_host_has),
		cmocka_unit_test(versions),
		cmocka_unit_test(protocols),
		cmocka_unit_test(malformed_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
