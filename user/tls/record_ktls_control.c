/* SPDX-License-Identifier: BSD-2-Clause */
/* Alerts and KeyUpdates of a leg of kernel records. See record_ktls_control.h. */
#include "tls/record_ktls_control.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "tls/record_ktls_fault.h"

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct record_ktls *k, uint8_t type, const uint8_t *bytes, size_t n)
{
	assert(n <= sizeof(k->answer));
	memcpy(k->answer, bytes, n);
	k->answer_len = (uint8_t)n;
	k->answer_type = type;
}

/* New keys for our direction. Our KeyUpdate was the last record under the old ones. */
static int change_tx_keys(struct record_ktls *k)
{
	union ktls_crypto tx = {0};
	int r = keys_next(k->traffic->suite, k->traffic->server, k->traffic->len, &tx);

	if (!r)
		r = ktls_rekey_tx(k->r.fd, &tx);
	OPENSSL_cleanse(&tx, sizeof(tx));
	/* No alert: the client expects the new keys, and could not read it. */
	return r ? record_ktls_fail_with_alert(k, ALERT_NONE, KEDGE_REASON_key_update_refused) : 0;
}

int record_ktls_send_answer(struct record_ktls *k)
{
	int r;

	r = ktls_send_control(k->r.fd, k->answer_type, k->answer, k->answer_len);
	k->r.answer_due = r == -EAGAIN;
	if (k->r.answer_due)
		return r;
	k->answer_len = 0;
	if (r)
		return record_ktls_fail_from_errno(k, r);
	return k->answer_type == TLS_CONTENT_HANDSHAKE ? change_tx_keys(k) : 0;
}

/* --- control records -------------------------------------------------------------------------- */

static void follow_update(struct record_ktls *k, bool requested)
{
	static const uint8_t update[] = {HANDSHAKE_KEY_UPDATE, 0, 0, 1, 0};
	union ktls_crypto rx = {0};
	int r;

	if (!k->traffic) {
		record_ktls_fail_with_alert(k, ALERT_UNEXPECTED_MESSAGE,
					    KEDGE_REASON_key_update_refused);
		return;
	}
	r = keys_next(k->traffic->suite, k->traffic->client, k->traffic->len, &rx);
	if (!r)
		r = ktls_rekey_rx(k->r.fd, &rx);
	OPENSSL_cleanse(&rx, sizeof(rx));
	if (r) {
		record_ktls_fail_with_alert(k, ALERT_INTERNAL_ERROR,
					    KEDGE_REASON_key_update_refused);
		return;
	}
	k->r.scratch->stats->key_updates++;
	if (requested)
		answer(k, TLS_CONTENT_HANDSHAKE, update, sizeof(update));
}

/* Half a KeyUpdate has come: the old keys still hold. */
static void read_on(struct record_ktls *k)
{
	if (ktls_same_rx(k->r.fd, k->suite) < 0)
		record_ktls_fail_with_alert(k, ALERT_INTERNAL_ERROR,
					    KEDGE_REASON_key_update_refused);
}

void record_ktls_control(struct record_ktls *k, uint8_t type, const uint8_t *bytes, size_t n)
{
	static const uint8_t refusal[] = {ALERT_LEVEL_WARNING, ALERT_NO_RENEGOTIATION};

	switch (control_record(&k->control, type, bytes, n)) {
	case CONTROL_GO_ON:
		if (k->traffic && k->control.message_len)
			read_on(k);
		break;
	case CONTROL_END:
		k->r.clean_end = k->ended = true;
		break;
	case CONTROL_UPDATE:
		follow_update(k, false);
		break;
	case CONTROL_UPDATE_ANSWER:
		follow_update(k, true);
		break;
	case CONTROL_REFUSE:
		answer(k, TLS_CONTENT_ALERT, refusal, sizeof(refusal));
		break;
	case CONTROL_FATAL:
		record_ktls_fail_with_alert(k, k->control.alert, k->control.reason);
		break;
	}
}
