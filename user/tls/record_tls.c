/* SPDX-License-Identifier: BSD-2-Clause */
/* What both layers of TLS records have in common. See record_tls.h. */
#include "tls/record_tls.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "base/check.h"

void record_tls_init(struct record_tls *t, const struct record_tls_ops *ops,
		     enum tls_version version, enum tls_suite suite,
		     const struct keys_traffic *traffic)
{
	t->ops = ops;
	t->suite = (uint8_t)suite;
	t->control.tls13 = version == VERSION_TLS13;
	if (traffic)
		t->traffic = *traffic;
}

void record_tls_wipe(struct record_tls *t)
{
	OPENSSL_cleanse(&t->traffic, sizeof(t->traffic));
}

#ifdef KEDGE_CHECKS
/* A leg that has failed gives its error for ever, and it is known why. */
void record_tls_check(const struct record_tls *t)
{
	CHECK(t, t->failed <= 0);
	CHECK_IF(t, t->failed, t->r.reason != KEDGE_REASON_NONE);
	CHECK_IF(t, t->r.told, t->failed);
	CHECK(t, t->answer_len <= sizeof(t->answer));
	CHECK_IF(t, t->r.answer_due, t->answer_len);
	CHECK_IF(t, t->answer_len,
		 t->answer_type == TLS_CONTENT_ALERT || t->answer_type == TLS_CONTENT_HANDSHAKE);
	CHECK_IF(t, t->shut, t->alerted);
	CHECK_IF(t, t->r.clean_end, t->ended);
	CHECK(t, t->traffic.len <= KEYS_SECRET_MAX);
	CHECK_IF(t, t->traffic.len, t->control.tls13);
	CHECK(t, t->suite < SUITE_COUNT);
	if (!t->failed)
		control_check(&t->control);
}
#endif

/* --- failing ---------------------------------------------------------------------------------- */

int record_tls_fail(struct record_tls *t, int err, enum kedge_reason reason)
{
	t->r.reason = reason;
	t->failed = err;
	return err;
}

int record_tls_fail_with_alert(struct record_tls *t, uint8_t description, enum kedge_reason reason)
{
	const uint8_t level =
		description == ALERT_NO_RENEGOTIATION ? ALERT_LEVEL_WARNING : ALERT_LEVEL_FATAL;
	const uint8_t alert[] = {level, description};

	if (!t->alerted && !t->shut && description != ALERT_NONE)
		(void)t->ops->send_control(t, TLS_CONTENT_ALERT, alert, sizeof(alert));
	t->alerted = t->r.told = true;
	return record_tls_fail(t, -EPROTO, reason);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct record_tls *t, uint8_t type, const uint8_t *bytes, size_t n)
{
	assert(n <= sizeof(t->answer));
	memcpy(t->answer, bytes, n);
	t->answer_len = (uint8_t)n;
	t->answer_type = type;
}

static void answer_update(struct record_tls *t, bool request)
{
	const uint8_t update[] = {HANDSHAKE_KEY_UPDATE, 0, 0, 1, request};

	answer(t, TLS_CONTENT_HANDSHAKE, update, sizeof(update));
}

/* New keys for our direction. Our KeyUpdate was the last record under the old ones. */
static int change_tx_keys(struct record_tls *t)
{
	union ktls_crypto tx = {0};
	int r = keys_next(t->traffic.suite, t->traffic.server, t->traffic.len, &tx);

	if (!r)
		r = t->ops->set_tx(t, &tx);
	OPENSSL_cleanse(&tx, sizeof(tx));
	t->tx_records = 0;
	/* No alert: the client expects the new keys, and could not read it. */
	return r ? record_tls_fail_with_alert(t, ALERT_NONE, KEDGE_REASON_key_update_refused) : 0;
}

int record_tls_send_answer(struct record_tls *t)
{
	int r = t->ops->send_control(t, t->answer_type, t->answer, t->answer_len);

	t->r.answer_due = r == -EAGAIN;
	if (t->r.answer_due)
		return r;
	t->answer_len = 0;
	if (r)
		return t->ops->fail_from_errno(t, r);
	return t->answer_type == TLS_CONTENT_HANDSHAKE ? change_tx_keys(t) : 0;
}

/* --- control records -------------------------------------------------------------------------- */

static void follow_update(struct record_tls *t, bool requested)
{
	union ktls_crypto rx = {0};
	int r;

	if (!t->traffic.len) {
		record_tls_fail_with_alert(t, ALERT_UNEXPECTED_MESSAGE,
					   KEDGE_REASON_key_update_refused);
		return;
	}
	r = keys_next(t->traffic.suite, t->traffic.client, t->traffic.len, &rx);
	if (!r)
		r = t->ops->set_rx(t, &rx);
	OPENSSL_cleanse(&rx, sizeof(rx));
	if (r) {
		record_tls_fail_with_alert(t, ALERT_INTERNAL_ERROR,
					   KEDGE_REASON_key_update_refused);
		return;
	}
	t->rx_records = 0;
	t->asked = false;
	t->r.scratch->stats->key_updates++;
	if (requested)
		answer_update(t, false);
}

void record_tls_control(struct record_tls *t, uint8_t type, const uint8_t *bytes, size_t n)
{
	static const uint8_t refusal[] = {ALERT_LEVEL_WARNING, ALERT_NO_RENEGOTIATION};

	switch (control_record(&t->control, type, bytes, n)) {
	case CONTROL_GO_ON:
		if (t->traffic.len && t->control.message_len && t->ops->keep_rx(t) < 0)
			record_tls_fail_with_alert(t, ALERT_INTERNAL_ERROR,
						   KEDGE_REASON_key_update_refused);
		break;
	case CONTROL_END:
		t->r.clean_end = t->ended = true;
		break;
	case CONTROL_UPDATE:
		follow_update(t, false);
		break;
	case CONTROL_UPDATE_ANSWER:
		follow_update(t, true);
		break;
	case CONTROL_REFUSE:
		answer(t, TLS_CONTENT_ALERT, refusal, sizeof(refusal));
		break;
	case CONTROL_FATAL:
		record_tls_fail_with_alert(t, t->control.alert, t->control.reason);
		break;
	}
}

/* --- limits of a key -------------------------------------------------------------------------- */

static bool has_limit(const struct record_tls *t)
{
	return t->suite != SUITE_CHACHA20_POLY1305;
}

/*
 * Perhaps in the middle of what the client reads until the end. With a close_notify it would take a
 * part for the whole.
 */
static int exhausted(struct record_tls *t)
{
	return record_tls_fail_with_alert(t, ALERT_INTERNAL_ERROR, KEDGE_REASON_key_exhausted);
}

int record_tls_sent(struct record_tls *t, uint64_t records)
{
	t->tx_records += records;
	if (t->tx_records < RECORD_TLS_KEY_RECORDS || !has_limit(t))
		return 0;
	if (!t->control.tls13)
		return exhausted(t);
	/* Where the kernel takes no new keys there is nothing better than to go on. */
	if (t->traffic.len && !t->answer_len)
		answer_update(t, false);
	return 0;
}

int record_tls_received(struct record_tls *t, uint64_t records)
{
	t->rx_records += records;
	if (t->rx_records < RECORD_TLS_KEY_RECORDS || !has_limit(t))
		return 0;
	if (!t->control.tls13)
		return exhausted(t);
	if (!t->traffic.len)
		return 0;
	if (t->rx_records >= 2 * RECORD_TLS_KEY_RECORDS)
		return exhausted(t);
	if (!t->asked && !t->answer_len) {
		answer_update(t, true);
		t->asked = true;
	}
	return 0;
}

/* --- the end of our direction ----------------------------------------------------------------- */

int record_tls_write_failure(struct record_tls *t, int err)
{
	if (err == -EAGAIN)
		return err;
	if (err == -EPIPE) {
		t->r.reason = KEDGE_REASON_client_reset;
		return err;
	}
	return t->ops->fail_from_errno(t, err);
}

static int send_close_notify(struct record_tls *t)
{
	static const uint8_t close_notify[] = {ALERT_LEVEL_WARNING, ALERT_CLOSE_NOTIFY};
	int err = t->ops->room_to_end(t);

	if (!err)
		err = t->ops->send_control(t, TLS_CONTENT_ALERT, close_notify,
					   sizeof(close_notify));
	t->alerted = !err;
	return err;
}

int record_tls_close_write(struct record *r)
{
	struct record_tls *t = (struct record_tls *)r;
	int err = 0;

	if (t->shut)
		return 0;
	if (!t->alerted)
		err = send_close_notify(t);
	if (!err)
		err = t->ops->ended(t);
	if (err)
		return record_tls_write_failure(t, err);
	t->shut = true;
	if (shutdown(r->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return -errno;
	return 0;
}
