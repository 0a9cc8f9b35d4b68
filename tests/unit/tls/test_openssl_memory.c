/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/openssl_memory.c: what is wiped when OpenSSL frees or moves it; and it must be first. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

static uint8_t seen[4096]; /* of the last block that was freed, as it was then */
static size_t seen_len;
static unsigned frees;
static bool no_memory;
static int late; /* status of a process that was too late; 0 if it was told so */

static void watched_free(void *p);

#define free      watched_free
#define malloc(n) (no_memory ? NULL : malloc(n))
#include "tls/openssl_memory.c"
#undef free
#undef malloc

static void watched_free(void *p)
{
	frees++;
	seen_len = p ? malloc_usable_size(p) : 0;
	seen_len = seen_len < sizeof(seen) ? seen_len : sizeof(seen);
	if (p)
		memcpy(seen, p, seen_len);
	free(p);
}

static bool is_wiped(void)
{
	for (size_t i = 0; i < seen_len; i++)
		if (seen[i])
			return false;
	return true;
}

static void blocks_that_are_freed(void **state)
{
	static const size_t sizes[] = {1, 500, OPENSSL_MEMORY_WIPED, 3000, 4096};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *p = OPENSSL_malloc(sizes[i]);

		memset(p, 's', sizes[i]);
		frees = 0;
		OPENSSL_free(p);
		assert_int_equal(frees, 1);
		assert_true(seen_len >= sizes[i]);
		assert_int_equal(is_wiped(), sizes[i] >= OPENSSL_MEMORY_WIPED);
	}
	OPENSSL_free(NULL);
}

static void blocks_that_grow(void **state)
{
	uint8_t *p = OPENSSL_malloc(1000);

	memset(p, 's', 1000);
	frees = 0;
	p = OPENSSL_realloc(p, 3000);
	assert_int_equal(frees, 1);
	assert_true(is_wiped());
	for (int i = 0; i < 1000; i++)
		assert_int_equal(p[i], 's');
	p = OPENSSL_realloc(p, 2000); /* stays */
	assert_int_equal(frees, 1);
	assert_int_equal(p[999], 's');
	no_memory = true;
	assert_null(OPENSSL_realloc(p, 5000));
	no_memory = false;
	assert_int_equal(frees, 1);
	assert_int_equal(p[999], 's');
	OPENSSL_free(p);
}

/* Once OpenSSL has given out memory of its own. */
static void too_late(void **state)
{
	assert_int_equal(late, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_that_are_freed),
		cmocka_unit_test(blocks_that_grow),
		cmocka_unit_test(too_late),
	};

	pid_t child = fork();

	if (!child) {
		OPENSSL_free(OPENSSL_malloc(1));
		_exit(openssl_memory_init());
	}
	if (waitpid(child, &late, 0) != child || !openssl_memory_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
