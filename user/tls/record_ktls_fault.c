/* SPDX-License-Identifier: BSD-2-Clause */
/* How a leg of kernel records fails, and what its client is told. See record_ktls_fault.h. */
#include "tls/record_ktls_fault.h"

#include <errno.h>

#include <openssl/crypto.h>

#include "tls/record_open.h"

int record_ktls_fail(struct record_ktls *k, int err, enum kedge_reason reason)
{
	k->r.reason = reason;
	k->failed = err;
	return err;
}

int record_ktls_fail_with_alert(struct record_ktls *k, uint8_t description,
				enum kedge_reason reason)
{
	const uint8_t level =
		description == ALERT_NO_RENEGOTIATION ? ALERT_LEVEL_WARNING : ALERT_LEVEL_FATAL;
	const uint8_t alert[] = {level, description};

	if (!k->alerted && !k->shut && description != ALERT_NONE)
		(void)ktls_send_control(k->r.fd, TLS_CONTENT_ALERT, alert, sizeof(alert));
	k->alerted = k->r.told = true;
	return record_ktls_fail(k, -EPROTO, reason);
}

/*
 * EBADMSG has several causes: a wrong MAC, a record that is not encrypted, or one without a type
 * inside. RFC 8446 has different alerts for them. The record is still in TCP's queue.
 */
static uint8_t alert_of_bad_message(struct record_ktls *k)
{
	uint8_t *record = k->r.scratch->in;
	union ktls_crypto rx = {0};
	bool authentic;
	ssize_t n;

	if (!k->control.tls13)
		return ALERT_BAD_RECORD_MAC;
	k->raw = true;
	n = ktls_raw(k->r.fd, record, k->r.scratch->in_size);
	if (n <= 0)
		return ALERT_BAD_RECORD_MAC;
	if (record[0] != TLS_CONTENT_DATA)
		return ALERT_UNEXPECTED_MESSAGE;
	authentic =
		!ktls_rx_keys(k->r.fd, k->suite, &rx) && record_authentic(&rx, record, (size_t)n);
	OPENSSL_cleanse(&rx, sizeof(rx));
	return authentic ? ALERT_UNEXPECTED_MESSAGE : ALERT_BAD_RECORD_MAC;
}

/* The kernel refused a record. Its errno says why (net/tls/tls_sw.c). */
static int fail_from_record(struct record_ktls *k, int err)
{
	uint8_t alert;

	ktls_take_error(k->r.fd);
	switch (err) {
	case EMSGSIZE:
		return record_ktls_fail_with_alert(k, ALERT_RECORD_OVERFLOW,
						   KEDGE_REASON_record_bad);
	case EINVAL:
		return record_ktls_fail_with_alert(k, ALERT_PROTOCOL_VERSION,
						   KEDGE_REASON_record_bad);
	default:
		alert = alert_of_bad_message(k);
		return record_ktls_fail_with_alert(k, alert,
						   alert == ALERT_UNEXPECTED_MESSAGE
							   ? KEDGE_REASON_record_control
							   : KEDGE_REASON_record_bad);
	}
}

int record_ktls_fail_from_errno(struct record_ktls *k, int err)
{
	switch (-err) {
	case EBADMSG:
	case EINVAL:
	case EMSGSIZE:
	case EIO:
		return fail_from_record(k, -err);
	case ENOMEM:
	case ENOBUFS:
		return record_ktls_fail(k, -ECONNRESET, KEDGE_REASON_no_memory);
	default:
		return record_ktls_fail(k, -ECONNRESET, KEDGE_REASON_client_reset);
	}
}
