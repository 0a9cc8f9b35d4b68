/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: one certificate of the configuration with its chain, its key and its OCSP response,
 * read from their files.
 */
#pragma once

#include <openssl/x509v3.h>

#include "config/config.h"
#include "tls/tls_ocsp.h"

struct cert {
	const struct conf_cert *files; /* borrowed */
	X509 *leaf;
	STACK_OF(X509) * chain; /* what is behind it in the file, in that order */
	EVP_PKEY *key;
	GENERAL_NAMES *sans;        /* NULL: it has no subjectAltName */
	struct ocsp_staple *staple; /* NULL: no file is given */
};

/*
 * Fills in *c, which is released with cert_release() also after an error. 0, or -errno after a line
 * that names the file and the cause.
 */
int cert_read(struct cert *c, const struct conf_cert *files);
void cert_release(struct cert *c);
