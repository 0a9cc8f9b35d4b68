/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates and what belongs to them. See config_pairs.h. */
#include "config/config_pairs.h"

#include "config/config_why.h"

void config_check_pairs(const struct conf_cert *certs, size_t count, const struct place *at,
			struct mistakes *m)
{
	char quoted[QUOTED_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct conf_cert *c = &certs[i];

		if (c->cert && !c->key)
			mistake(m, at, "the certificate %s has no key",
				config_quote(quoted, c->cert));
		if (c->ocsp && !c->cert)
			mistake(m, at, "the OCSP response %s has no certificate",
				config_quote(quoted, c->ocsp));
		if (c->key && !c->cert)
			mistake(m, at, "the key %s has no certificate",
				config_quote(quoted, c->key));
	}
}
