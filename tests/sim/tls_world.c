/* SPDX-License-Identifier: BSD-2-Clause */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "choices.h"

static struct choices numbers;
static char dir[64], cert[96], key[96];
static SSL_CTX *client;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "sim: %s\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

/* --- numbers ---------------------------------------------------------------------------------- */

static int give_bytes(unsigned char *p, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = (unsigned char)choice(&numbers, 256);
	return 1;
}

static int give_status(void)
{
	return 1;
}

void tls_world_begin(void)
{
	static const RAND_METHOD method = {
		.bytes = give_bytes, .pseudorand = give_bytes, .status = give_status};

	choices_seed(&numbers, 1);
	must(RAND_set_rand_method(&method) == 1, "RAND_set_rand_method");
	tls_world_client();
	tls_world_cert();
	choices_seed(&numbers, 2);
}

/* --- certificate ------------------------------------------------------------------------------ */

static void write_files(X509 *x, EVP_PKEY *k)
{
	FILE *f = fopen(cert, "w");

	must(f && PEM_write_X509(f, x) == 1 && !fclose(f), cert);
	f = fopen(key, "w");
	must(f && !fchmod(fileno(f), 0600), key);
	must(PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL) == 1 && !fclose(f), key);
}

/* The dates are fixed: the same certificate in each run. */
static void make_cert(void)
{
	EVP_PKEY *k = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:sim");

	must(k && x && san, "key");
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "20200101000000Z");
	ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "20990101000000Z");
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const uint8_t *)"sim", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, k);
	X509_add_ext(x, san, -1);
	must(X509_sign(x, k, EVP_sha256()) > 0, "X509_sign");
	write_files(x, k);
	X509_EXTENSION_free(san);
	X509_free(x);
	EVP_PKEY_free(k);
}

const char *tls_world_cert(void)
{
	const char *tmp = getenv("TMPDIR");

	if (dir[0])
		return cert;
	snprintf(dir, sizeof(dir), "%.40s/kedge-sim.XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(dir) != NULL, "mkdtemp");
	snprintf(cert, sizeof(cert), "%s/cert", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	make_cert();
	return cert;
}

const char *tls_world_key(void)
{
	tls_world_cert();
	return key;
}

/* --- client ----------------------------------------------------------------------------------- */

SSL_CTX *tls_world_client(void)
{
	if (client)
		return client;
	client = SSL_CTX_new(TLS_client_method());
	must(client != NULL, "SSL_CTX_new");
	SSL_CTX_set_security_level(client, 0);
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_OFF);
	return client;
}

void tls_world_over(void)
{
	SSL_CTX_free(client);
	client = NULL;
	if (!dir[0])
		return;
	unlink(cert);
	unlink(key);
	rmdir(dir);
	dir[0] = '\0';
}
