/* SPDX-License-Identifier: BSD-2-Clause */
/* What libssl frees is wiped. See openssl_memory.h. */
#include "tls/openssl_memory.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

/*
 * Where libssl is in memory. A caller names its source file, by a string that is in the same
 * library. The name itself says little: a build may leave it empty.
 */
static struct {
	uintptr_t begin, len;
} libssl;
static bool was_seen;

static void take_back(void *p, const char *file, int line)
{
	(void)line;
	if (p && (uintptr_t)file - libssl.begin < libssl.len) {
		if (!was_seen)
			was_seen = true; /* by the first thread: others only read */
		explicit_bzero(p, malloc_usable_size(p));
	}
	free(p);
}

/* Of the object with the function SSL_free(): 1 ends the search. */
static int find(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t at = (uintptr_t)SSL_free, begin = UINTPTR_MAX, end = 0;

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];

		if (h->p_type != PT_LOAD)
			continue;
		if (info->dlpi_addr + h->p_vaddr < begin)
			begin = info->dlpi_addr + h->p_vaddr;
		if (info->dlpi_addr + h->p_vaddr + h->p_memsz > end)
			end = info->dlpi_addr + h->p_vaddr + h->p_memsz;
	}
	if (at < begin || at >= end)
		return 0;
	libssl.begin = begin;
	libssl.len = end - begin;
	return 1;
}

bool openssl_memory_init(void)
{
	if (!dl_iterate_phdr(find, NULL) || CRYPTO_set_mem_functions(NULL, NULL, take_back) != 1)
		return false;
	was_seen = false;
	SSL_CONF_CTX_free(SSL_CONF_CTX_new()); /* cheap, and libssl frees it */
	return was_seen;
}
