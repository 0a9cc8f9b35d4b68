/* SPDX-License-Identifier: BSD-2-Clause */
/* An SSL object is wiped when it is freed. See openssl_memory.h. */
#include "tls/openssl_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static __thread bool wiping;

static void take_back(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (wiping && p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

bool openssl_memory_init(void)
{
	return CRYPTO_set_mem_functions(NULL, NULL, take_back) == 1;
}

void openssl_memory_free(SSL *ssl)
{
	wiping = true;
	SSL_free(ssl);
	wiping = false;
}
