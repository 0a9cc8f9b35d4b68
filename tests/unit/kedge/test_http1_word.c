/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge/http1_word.h: eight bytes at a time give what the bytes give one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "kedge/http1.h"
#include "tests/lib/random.h"

typedef bool is_fn(uint8_t b);

static bool is_name(uint8_t b)
{
	return b < 128 && (isalpha(b) || b == '-');
}

static bool is_host(uint8_t b)
{
	return b < 128 && (isalnum(b) || b == '-' || b == '.');
}

static bool ends_value(uint8_t b)
{
	return b < 0x20 || b == 0x7f;
}

static bool ends_path(uint8_t b)
{
	return b <= 0x20 || b >= 0x7f || b == '#';
}

static bool is_colon(uint8_t b)
{
	return b == ':';
}

static __u64 mark_colons(__u64 word)
{
	return http1_equal(word, ':');
}

/* `exact`: each mark is right. Otherwise only the first one is, which is all that callers use. */
static const struct {
	const char *name;
	__u64 (*marks)(__u64 word);
	is_fn *is;
	bool exact;
} sets[] = {
	{"name", http1_name_bytes, is_name, true},
	{"host", http1_host_bytes, is_host, true},
	{"end of value", http1_value_ends, ends_value, false},
	{"end of path", http1_path_ends, ends_path, false},
	{"colon", mark_colons, is_colon, false},
};
#define SETS (sizeof(sets) / sizeof(*sets))

static void check(size_t set, const uint8_t bytes[8])
{
	__u64 marks = sets[set].marks(http1_load8(bytes));
	unsigned first = 8;

	assert_int_equal(marks & ~HTTP1_HIGHS, 0);
	for (unsigned i = 8; i-- > 0;)
		if (sets[set].is(bytes[i]))
			first = i;
	if (http1_before(marks) != first)
		fail_msg("%s: first at %u, not %u", sets[set].name, http1_before(marks), first);
	for (unsigned i = 0; i < 8 && sets[set].exact; i++)
		if ((marks >> (8 * i + 7) & 1) != sets[set].is(bytes[i]))
			fail_msg("%s: byte %u = %#x", sets[set].name, i, bytes[i]);
}

/* Each byte at each place, beside bytes at which a carry or a borrow may go wrong. */
static void every_byte_at_every_place(void **state)
{
	static const uint8_t others[] = {0,   1,    0x1f, 0x20, 0x21, '#',  ',',  '-',  '.', '/',
					 '0', '9',  ':',  '@',  'A',  'Z',  '[',  '`',  'a', 'z',
					 '{', 0x7e, 0x7f, 0x80, 0x81, 0xad, 0xaf, 0xe1, 0xff};
	uint8_t bytes[8];

	for (size_t set = 0; set < SETS; set++)
		for (size_t other = 0; other < sizeof(others); other++)
			for (unsigned at = 0; at < 8; at++)
				for (int b = 0; b < 256; b++) {
					memset(bytes, others[other], sizeof(bytes));
					bytes[at] = (uint8_t)b;
					check(set, bytes);
				}
}

static void random_words(void **state)
{
	uint32_t x = 521288629;
	uint8_t bytes[8];

	for (int i = 0; i < 200000; i++) {
		for (int k = 0; k < 8; k++)
			bytes[k] = (uint8_t)(random_next(&x) >> 7);
		check((size_t)i % SETS, bytes);
	}
}

static void bytes_before_a_mark(void **state)
{
	assert_int_equal(http1_before(0), 8);
	assert_int_equal(http1_before(HTTP1_HIGHS), 0);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(http1_before(0x80ULL << 8 * i), i);
		/* Marks behind the first do not matter. */
		assert_int_equal(http1_before(HTTP1_HIGHS << 8 * i), i);
	}
}

/* Every bound that http1_below() may have. */
static void bytes_below_a_bound(void **state)
{
	for (unsigned bound = 0; bound <= 0x80; bound++)
		for (int b = 0; b < 256; b++) {
			__u64 word = HTTP1_ONES * (__u64)b;

			assert_int_equal(http1_before(http1_below(word, (__u8)bound)),
					 b < (int)bound ? 0 : 8);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_at_every_place),
		cmocka_unit_test(random_words),
		cmocka_unit_test(bytes_before_a_mark),
		cmocka_unit_test(bytes_below_a_bound),
	};

	return cmocka_run_group_tests_name("http1_word", tests, NULL, NULL);
}
