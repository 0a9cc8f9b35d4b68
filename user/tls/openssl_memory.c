/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that OpenSSL frees is wiped. See openssl_memory.h. */
#include "tls/openssl_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static void *give(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(n);
}

static void take_back(void *p, const char *file, int line)
{
	const size_t n = malloc_usable_size(p);

	(void)file;
	(void)line;
	if (n >= OPENSSL_MEMORY_WIPED)
		explicit_bzero(p, n);
	free(p);
}

/* A block that moves leaves its old place. Large ones are not moved by realloc(), but by us. */
static void *resize(void *p, size_t n, const char *file, int line)
{
	const size_t before = malloc_usable_size(p);
	void *moved;

	if (before < OPENSSL_MEMORY_WIPED || n <= before)
		return realloc(p, n);
	moved = malloc(n);
	if (!moved)
		return NULL;
	memcpy(moved, p, before);
	take_back(p, file, line);
	return moved;
}

bool openssl_memory_init(void)
{
	return CRYPTO_set_mem_functions(give, resize, take_back) == 1;
}
