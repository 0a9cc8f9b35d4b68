/* SPDX-License-Identifier: BSD-2-Clause */
/* OCSP responses for stapling. See tls_ocsp.h. */
#include "tls/tls_ocsp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/way_to.h"

/* Far more than any response has. */
#define OCSP_BYTES_MAX 65536

struct ocsp_staple {
	char *file;
	unsigned char *bytes;
	size_t len;
	time_t from, until; /* until 0: the response does not say */
	bool said;          /* atomic: it was logged that it is not valid */
};

static void basic_freep(OCSP_BASICRESP **basic)
{
	OCSP_BASICRESP_free(*basic);
}

static void store_freep(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static void certid_freep(OCSP_CERTID **id)
{
	OCSP_CERTID_free(*id);
}

static void staple_freep(struct ocsp_staple **staple)
{
	ocsp_staple_free(*staple);
}

void ocsp_staple_free(struct ocsp_staple *s)
{
	if (!s)
		return;
	free(s->file);
	free(s->bytes);
	free(s);
}

static int read_bytes(struct ocsp_staple *s)
{
	_cleanup_(fclosep)
	FILE *f = fopen(s->file, "re");

	if (!f)
		return way_cannot_open("OCSP response", s->file, errno);
	s->bytes = malloc(OCSP_BYTES_MAX + 1);
	if (!s->bytes)
		return log_err(ENOMEM, "OCSP response %s", s->file);
	s->len = fread(s->bytes, 1, OCSP_BYTES_MAX + 1, f);
	if (ferror(f) || s->len > OCSP_BYTES_MAX) {
		log_error("OCSP response %s: cannot be read, or is larger than %d bytes", s->file,
			  OCSP_BYTES_MAX);
		return -EINVAL;
	}
	return 0;
}

static int refuse(const struct ocsp_staple *s, const char *why)
{
	log_error("OCSP response %s: %s", s->file, why);
	ERR_clear_error();
	return -EINVAL;
}

static int parse(const struct ocsp_staple *s, OCSP_BASICRESP **out)
{
	const unsigned char *p = s->bytes;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)s->len);
	int status;

	if (!response)
		return refuse(s, "is not one in DER form (openssl ocsp -respout FILE makes one)");
	/* The whole file is stapled. A strict client would end its handshake at extra bytes. */
	if (p != s->bytes + s->len) {
		OCSP_RESPONSE_free(response);
		return refuse(s, "has bytes behind the response");
	}
	status = OCSP_response_status(response);
	if (status == OCSP_RESPONSE_STATUS_SUCCESSFUL)
		*out = OCSP_response_get1_basic(response);
	OCSP_RESPONSE_free(response);
	if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
		log_error("OCSP response %s: the responder gave no answer but \"%s\"", s->file,
			  OCSP_response_status_str(status));
		return -EINVAL;
	}
	return *out ? 0 : refuse(s, "is of an unknown kind");
}

static X509 *find_issuer(X509 *cert, STACK_OF(X509) * chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i), cert) == X509_V_OK)
			return sk_X509_value(chain, i);
	/* A self-signed certificate is its own issuer. */
	return X509_check_issued(cert, cert) == X509_V_OK ? cert : NULL;
}

/* By the issuer, or by a signer that has a certificate for this from the issuer. */
static bool is_signed(OCSP_BASICRESP *basic, X509 *issuer, STACK_OF(X509) * chain)
{
	_cleanup_(store_freep)
	X509_STORE *store = X509_STORE_new();

	return store && X509_STORE_add_cert(store, issuer) == 1 &&
	       X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
	       OCSP_basic_verify(basic, chain, store, 0) == 1;
}

/* The answer about this certificate. The responder chooses the hash of the ids. */
static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic, X509 *cert, X509 *issuer)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
		_cleanup_(certid_freep)
		OCSP_CERTID *ours = NULL;
		ASN1_OBJECT *hash = NULL;

		OCSP_id_get0_info(NULL, &hash, NULL, NULL, (OCSP_CERTID *)id);
		ours = OCSP_cert_to_id(EVP_get_digestbyobj(hash), cert, issuer);
		if (ours && !OCSP_id_cmp(ours, id))
			return single;
	}
	return NULL;
}

/* False if there is no time. */
static bool to_time(time_t *out, const ASN1_GENERALIZEDTIME *at)
{
	struct tm tm;

	if (!at || ASN1_TIME_to_tm(at, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

static int take_answer(struct ocsp_staple *s, OCSP_SINGLERESP *single)
{
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
	int reason, status = OCSP_single_get0_status(single, &reason, NULL, &from, &until);

	if (!to_time(&s->from, from))
		return refuse(s, "has no time");
	if (!to_time(&s->until, until))
		s->until = 0;
	if (status == V_OCSP_CERTSTATUS_UNKNOWN)
		return refuse(s, "says that the certificate is unknown");
	if (status == V_OCSP_CERTSTATUS_REVOKED)
		log_warn("OCSP response %s: says that the certificate is revoked: clients will "
			 "refuse it",
			 s->file);
	return 0;
}

static int check(struct ocsp_staple *s, X509 *cert, STACK_OF(X509) * chain)
{
	_cleanup_(basic_freep)
	OCSP_BASICRESP *basic = NULL;
	OCSP_SINGLERESP *single;
	X509 *issuer;
	int r = parse(s, &basic);

	if (r)
		return r;
	issuer = find_issuer(cert, chain);
	if (!issuer)
		return refuse(
			s, "cannot be checked: the issuer is not in the file of the certificate");
	single = find_answer(basic, cert, issuer);
	if (!single)
		return refuse(s, "is not about this certificate");
	if (!is_signed(basic, issuer, chain))
		return refuse(s, "is not signed by the issuer of the certificate");
	return take_answer(s, single);
}

int ocsp_staple_load(struct ocsp_staple **out, const char *file, X509 *cert, STACK_OF(X509) * chain)
{
	_cleanup_(staple_freep)
	struct ocsp_staple *s = calloc(1, sizeof(*s));
	size_t len;
	int r;

	if (s)
		s->file = strdup(file);
	if (!s || !s->file)
		return log_err(ENOMEM, "OCSP response %s", file);
	r = read_bytes(s);
	r = r ? r : check(s, cert, chain);
	if (r)
		return r;
	ocsp_staple_bytes(s, &len); /* logs at once that it is not valid */
	*out = take_ptr(s);
	return 0;
}

const unsigned char *ocsp_staple_bytes(struct ocsp_staple *s, size_t *len)
{
	time_t now = time(NULL);

	if (now >= s->from && (!s->until || now < s->until)) {
		*len = s->len;
		return s->bytes;
	}
	if (!__atomic_exchange_n(&s->said, true, __ATOMIC_RELAXED))
		log_warn("OCSP response %s: is %s: not stapled (put a fresh one there and reload)",
			 s->file, now < s->from ? "not valid yet" : "out of date");
	return NULL;
}
