/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/tls_ocsp.c: which responses are stapled, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include "base/cleanup.h"
#include "tests/lib/tls_peer.h"
#include "tls/tls_ocsp.h"

/* Self-signed certificates, so that their keys sign their responses too. */
static struct {
	X509 *cert;
	EVP_PKEY *key;
} ours, other;

static char path[] = "/tmp/kedge-ocsp-XXXXXX";

static void read_pair(X509 **cert, EVP_PKEY **key, const char *name)
{
	struct peer_cert files;
	FILE *f;

	peer_cert_make(&files, name, PEER_EC, "localhost", 10);
	f = fopen(files.cert, "r");
	*cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	f = fopen(files.key, "r");
	*key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(*cert);
	assert_non_null(*key);
}

static int begin(void **state)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	read_pair(&ours.cert, &ours.key, "ours");
	read_pair(&other.cert, &other.key, "other");
	return 0;
}

static int end(void **state)
{
	unlink(path);
	X509_free(ours.cert);
	X509_free(other.cert);
	EVP_PKEY_free(ours.key);
	EVP_PKEY_free(other.key);
	return 0;
}

static void write_bytes(const void *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_true(fwrite(bytes, 1, len, f) == len);
	fclose(f);
}

static void write_response(int status, OCSP_BASICRESP *basic)
{
	OCSP_RESPONSE *response = OCSP_response_create(status, basic);
	unsigned char *der = NULL;
	int len = i2d_OCSP_RESPONSE(response, &der);

	assert_true(len > 0);
	write_bytes(der, (size_t)len);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(response);
}

/* A response about `cert`, valid for the seconds from..until around now, signed by `signer`. */
static void make_response(X509 *cert, X509 *signer, EVP_PKEY *key, int status, long from,
			  long until)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, cert);
	ASN1_TIME *begins = X509_gmtime_adj(NULL, from), *ends = X509_gmtime_adj(NULL, until);

	assert_non_null(OCSP_basic_add1_status(basic, id, status, OCSP_REVOKED_STATUS_NOSTATUS,
					       status == V_OCSP_CERTSTATUS_REVOKED ? begins : NULL,
					       begins, until ? ends : NULL));
	assert_int_equal(OCSP_basic_sign(basic, signer, key, EVP_sha256(), NULL, 0), 1);
	write_response(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	ASN1_TIME_free(begins);
	ASN1_TIME_free(ends);
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
}

static int load(struct ocsp_staple **out)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	int r = ocsp_staple_load(out, path, ours.cert, chain);

	sk_X509_free(chain);
	return r;
}

static void assert_stapled(bool expected)
{
	struct ocsp_staple *s = NULL;
	size_t len = 0;

	assert_int_equal(load(&s), 0);
	assert_true(!!ocsp_staple_bytes(s, &len) == expected);
	assert_true(!!len == expected);
	ocsp_staple_free(s);
}

static void assert_refused(void)
{
	struct ocsp_staple *s = NULL;

	assert_int_equal(load(&s), -EINVAL);
	assert_null(s);
}

static void a_good_one_is_stapled(void **state)
{
	make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
	assert_stapled(true);
	/* Without an end it is valid for ever. */
	make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_GOOD, -60, 0);
	assert_stapled(true);
	/* Revoked: clients shall know. */
	make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_REVOKED, -60, 3600);
	assert_stapled(true);
}

static void one_that_is_out_of_date_is_not(void **state)
{
	make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_GOOD, -7200, -3600);
	assert_stapled(false);
	make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_GOOD, 3600, 7200);
	assert_stapled(false);
}

static void one_that_goes_out_of_date_is_dropped(void **state)
{
	struct ocsp_staple *s = NULL;
	size_t len;

	make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_GOOD, -60, 2);
	assert_int_equal(load(&s), 0);
	assert_non_null(ocsp_staple_bytes(s, &len));
	while (ocsp_staple_bytes(s, &len))
		usleep(50000); /* there is no event: time must pass */
	ocsp_staple_free(s);
}

static void others_responses_are_refused(void **state)
{
	make_response(other.cert, other.cert, other.key, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
	assert_refused();
	make_response(ours.cert, other.cert, other.key, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
	assert_refused();
	make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_UNKNOWN, -60, 3600);
	assert_refused();
}

static void what_is_no_response_is_refused(void **state)
{
	static char large[70000];

	write_response(OCSP_RESPONSE_STATUS_TRYLATER, NULL);
	assert_refused();
	write_bytes("", 0);
	assert_refused();
	write_bytes("not DER", 7);
	assert_refused();
	write_bytes(large, sizeof(large));
	assert_refused();
}

/* Clients would be sent the whole file. */
static void bytes_behind_it_are_refused(void **state)
{
	static const char *const behind[] = {"\n", "x", "0\x03", "-----END"};

	(void)state;
	for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
		FILE *f;

		make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
		assert_stapled(true);
		f = fopen(path, "a");
		fputs(behind[i], f);
		fclose(f);
		assert_refused();
	}
}

static void a_changed_byte_is_found(void **state)
{
	unsigned char bytes[4096];
	size_t len;
	FILE *f;

	make_response(ours.cert, ours.cert, ours.key, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
	f = fopen(path, "r");
	len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	bytes[len - 40] ^= 1; /* in the certificate or the signature at the end */
	write_bytes(bytes, len);
	assert_refused();
}

static void a_missing_file_is_said(void **state)
{
	struct ocsp_staple *s = NULL;

	assert_int_equal(ocsp_staple_load(&s, "/nowhere/ocsp.der", ours.cert, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one_is_stapled),
		cmocka_unit_test(one_that_is_out_of_date_is_not),
		cmocka_unit_test(one_that_goes_out_of_date_is_dropped),
		cmocka_unit_test(others_responses_are_refused),
		cmocka_unit_test(what_is_no_response_is_refused),
		cmocka_unit_test(bytes_behind_it_are_refused),
		cmocka_unit_test(a_changed_byte_is_found),
		cmocka_unit_test(a_missing_file_is_said),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
