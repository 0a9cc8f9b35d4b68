/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the bodies of the types of tls_cert.h, for the files that look into them. */
#pragma once

#include <openssl/ssl.h>

#include "tls/cert_file.h"

#define KEY_TYPES_MAX 5

/* Index of the certificate for each key type; -1: none. */
struct choice {
	int cert[KEY_TYPES_MAX];
};

struct host {
	char *name; /* lower case; may begin with "*." */
	struct choice choice;
	SSL_CTX *ctx;
};

struct tls_certs {
	struct cert *certs;
	size_t certs_count;
	struct host *hosts; /* sorted by name */
	size_t hosts_count;
	SSL_CTX *fallback;
};
