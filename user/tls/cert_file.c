/* SPDX-License-Identifier: BSD-2-Clause */
/* A certificate, its chain and its key out of their files. See cert_file.h. */
#include "tls/cert_file.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/way_to.h"
#include "config/pem_check.h"

/* Nobody can type a passphrase. */
static int no_passphrase(char *buf, int size, int write, void *arg)
{
	return -1;
}

#define CERTIFICATE "CERTIFICATE-----"
#define PRIVATE_KEY "PRIVATE KEY-----"

static int no_certificate(FILE *f, const char *path)
{
	if (pem_has(f, PRIVATE_KEY) && !pem_has(f, CERTIFICATE))
		log_error("certificate %s: is a private key: are cert and key swapped?", path);
	else
		log_error("certificate %s: holds no certificate in PEM form", path);
	return -EINVAL;
}

static int no_key(FILE *f, const char *path)
{
	if (pem_has(f, CERTIFICATE) && !pem_has(f, PRIVATE_KEY))
		log_error("key %s: is a certificate: are cert and key swapped?", path);
	else
		log_error("key %s: holds no unencrypted private key in PEM form", path);
	return -EINVAL;
}

static int read_chain(struct cert *c)
{
	_cleanup_(fclosep)
	FILE *f = fopen(c->files->cert, "re");
	X509 *more;
	int r;

	if (!f)
		return way_cannot_open("certificate", c->files->cert, errno);
	errno = 0;
	c->leaf = PEM_read_X509_AUX(f, NULL, no_passphrase, NULL);
	r = c->leaf ? 0 : pem_read_error(f, "certificate", c->files->cert);
	if (r)
		return r;
	if (!c->leaf)
		return no_certificate(f, c->files->cert);
	c->chain = sk_X509_new_null();
	while (c->chain && (more = PEM_read_X509(f, NULL, no_passphrase, NULL)))
		if (!sk_X509_push(c->chain, more)) {
			X509_free(more);
			return log_err(ENOMEM, "certificate %s", c->files->cert);
		}
	/* At the end of the file the error is "no start line". Any other is damage. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return log_error("certificate %s: damaged after the first certificate",
				 c->files->cert),
		       -EINVAL;
	ERR_clear_error();
	return pem_check(f, "certificate", c->files->cert);
}

static int read_key(struct cert *c)
{
	_cleanup_(fclosep)
	FILE *f = fopen(c->files->key, "re");
	int r;

	if (!f)
		return way_cannot_open("key", c->files->key, errno);
	r = secret_check(fileno(f), "key", c->files->key);
	if (r)
		return r;
	errno = 0;
	c->key = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	r = c->key ? 0 : pem_read_error(f, "key", c->files->key);
	if (r)
		return r;
	if (!c->key)
		return no_key(f, c->files->key);
	if (X509_check_private_key(c->leaf, c->key) != 1)
		return log_error("key %s: does not belong to certificate %s", c->files->key,
				 c->files->cert),
		       -EINVAL;
	return pem_check(f, "key", c->files->key);
}

int cert_read(struct cert *c, const struct conf_cert *files)
{
	int r;

	*c = (struct cert){.files = files};
	r = read_chain(c);

	if (!r)
		r = read_key(c);
	if (!r && c->files->ocsp)
		r = ocsp_staple_load(&c->staple, c->files->ocsp, c->leaf, c->chain);
	ERR_clear_error();
	if (r)
		return r;
	c->sans = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	ERR_clear_error();
	return 0;
}

void cert_release(struct cert *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	GENERAL_NAMES_free(c->sans);
	ocsp_staple_free(c->staple);
	*c = (struct cert){0};
}
