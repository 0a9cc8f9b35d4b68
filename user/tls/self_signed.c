/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-signed certificate. See self_signed.h. */
#include "tls/self_signed.h"

#include <errno.h>
#include <stdbool.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/bn.h>

#include "base/log.h"

#define DAY_S       (24 * 60 * 60)
#define VALID_S     (90 * DAY_S)
#define SERIAL_BITS 127 /* RFC 5280, 4.1.2.2: positive, 20 octets at most */

static const struct conf_cert files = {.cert = "self-signed", .key = "self-signed"};

/* Kept until the process ends, so that sessions and exceptions of clients outlive a reload. */
static X509 *made;
static EVP_PKEY *made_key;

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX of;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx_nodb(&of);
	X509V3_set_ctx(&of, x, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &of, nid, value);
	ok = ext && X509_add_ext(x, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool set_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	bool ok = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
		  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));

	BN_free(n);
	return ok;
}

/* From a day ago, since clocks differ. */
static bool fill(X509 *x, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(x), VALID_S) && X509_set_pubkey(x, key) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)"kedge, self-signed", -1, -1,
					  0) == 1 &&
	       X509_set_issuer_name(x, name) == 1 &&
	       add_extension(x, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
	       add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(x, NID_ext_key_usage, "serverAuth") &&
	       X509_sign(x, key, EVP_sha256()) > 0;
}

static int make(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	const char *why;

	if (key && x && fill(x, key)) {
		X509_free(made);
		EVP_PKEY_free(made_key);
		made = x;
		made_key = key;
		return 0;
	}
	why = ERR_reason_error_string(ERR_peek_last_error());
	log_error("self-signed certificate: cannot be made: %s", why ? why : "no memory");
	ERR_clear_error();
	X509_free(x);
	EVP_PKEY_free(key);
	return -EIO;
}

/* A reload in its last days makes another. */
static bool expires_soon(const X509 *x)
{
	time_t soon = time(NULL) + 7L * DAY_S;

	return X509_cmp_time(X509_get0_notAfter(x), &soon) < 0;
}

int self_signed_cert(struct cert *c)
{
	int err = made && !expires_soon(made) ? 0 : make();

	*c = (struct cert){.files = &files};
	if (err)
		return err;
	c->sans = X509_get_ext_d2i(made, NID_subject_alt_name, NULL, NULL);
	c->chain = sk_X509_new_null();
	if (!c->sans || !c->chain)
		return log_err(ENOMEM, "self-signed certificate");
	X509_up_ref(made);
	EVP_PKEY_up_ref(made_key);
	c->leaf = made;
	c->key = made_key;
	return 0;
}

bool self_signed_is(const struct cert *c)
{
	return c->files == &files;
}
