/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: an OCSP response out of a file (RFC 6960), for stapling (RFC 6066 section 8, RFC 8446
 * section 4.4.2.1). kedge asks no responder itself: whatever fetches responses puts them into the
 * file and has kedge reload.
 */
#pragma once

#include <openssl/x509.h>

struct ocsp_staple;

/*
 * Reads the DER response in `file` and checks it against the certificate: it is about this one, and
 * signed by its issuer, which must be in `chain`, or by whom that has appointed. A response that is
 * right but not valid at this time is a warning, and will not be stapled. 0; -errno after a logged
 * line.
 */
int ocsp_staple_load(struct ocsp_staple **out, const char *file, X509 *cert,
		     STACK_OF(X509) * chain);
void ocsp_staple_free(struct ocsp_staple *staple);

/*
 * The bytes to staple, borrowed, with their length in *len; NULL when the response is not valid
 * (any more). Says so once when it sees that first. Safe from any thread.
 */
const unsigned char *ocsp_staple_bytes(struct ocsp_staple *staple, size_t *len);
