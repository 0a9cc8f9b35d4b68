/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: certificates of any kind, signed by any other, in files. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "config/config.h"
#include "tests/lib/heard.h"
#include "tests/lib/tls_peer.h"

/* --- certificates ----------------------------------------------------------------------------- */

enum made_key { MADE_EC, MADE_RSA, MADE_ED25519, MADE_ED448, MADE_RSA_512, MADE_KEYS };

/* One key of each kind will do for all. */
static EVP_PKEY *made_keys[MADE_KEYS];

static inline EVP_PKEY *made_key(enum made_key kind)
{
	if (!made_keys[kind])
		made_keys[kind] = kind == MADE_EC        ? EVP_EC_gen("P-256")
				  : kind == MADE_RSA     ? EVP_RSA_gen(2048)
				  : kind == MADE_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
				  : kind == MADE_ED448   ? EVP_PKEY_Q_keygen(NULL, NULL, "ED448")
							 : EVP_RSA_gen(512);
	assert_non_null(made_keys[kind]);
	return made_keys[kind];
}

/* A certificate to be. */
struct made {
	const char *name; /* CN, and of its files */
	enum made_key key;
	const char *sans;          /* as in openssl.cnf: "DNS:a.test,IP:192.0.2.1"; NULL: none */
	const struct made *issuer; /* NULL: its own */
	bool ca;
	int from_days, until_days; /* from now on; both 0: -1 and 10 */
	X509 *x;                   /* by made_cert() */
};

static inline void made_extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static inline void made_name(X509_NAME *name, const char *cn)
{
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0);
}

/* The certificate; made once. Freed with made_free(). */
static inline X509 *made_cert(struct made *m)
{
	static long serial = 1;
	const bool dated = m->from_days || m->until_days;
	const EVP_MD *md = m->issuer && m->issuer->key >= MADE_ED25519 ? NULL : EVP_sha256();
	const struct made *issuer = m->issuer ? m->issuer : m;

	if (m->x)
		return m->x;
	m->x = X509_new();
	assert_non_null(m->x);
	X509_set_version(m->x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(m->x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(m->x), (dated ? m->from_days : -1) * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(m->x), (dated ? m->until_days : 10) * 86400L);
	made_name(X509_get_subject_name(m->x), m->name);
	made_name(X509_get_issuer_name(m->x), issuer->name);
	X509_set_pubkey(m->x, made_key(m->key));
	if (m->sans)
		made_extend(m->x, NID_subject_alt_name, m->sans);
	if (m->ca)
		made_extend(m->x, NID_basic_constraints, "critical,CA:TRUE");
	if (!m->issuer && (m->key == MADE_ED25519 || m->key == MADE_ED448))
		md = NULL;
	assert_true(X509_sign(m->x, made_key(issuer->key), md) > 0);
	return m->x;
}

static inline void made_free(struct made *m)
{
	X509_free(m->x);
	m->x = NULL;
}

/* --- files ------------------------------------------------------------------------------------ */

#define MADE_FILES_MAX 64
static char made_files[MADE_FILES_MAX][300];
static size_t made_files_count;

/* A file under peer_dir(), removed by made_end(); its path. */
static inline const char *made_file(const char *name, const void *bytes, size_t n)
{
	char path[300];
	size_t i = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", peer_dir(), name);
	while (i < made_files_count && strcmp(made_files[i], path))
		i++;
	assert_true(i < MADE_FILES_MAX);
	if (i == made_files_count)
		strcpy(made_files[made_files_count++], path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	return made_files[i];
}

static inline const char *made_text(const char *name, const char *text)
{
	return made_file(name, text, strlen(text));
}

static inline const char *made_bio(const char *name, const char *suffix, BIO *bio)
{
	char file[100], *bytes;
	long n = BIO_get_mem_data(bio, &bytes);
	const char *path;

	snprintf(file, sizeof(file), "%s.%s", name, suffix);
	path = made_file(file, bytes, (size_t)n);
	BIO_free(bio);
	return path;
}

/* A file with this certificate, and up to two more behind it. */
static inline const char *made_chain(struct made *m, struct made *next, struct made *last)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(bio, made_cert(m));
	if (next)
		PEM_write_bio_X509(bio, made_cert(next));
	if (last)
		PEM_write_bio_X509(bio, made_cert(last));
	return made_bio(m->name, "crt", bio);
}

static inline const char *made_key_file(const struct made *m)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(bio, made_key(m->key), NULL, NULL, 0, NULL, NULL);
	return made_bio(m->name, "key", bio);
}

/* As a configuration names them. */
static inline struct conf_cert made_pair(struct made *m)
{
	return (struct conf_cert){.cert = (char *)made_chain(m, NULL, NULL),
				  .key = (char *)made_key_file(m)};
}

/* --- of a group ------------------------------------------------------------------------------- */

/* This host trusts nobody; a setup. */
static inline int made_begin(void **state)
{
	setenv("SSL_CERT_FILE", "/nowhere", 1);
	setenv("SSL_CERT_DIR", "/nowhere", 1);
	return 0;
}

/* Removes the files, and frees the keys; not the certificates. */
static inline void made_end(void)
{
	while (made_files_count)
		unlink(made_files[--made_files_count]);
	for (int i = 0; i < MADE_KEYS; i++)
		EVP_PKEY_free(made_keys[i]);
}
