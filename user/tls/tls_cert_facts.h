/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what is told of certificates: whose they are, and until when. */
#pragma once

#include <time.h>

struct tls_certs;

/* Longer texts are cut. */
#define CERT_FACTS_TEXT 256

struct cert_facts {
	const char *file;              /* borrowed */
	time_t not_after;              /* seconds since the epoch; 0: it cannot be read */
	char subject[CERT_FACTS_TEXT]; /* as RFC 2253 has it, in ASCII */
	char names[CERT_FACTS_TEXT];   /* DNS names and addresses, with commas; "..." if cut */
};

typedef void cert_facts_fn(void *arg, const struct cert_facts *facts);

/* Calls `each` for every certificate, in their order. */
void tls_certs_facts(const struct tls_certs *certs, cert_facts_fn *each, void *arg);
