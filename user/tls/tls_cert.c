/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of a listener. See tls_cert.h. */
#include "tls/tls_cert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "tls/cert_name.h"
#include "tls/self_signed.h"
#include "tls/tls_cert_types.h"

/* --- all of a listener ------------------------------------------------------------------------ */

static void certs_freep(struct tls_certs **certs)
{
	tls_certs_free(*certs);
}

int tls_certs_load(struct tls_certs **out, const struct conf_cert *certs, size_t count)
{
	_cleanup_(certs_freep)
	struct tls_certs *t = calloc(1, sizeof(*t));
	int r;

	if (!count)
		return log_error("TLS: no certificate given"), -EINVAL;
	if (t)
		t->certs = calloc(count, sizeof(*t->certs));
	if (!t || !t->certs)
		return log_err(ENOMEM, "certificate %s", certs[0].cert);
	for (size_t i = 0; i < count; i++) {
		t->certs_count++;
		r = cert_read(&t->certs[i], &certs[i]);
		if (r)
			return r;
	}
	*out = take_ptr(t);
	return 0;
}

int tls_certs_self_signed(struct tls_certs **out)
{
	_cleanup_(certs_freep)
	struct tls_certs *t = calloc(1, sizeof(*t));
	int r;

	if (t)
		t->certs = calloc(1, sizeof(*t->certs));
	if (!t || !t->certs)
		return log_err(ENOMEM, "self-signed certificate");
	t->certs_count = 1;
	r = self_signed_cert(&t->certs[0]);
	if (!r)
		*out = take_ptr(t);
	return r;
}

void tls_certs_free(struct tls_certs *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->certs_count; i++)
		cert_release(&t->certs[i]);
	for (size_t i = 0; i < t->hosts_count; i++) {
		free(t->hosts[i].name);
		SSL_CTX_free(t->hosts[i].ctx);
	}
	SSL_CTX_free(t->fallback);
	free(t->certs);
	free(t->hosts);
	free(t);
}

/* SHA-256 of the digest so far and that of one more certificate. */
static void digest_add(uint8_t out[32], const X509 *x)
{
	uint8_t both[64];

	memcpy(both, out, 32);
	if (X509_digest(x, EVP_sha256(), both + 32, NULL) == 1)
		EVP_Digest(both, sizeof(both), out, NULL, EVP_sha256(), NULL);
}

static void digest_add_staple(uint8_t out[32], struct ocsp_staple *staple)
{
	uint8_t both[64];
	size_t len = 0;
	const unsigned char *bytes = ocsp_staple_bytes(staple, &len);

	memcpy(both, out, 32);
	if (bytes && EVP_Digest(bytes, len, both + 32, NULL, EVP_sha256(), NULL) == 1)
		EVP_Digest(both, sizeof(both), out, NULL, EVP_sha256(), NULL);
}

void tls_certs_digest(const struct tls_certs *t, uint8_t out[32])
{
	memset(out, 0, 32);
	for (size_t i = 0; i < t->certs_count; i++) {
		digest_add(out, t->certs[i].leaf);
		for (int k = 0; k < sk_X509_num(t->certs[i].chain); k++)
			digest_add(out, sk_X509_value(t->certs[i].chain, k));
		if (t->certs[i].staple)
			digest_add_staple(out, t->certs[i].staple);
	}
}

void tls_certs_identify(const struct tls_certs *t, uint8_t out[32])
{
	for (size_t i = 0; i < t->certs_count; i++)
		digest_add(out, t->certs[i].leaf);
}

/* --- found by name ---------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct host *)a)->name, ((const struct host *)b)->name);
}

static SSL_CTX *lookup(const struct tls_certs *t, const char *name)
{
	const struct host key = {.name = (char *)name};
	const struct host *h =
		t->hosts_count ? bsearch(&key, t->hosts, t->hosts_count, sizeof(key), by_name)
			       : NULL;

	return h ? h->ctx : NULL;
}

SSL_CTX *tls_certs_find(const struct tls_certs *t, const char *host)
{
	char wild[CERT_NAME_MAX + 2];
	SSL_CTX *ctx;

	if (host[0] == '*') /* no host has that name */
		return NULL;
	ctx = lookup(t, host);
	if (!ctx && cert_name_wildcard(wild, host))
		ctx = lookup(t, wild);
	return ctx;
}

bool tls_certs_cover(const struct tls_certs *t, const char *name)
{
	return name[0] == '*' ? lookup(t, name) != NULL : tls_certs_find(t, name) != NULL;
}

SSL_CTX *tls_certs_default(const struct tls_certs *t)
{
	return t->fallback;
}

/* --- contexts --------------------------------------------------------------------------------- */

static int key_type(const struct cert *c)
{
	switch (EVP_PKEY_get_base_id(c->key)) {
	case EVP_PKEY_RSA:
		return 0;
	case EVP_PKEY_EC:
		return 1;
	case EVP_PKEY_ED25519:
		return 2;
	case EVP_PKEY_ED448:
		return 3;
	default:
		return 4;
	}
}

/* Adds certificates that list the name, of key types that have none yet. */
static void choose(const struct tls_certs *t, const char *name, struct choice *out)
{
	for (size_t i = 0; i < t->certs_count; i++) {
		int *place = &out->cert[key_type(&t->certs[i])];

		if (*place < 0 && cert_name_is_listed(t->certs[i].sans, name))
			*place = (int)i;
	}
}

static int add_host(struct tls_certs *t, const char *name)
{
	struct host *grown, *h;
	char wild[CERT_NAME_MAX + 2];

	for (size_t i = 0; i < t->hosts_count; i++)
		if (!strcmp(t->hosts[i].name, name))
			return 0;
	grown = realloc(t->hosts, (t->hosts_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	t->hosts = grown;
	h = &grown[t->hosts_count];
	*h = (struct host){.name = strdup(name)};
	if (!h->name)
		return -ENOMEM;
	t->hosts_count++;
	memset(&h->choice, 0xff, sizeof(h->choice)); /* -1 in each */
	choose(t, name, &h->choice);
	if (cert_name_wildcard(wild, name))
		choose(t, wild, &h->choice);
	return 0;
}

/* SSL_CTX_set_tlsext_status_cb(3). OpenSSL has chosen the certificate by now. */
static int on_status(SSL *ssl, void *arg)
{
	const struct tls_certs *t = arg;
	const X509 *used = SSL_get_certificate(ssl);
	const unsigned char *bytes = NULL;
	unsigned char *copy;
	size_t len = 0;

	for (size_t i = 0; i < t->certs_count; i++)
		if (t->certs[i].leaf == used && t->certs[i].staple)
			bytes = ocsp_staple_bytes(t->certs[i].staple, &len);
	copy = bytes ? OPENSSL_memdup(bytes, len) : NULL;
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)len) == 1) /* owns the copy now */
		return SSL_TLSEXT_ERR_OK;
	OPENSSL_free(copy);
	return SSL_TLSEXT_ERR_NOACK;
}

static bool any_staple(const struct tls_certs *t)
{
	for (size_t i = 0; i < t->certs_count; i++)
		if (t->certs[i].staple)
			return true;
	return false;
}

static int make_ctx(const struct tls_certs *t, const struct choice *choice, SSL_CTX **out,
		    tls_make_ctx_fn make, void *arg)
{
	SSL_CTX *ctx = make(arg);

	if (!ctx)
		return log_err(ENOMEM, "TLS: no context");
	if (any_staple(t)) {
		SSL_CTX_set_tlsext_status_cb(ctx, on_status);
		SSL_CTX_set_tlsext_status_arg(ctx, (void *)t); /* only read */
	}
	for (int i = 0; i < KEY_TYPES_MAX; i++) {
		const struct cert *c = choice->cert[i] < 0 ? NULL : &t->certs[choice->cert[i]];
		const char *why;

		if (!c || SSL_CTX_use_cert_and_key(ctx, c->leaf, c->key, c->chain, 1) == 1)
			continue;
		why = ERR_reason_error_string(ERR_peek_last_error());
		log_error("certificate %s: cannot be used: %s", c->files->cert,
			  why ? why : "unknown cause");
		ERR_clear_error();
		SSL_CTX_free(ctx);
		return -EINVAL;
	}
	*out = ctx;
	return 0;
}

/* Hosts with the same certificates share a context. */
static int make_host_ctx(struct tls_certs *t, size_t at, tls_make_ctx_fn make, void *arg)
{
	struct host *h = &t->hosts[at];

	for (size_t i = 0; i < at; i++) {
		if (memcmp(&t->hosts[i].choice, &h->choice, sizeof(h->choice)))
			continue;
		SSL_CTX_up_ref(t->hosts[i].ctx);
		h->ctx = t->hosts[i].ctx;
		return 0;
	}
	return make_ctx(t, &h->choice, &h->ctx, make, arg);
}

/* The first pair; for other key types, certificates that cover its first name. */
static int make_fallback(struct tls_certs *t, tls_make_ctx_fn make, void *arg)
{
	char name[CERT_NAME_MAX + 1];
	struct choice choice;

	memset(&choice, 0xff, sizeof(choice));
	choice.cert[key_type(&t->certs[0])] = 0;
	for (int n = 0; cert_name_at(t->certs[0].sans, n, name); n++) {
		if (!name[0])
			continue;
		choose(t, name, &choice);
		break;
	}
	return make_ctx(t, &choice, &t->fallback, make, arg);
}

int tls_certs_build(struct tls_certs *t, tls_make_ctx_fn make, void *arg)
{
	char name[CERT_NAME_MAX + 1];
	int r = 0;

	for (size_t i = 0; i < t->certs_count; i++)
		for (int n = 0; !r && cert_name_at(t->certs[i].sans, n, name); n++)
			if (name[0])
				r = add_host(t, name);
	if (r)
		return log_err(r, "certificate %s", t->certs[0].files->cert);
	for (size_t i = 0; !r && i < t->hosts_count; i++)
		r = make_host_ctx(t, i, make, arg);
	if (t->hosts_count)
		qsort(t->hosts, t->hosts_count, sizeof(*t->hosts), by_name);
	return r ? r : make_fallback(t, make, arg);
}
