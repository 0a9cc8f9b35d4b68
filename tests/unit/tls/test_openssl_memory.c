/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/openssl_memory.c: what libssl frees is wiped; and it must be first. */
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
#include <openssl/ssl.h>

static const void *watched;       /* a block that is about to be freed */
static bool was_freed, was_wiped; /* it */
static int late;                  /* status of a process that was too late; 0 if it was told so */

static void watched_free(void *p);

#define free watched_free
#include "tls/openssl_memory.c"
#undef free

static void watched_free(void *p)
{
	const uint8_t *bytes = p;
	size_t i = 0, n = malloc_usable_size(p);

	if (p && p == watched) {
		while (i < n && !bytes[i])
			i++;
		was_freed = true;
		was_wiped = i == n;
	}
	free(p);
}

static void watch(const void *p)
{
	watched = p;
	was_freed = was_wiped = false;
}

static void an_ssl_object(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl = SSL_new(ctx);

	assert_non_null(ssl);
	watch(ssl);
	SSL_free(ssl);
	assert_true(was_freed && was_wiped);
	watch(ctx);
	SSL_CTX_free(ctx);
	assert_true(was_freed && was_wiped);
}

/* A call from elsewhere, such as this one. */
static void other_blocks(void **state)
{
	uint8_t *p = OPENSSL_malloc(4000);

	memset(p, 's', 4000);
	watch(p);
	OPENSSL_free(p);
	assert_true(was_freed && !was_wiped);
	OPENSSL_free(NULL);
}

/* As if libssl were elsewhere, and as if nothing were loaded. */
static void libssl_that_is_not_seen(void **state)
{
	static struct dl_phdr_info none;

	assert_int_equal(find(&none, sizeof(none), NULL), 0);
	libssl.len = 0;
	was_seen = false;
	SSL_CONF_CTX_free(SSL_CONF_CTX_new());
	assert_false(was_seen);
	assert_int_equal(dl_iterate_phdr(find, NULL), 1);
}

/* Once OpenSSL has given out memory of its own. */
static void too_late(void **state)
{
	assert_int_equal(late, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ssl_object),
		cmocka_unit_test(other_blocks),
		cmocka_unit_test(libssl_that_is_not_seen),
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
