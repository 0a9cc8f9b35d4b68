/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the bodies of the types of tls_cert.h, for the files that look into them. */
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "config/config.h"
#include "tls/tls_ocsp.h"

#define KEY_TYPES_MAX 5

struct cert {
	const struct conf_cert *files;
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	GENERAL_NAMES *sans; /* NULL when there are none */
	struct ocsp_staple *staple;
};

/* Which certificate stands for each key type; -1 none. */
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
