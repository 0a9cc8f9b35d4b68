/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/openssl_memory.c: an SSL object is wiped when it is freed; and it must be first. */
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

static unsigned frees, dirty; /* blocks, and those of them that were not wiped */
static int late;              /* status of a process that was too late; 0 if it was told so */

static void watched_free(void *p);

#define free watched_free
#include "tls/openssl_memory.c"
#undef free

static void watched_free(void *p)
{
	const uint8_t *bytes = p;
	size_t i = 0, n = malloc_usable_size(p);

	while (i < n && !bytes[i])
		i++;
	frees += p != NULL;
	dirty += i < n;
	free(p);
}

static void an_ssl_object(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl = SSL_new(ctx);

	assert_non_null(ssl);
	assert_int_equal(SSL_set_tlsext_host_name(ssl, "name.example"), 1);
	frees = dirty = 0;
	openssl_memory_free(ssl);
	assert_true(frees >= 3); /* the object and its parts */
	assert_int_equal(dirty, 0);
	openssl_memory_free(NULL);
	SSL_CTX_free(ctx);
}

/* What is freed by others afterwards is left alone. */
static void other_blocks(void **state)
{
	uint8_t *p = OPENSSL_malloc(4000);

	memset(p, 's', 4000);
	frees = dirty = 0;
	OPENSSL_free(p);
	assert_int_equal(frees, 1);
	assert_int_equal(dirty, 1);
	OPENSSL_free(NULL);
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
