/* SPDX-License-Identifier: BSD-2-Clause */
/* How a leg of kernel records fails, and what its client is told. See record_ktls_fault.h. */
#include "tls/record_ktls_fault.h"

#include <errno.h>

#include <openssl/crypto.h>

#include "tls/aead.h"

/* Is the record authentic, though the kernel refused it? It is opened in place. */
static bool is_authentic(struct record_ktls *k, uint8_t *record, size_t n)
{
	struct record_scratch *s = k->t.r.scratch;
	union ktls_crypto rx = {0};
	struct aead_key key;
	ssize_t len, opened;
	uint8_t type;

	if (!s->aead)
		s->aead = aead_pool_new();
	if (!s->aead || n < AEAD_HEADER_LEN || ktls_rx_keys(k->t.r.fd, k->t.suite, &rx))
		return false;
	aead_key_set(&key, &rx, false);
	OPENSSL_cleanse(&rx, sizeof(rx));
	len = aead_record_len(&key, record);
	opened = len < 0 || (size_t)len > n ? -AEAD_FORGED
					    : aead_open(&key, s->aead, record, (size_t)len,
							aead_content(&key, record), &type);
	aead_pool_wipe(s->aead, &key);
	return opened != -AEAD_FORGED && opened != -AEAD_NO_MEMORY;
}

/*
 * EBADMSG has several causes: a wrong MAC, a record that is not encrypted, or one without a type
 * inside. RFC 8446 sections 5.2 and 5.4 have different alerts for them. The record is still in
 * TCP's queue.
 */
static uint8_t alert_of_bad_message(struct record_ktls *k)
{
	uint8_t *record = k->t.r.scratch->in;
	ssize_t n;

	if (!k->t.control.tls13)
		return ALERT_BAD_RECORD_MAC;
	k->raw = true;
	n = ktls_raw(k->t.r.fd, record, k->t.r.scratch->in_size);
	if (n <= 0)
		return ALERT_BAD_RECORD_MAC;
	if (record[0] != TLS_CONTENT_DATA)
		return ALERT_UNEXPECTED_MESSAGE;
	return is_authentic(k, record, (size_t)n) ? ALERT_UNEXPECTED_MESSAGE : ALERT_BAD_RECORD_MAC;
}

/* The kernel refused a record. Its errno says why (net/tls/tls_sw.c). */
static int fail_from_record(struct record_ktls *k, int err)
{
	uint8_t alert;

	ktls_take_error(k->t.r.fd);
	switch (err) {
	case EMSGSIZE:
		return record_tls_fail_with_alert(&k->t, ALERT_RECORD_OVERFLOW,
						  KEDGE_REASON_record_bad);
	case EINVAL:
		return record_tls_fail_with_alert(&k->t, ALERT_PROTOCOL_VERSION,
						  KEDGE_REASON_record_bad);
	default:
		alert = alert_of_bad_message(k);
		return record_tls_fail_with_alert(&k->t, alert,
						  alert == ALERT_UNEXPECTED_MESSAGE
							  ? KEDGE_REASON_record_control
							  : KEDGE_REASON_record_bad);
	}
}

int record_ktls_fail_from_errno(struct record_tls *t, int err)
{
	switch (-err) {
	case EBADMSG:
	case EINVAL:
	case EMSGSIZE:
	case EIO:
		return fail_from_record((struct record_ktls *)t, -err);
	case ENOMEM:
	case ENOBUFS:
		return record_tls_fail(t, -ECONNRESET, KEDGE_REASON_no_memory);
	default:
		return record_tls_fail(t, -ECONNRESET, KEDGE_REASON_client_reset);
	}
}
