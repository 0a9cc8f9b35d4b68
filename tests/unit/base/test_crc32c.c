/* SPDX-License-Identifier: BSD-2-Clause */
/* user/base/crc32c.c: the vectors of RFC 3720, appendix B.4, and every cut of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"

static uint32_t of(const void *bytes, size_t n)
{
	return ~crc32c_update(~0u, bytes, n);
}

static void vectors(void **state)
{
	uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (uint8_t i = 0; i < 32; i++) {
		up[i] = i;
		down[i] = 31 - i;
	}
	assert_int_equal(of("", 0), 0);
	assert_int_equal(of("123456789", 9), 0xe3069283);
	assert_int_equal(of(zeros, 32), 0x8a9136aa);
	assert_int_equal(of(ones, 32), 0x62a8ab43);
	assert_int_equal(of(up, 32), 0x46dd794e);
	assert_int_equal(of(down, 32), 0x113fdb5c);
}

static void pieces_are_the_whole(void **state)
{
	static const uint8_t text[] = "123456789";

	(void)state;
	for (size_t cut = 0; cut <= 9; cut++) {
		uint32_t crc = crc32c_update(~0u, text, cut);

		assert_int_equal(~crc32c_update(crc, text + cut, 9 - cut), 0xe3069283);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(pieces_are_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
