/* SPDX-License-Identifier: BSD-2-Clause */
/* brief.c: objects do not overlap, and pages with none on them go back to the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static unsigned mapped; /* blocks there are */
static bool no_memory;

static void *map(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (no_memory)
		return MAP_FAILED;
	mapped++;
	return mmap(at, len, prot, flags, fd, offset);
}

static int unmap(void *p, size_t len)
{
	mapped--;
	return munmap(p, len);
}

/* The pages themselves, although the test is built with the address sanitizer. */
#define BRIEF_MALLOC false
#define mmap         map
#define munmap       unmap
#include "user/base/brief.c"
#undef mmap
#undef munmap

#define SIZE  1744
#define MANY  1000
#define COUNT 9 /* so many of this size are on the pages of a block */

static bool is_zero(const uint8_t *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

/* Takes one and fills it with `byte`. */
static uint8_t *take(struct brief *b, size_t size, int byte)
{
	uint8_t *p = brief_take(b, size);

	assert_non_null(p);
	assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
	assert_true(is_zero(p, size));
	memset(p, byte, size);
	return p;
}

/* Gives one back that still has what take() wrote. */
static void give(uint8_t *p, size_t size, int byte)
{
	assert_int_equal(p[0], (uint8_t)byte);
	assert_memory_equal(p, p + 1, size - 1);
	brief_give(p);
}

static void objects_are_zeroed_and_apart(void **state)
{
	static const size_t sizes[] = {1, 16, 96, 280, SIZE, 4096};
	struct brief b = {0};
	uint8_t *p[MANY];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++)
			p[i] = take(&b, sizes[i % 6], i);
		for (int i = 0; i < MANY; i += 2)
			give(p[i], sizes[i % 6], i);
		for (int i = 0; i < MANY; i += 2)
			p[i] = take(&b, sizes[i % 6], i + 1);
		for (int i = 0; i < MANY; i++)
			give(p[i], sizes[i % 6], i + (i % 2 == 0));
	}
	brief_fini(&b);
	assert_int_equal(mapped, 0);
}

static void pages_go_back_but_for_one_block(void **state)
{
	struct brief b = {0};
	uint8_t *p[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		p[i] = take(&b, SIZE, i);
	assert_int_equal(mapped, (MANY + COUNT - 1) / COUNT);
	for (int i = 0; i < MANY; i++)
		give(p[i], SIZE, i);
	assert_int_equal(mapped, 1);
	brief_fini(&b);
	assert_int_equal(mapped, 0);
}

/* Around the size of a block, and around none at all: the kernel is not asked again and again. */
static void the_spare_block_is_used_again(void **state)
{
	struct brief b = {0};
	uint8_t *p[COUNT], *more;

	(void)state;
	brief_give(take(&b, SIZE, 1));
	assert_int_equal(mapped, 1);
	no_memory = true;
	for (int i = 0; i < COUNT; i++)
		p[i] = take(&b, SIZE, i);
	no_memory = false;
	for (int i = 0; i < 2; i++) {
		more = take(&b, SIZE, 1);
		assert_int_equal(mapped, 2);
		brief_give(more);
		no_memory = true;
	}
	no_memory = false;
	for (int i = 0; i < COUNT; i++)
		give(p[i], SIZE, i);
	assert_int_equal(mapped, 1);
	brief_fini(&b);
}

/* One that stays keeps its own block, and the others go. */
static void one_that_stays_keeps_one_block(void **state)
{
	struct brief b = {0};
	uint8_t *p[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		p[i] = take(&b, SIZE, i);
	for (int i = MANY - 1; i >= 0; i--)
		if (i != MANY / 2)
			give(p[i], SIZE, i);
	assert_int_equal(mapped, 2); /* and the spare */
	give(p[MANY / 2], SIZE, MANY / 2);
	brief_fini(&b);
	assert_int_equal(mapped, 0);
}

/* Those that come later go where others are, so that the emptiest blocks get empty. */
static void blocks_in_use_are_filled_first(void **state)
{
	struct brief b = {0};
	uint8_t *p[3 * COUNT];

	(void)state;
	for (int i = 0; i < 3 * COUNT; i++)
		p[i] = take(&b, SIZE, i);
	for (int i = 0; i < 3 * COUNT; i++)
		if (i % COUNT) /* one stays in each */
			give(p[i], SIZE, i);
	for (int i = 1; i < COUNT; i++)
		p[i] = take(&b, SIZE, i);
	give(p[COUNT], SIZE, COUNT);
	give(p[2 * COUNT], SIZE, 2 * COUNT);
	assert_int_equal(mapped, 2);
	for (int i = 0; i < COUNT; i++)
		give(p[i], SIZE, i);
	brief_fini(&b);
	assert_int_equal(mapped, 0);
}

static void what_has_no_class_comes_from_malloc(void **state)
{
	struct brief b = {0};

	(void)state;
	give(take(NULL, SIZE, 7), SIZE, 7);
	give(take(&b, 5000, 7), 5000, 7); /* too large */
	assert_int_equal(mapped, 0);
	for (size_t i = 0; i < BRIEF_CLASSES + 2; i++)
		give(take(&b, 16 * (i + 1), 7), 16 * (i + 1), 7);
	assert_int_equal(mapped, BRIEF_CLASSES);
	brief_give(NULL);
	brief_fini(&b);
	assert_int_equal(mapped, 0);
}

static void no_memory_is_said(void **state)
{
	struct brief b = {0};

	(void)state;
	no_memory = true;
	assert_null(brief_take(&b, SIZE));
	no_memory = false;
	brief_give(take(&b, SIZE, 1));
	brief_fini(&b);
	assert_int_equal(mapped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_zeroed_and_apart),
		cmocka_unit_test(pages_go_back_but_for_one_block),
		cmocka_unit_test(the_spare_block_is_used_again),
		cmocka_unit_test(one_that_stays_keeps_one_block),
		cmocka_unit_test(blocks_in_use_are_filled_first),
		cmocka_unit_test(what_has_no_class_comes_from_malloc),
		cmocka_unit_test(no_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
