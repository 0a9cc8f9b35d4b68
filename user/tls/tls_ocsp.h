/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: an OCSP response (RFC 6960) from a file, for stapling (RFC 6066 section 8, RFC 8446
 * section 4.4.2.1). kedge asks no responder. Another program writes the file and makes kedge
 * reload.
 */
#pragma once

#include <openssl/x509.h>

struct ocsp_staple;

/*
 * Reads the DER response in `file` and checks that it is about this certificate and signed by its
 * issuer, or by a signer that the issuer has appointed. The issuer must be in `chain`. A response
 * that is not valid now is a warning, and is not stapled. 0, or -errno after a logged line.
 */
int ocsp_staple_load(struct ocsp_staple **out, const char *file, X509 *cert,
		     STACK_OF(X509) * chain);
void ocsp_staple_free(struct ocsp_staple *staple);

/*
 * The bytes to staple, borrowed, with their length in *len; NULL if the response is not valid now,
 * which is logged once. Safe from any thread.
 */
const unsigned char *ocsp_staple_bytes(struct ocsp_staple *staple, size_t *len);
