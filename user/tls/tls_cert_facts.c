/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of certificates. See tls_cert_facts.h. */
#include "tls/tls_cert_facts.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "tls/cert_name.h"
#include "tls/tls_cert_types.h"

static time_t not_after(const X509 *x)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1 ? timegm(&tm) : 0;
}

static void take_subject(char out[CERT_FACTS_TEXT], const X509 *x)
{
	BIO *to = BIO_new(BIO_s_mem());
	int n = -1;

	if (to && X509_NAME_print_ex(to, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_read(to, out, CERT_FACTS_TEXT - 1);
	out[n > 0 ? n : 0] = '\0';
	BIO_free(to);
}

/* The address as text; false if it is none. */
static bool address_text(char out[INET6_ADDRSTRLEN], const ASN1_OCTET_STRING *ip)
{
	int n = ASN1_STRING_length(ip);

	if (n != 4 && n != 16)
		return false;
	return inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), out,
			 INET6_ADDRSTRLEN);
}

/* False if there is no room for it: then the end says so. */
static bool add_name(char out[CERT_FACTS_TEXT], const char *name)
{
	size_t len = strlen(out), room = CERT_FACTS_TEXT - len - strlen(",...");
	bool fits = strlen(name) + 1 < room;

	snprintf(out + len, CERT_FACTS_TEXT - len, "%s%s", len ? "," : "", fits ? name : "...");
	return fits;
}

static void take_names(char out[CERT_FACTS_TEXT], const GENERAL_NAMES *sans)
{
	char name[CERT_NAME_MAX + 1];
	bool fits = true;

	out[0] = '\0';
	for (int n = 0; fits && cert_name_at(sans, n, name); n++) {
		const GENERAL_NAME *san = sk_GENERAL_NAME_value(sans, n);

		if (san->type == GEN_IPADD && !address_text(name, san->d.iPAddress))
			continue;
		if (name[0])
			fits = add_name(out, name);
	}
}

void tls_certs_facts(const struct tls_certs *t, cert_facts_fn *each, void *arg)
{
	for (size_t i = 0; i < t->certs_count; i++) {
		const struct cert *c = &t->certs[i];
		struct cert_facts facts = {.file = c->files->cert, .not_after = not_after(c->leaf)};

		take_subject(facts.subject, c->leaf);
		take_names(facts.names, c->sans);
		each(arg, &facts);
	}
	ERR_clear_error();
}
