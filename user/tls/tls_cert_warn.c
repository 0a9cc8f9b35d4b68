/* SPDX-License-Identifier: BSD-2-Clause */
/* Warns of certificates that fail for clients. See tls_cert_warn.h. */
#include "tls/tls_cert_warn.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "tls/self_signed.h"
#include "tls/tls_cert_types.h"

static void storep(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static void lookupp(X509_STORE_CTX **lookup)
{
	X509_STORE_CTX_free(*lookup);
}

/* --- who can get it --------------------------------------------------------------------------- */

static bool has_name(const struct cert *c, int type)
{
	for (int n = 0; n < sk_GENERAL_NAME_num(c->sans); n++)
		if (sk_GENERAL_NAME_value(c->sans, n)->type == type)
			return true;
	return false;
}

static bool is_chosen(const struct tls_certs *t, size_t at)
{
	for (size_t i = 0; i < t->hosts_count; i++)
		for (int k = 0; k < KEY_TYPES_MAX; k++)
			if (t->hosts[i].choice.cert[k] == (int)at)
				return true;
	return at == 0; /* the default */
}

static bool is_given_before(const struct tls_certs *t, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!X509_cmp(t->certs[i].leaf, t->certs[at].leaf))
			return true;
	return false;
}

static void warn_names(const struct tls_certs *t, size_t at)
{
	const struct cert *c = &t->certs[at];
	const char *file = c->files->cert;
	bool dns = has_name(c, GEN_DNS);

	if (is_given_before(t, at))
		log_warn("certificate %s: is given twice", file);
	else if (!dns && !has_name(c, GEN_IPADD))
		log_warn("certificate %s: has no subjectAltName, which clients go by: %s", file,
			 at ? "no client gets it" : "they refuse it");
	else if (!dns && at)
		log_warn("certificate %s: no client gets it: it has no DNS name, and only the "
			 "first certificate is for those who name no host",
			 file);
	else if (!is_chosen(t, at))
		log_warn("certificate %s: no client gets it: certificates before it have its names "
			 "and the same type of key",
			 file);
}

/* --- who can verify it ------------------------------------------------------------------------ */

static void warn_dates(const struct cert *c)
{
	if (X509_cmp_current_time(X509_get0_notAfter(c->leaf)) < 0)
		log_warn("certificate %s: has expired: clients will refuse it", c->files->cert);
	if (X509_cmp_current_time(X509_get0_notBefore(c->leaf)) > 0)
		log_warn("certificate %s: is not valid yet: clients will refuse it",
			 c->files->cert);
}

static bool is_self_issued(X509 *x)
{
	return X509_check_issued(x, x) == X509_V_OK;
}

static bool is_issuer_in_file(const struct cert *c)
{
	for (int i = 0; i < sk_X509_num(c->chain); i++)
		if (X509_check_issued(sk_X509_value(c->chain, i), c->leaf) == X509_V_OK)
			return true;
	return false;
}

/* Does this host trust its issuer? */
static bool is_issuer_trusted(X509_STORE *store, X509 *x)
{
	_cleanup_(lookupp)
	X509_STORE_CTX *lookup = X509_STORE_CTX_new();
	X509 *issuer = NULL;
	bool is;

	if (!lookup || X509_STORE_CTX_init(lookup, store, x, NULL) != 1)
		return true; /* cannot tell */
	is = X509_STORE_CTX_get1_issuer(&issuer, lookup, x) == 1;
	X509_free(issuer);
	return is;
}

/*
 * Browsers may know an intermediate that is not in the file, but other clients do not. A private
 * root cannot be told from an intermediate, hence "unless". If the file has the issuer, its writer
 * has thought of it.
 */
static void warn_chain(X509_STORE *store, const struct cert *c)
{
	char issuer[256];

	if (is_self_issued(c->leaf) || is_issuer_in_file(c) || is_issuer_trusted(store, c->leaf))
		return;
	X509_NAME_oneline(X509_get_issuer_name(c->leaf), issuer, sizeof(issuer));
	log_warn("certificate %s: its issuer (%s) is neither in the file nor trusted by this host: "
		 "put it behind the certificate, unless it is a root that the clients have",
		 c->files->cert, issuer);
}

/*
 * OpenSSL's default file and directory. Not X509_STORE_set_default_paths(): it lists the directory,
 * with a system call that the seccomp filter of a running kedge does not allow.
 */
static X509_STORE *host_store(void)
{
	X509_STORE *store = X509_STORE_new();
	X509_LOOKUP *file = store ? X509_STORE_add_lookup(store, X509_LOOKUP_file()) : NULL;
	X509_LOOKUP *dir = store ? X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir()) : NULL;

	if (file)
		X509_LOOKUP_load_file(file, NULL, X509_FILETYPE_DEFAULT);
	if (dir)
		X509_LOOKUP_add_dir(dir, NULL, X509_FILETYPE_DEFAULT);
	return store;
}

void tls_certs_warn(const struct tls_certs *t)
{
	_cleanup_(storep)
	X509_STORE *store = host_store();

	for (size_t i = 0; i < t->certs_count; i++) {
		if (self_signed_is(&t->certs[i])) {
			log_warn(
				"certificate self-signed: made by kedge for localhost, for trials: "
				"clients that verify it refuse it (curl needs -k)");
			continue;
		}
		warn_names(t, i);
		if (!is_given_before(t, i))
			warn_dates(&t->certs[i]);
		if (store && !is_given_before(t, i))
			warn_chain(store, &t->certs[i]);
	}
	ERR_clear_error();
}
