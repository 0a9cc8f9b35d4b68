/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules for records that carry no data. See control_record.h. */
#include "tls/control_record.h"

#include <assert.h>

#include "base/check.h"

/* The limit of OpenSSL, bytes. */
#define CLIENT_HELLO_MAX 131396

static enum control_verdict fatal(struct control *c, uint8_t alert, enum kedge_reason reason)
{
	c->alert = alert;
	c->reason = reason;
	return CONTROL_FATAL;
}

static enum control_verdict unexpected(struct control *c)
{
	return fatal(c, ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_record_control);
}

#ifdef KEDGE_CHECKS
void control_check(const struct control *c)
{
	CHECK(c, c->message_len < (c->tls13 ? sizeof(c->message) : 4));
	CHECK_IF(c, c->message_len,
		 c->message[0] == (c->tls13 ? HANDSHAKE_KEY_UPDATE : HANDSHAKE_CLIENT_HELLO));
	CHECK(c, c->warnings <= CONTROL_WARNINGS_MAX);
	CHECK(c, c->renegotiations <= CONTROL_RENEGOTIATIONS_MAX);
	CHECK_IF(c, c->tls13, !c->skip && !c->renegotiations);
	CHECK_IF(c, !c->tls13, !c->updates);
	CHECK(c, c->skip <= CLIENT_HELLO_MAX);
	CHECK_IF(c, c->skip, !c->message_len);
	CHECK(c, c->updates <= KEY_UPDATES_FREE + c->data_bytes / KEY_UPDATES_BYTES_FOR_ANOTHER);
}
#endif

static bool update_allowed(struct control *c)
{
	return ++c->updates <= KEY_UPDATES_FREE + c->data_bytes / KEY_UPDATES_BYTES_FOR_ANOTHER;
}

static bool renegotiation_allowed(struct control *c)
{
	return ++c->renegotiations <= CONTROL_RENEGOTIATIONS_MAX;
}

enum control_verdict control_data(struct control *c, size_t n)
{
	/* RFC 8446 section 5.1: nothing comes between the parts of a message. */
	if (c->skip || (c->tls13 && c->message_len))
		return unexpected(c);
	c->data_bytes += n;
	c->warnings = 0;
	return CONTROL_GO_ON;
}

/* --- alerts ----------------------------------------------------------------------------------- */

static enum control_verdict warning(struct control *c, uint8_t description)
{
	if (++c->warnings > CONTROL_WARNINGS_MAX)
		return unexpected(c);
	/* The client refuses a renegotiation that nobody has asked for. OpenSSL does the same. */
	if (description == ALERT_NO_RENEGOTIATION)
		return fatal(c, ALERT_HANDSHAKE_FAILURE, KEDGE_REASON_record_control);
	return CONTROL_GO_ON;
}

/* A record holds one alert, not a part of one (RFC 8446 section 5.1). So it is in TLS 1.2 too. */
static enum control_verdict alert(struct control *c, const uint8_t *bytes, size_t n)
{
	if ((c->tls13 && c->message_len) || n != 2)
		return unexpected(c);

	const uint8_t level = bytes[0], description = bytes[1];

	/* In TLS 1.3 the level means nothing (RFC 8446 section 6). */
	if (description == ALERT_CLOSE_NOTIFY && (c->tls13 || level == ALERT_LEVEL_WARNING))
		return CONTROL_END;
	if (c->tls13 ? description == ALERT_USER_CANCELED : level == ALERT_LEVEL_WARNING)
		return warning(c, description);
	if (!c->tls13 && level != ALERT_LEVEL_FATAL)
		return fatal(c, ALERT_ILLEGAL_PARAMETER, KEDGE_REASON_record_control);
	return fatal(c, ALERT_NONE, KEDGE_REASON_tls_client_alert);
}

/* --- handshake messages ----------------------------------------------------------------------- */

static enum control_verdict update_complete(struct control *c)
{
	const uint8_t value = c->message[4];

	c->message_len = 0;
	if (value > 1)
		return fatal(c, ALERT_ILLEGAL_PARAMETER, KEDGE_REASON_record_control);
	if (!update_allowed(c))
		return fatal(c, ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_key_update_flood);
	return value ? CONTROL_UPDATE_ANSWER : CONTROL_UPDATE;
}

/* The next byte of a message that must be a KeyUpdate. Refused at the first byte that is wrong. */
static enum control_verdict update_byte(struct control *c, uint8_t byte)
{
	assert(c->message_len < sizeof(c->message));
	c->message[c->message_len++] = byte;
	switch (c->message_len) {
	case 1:
		return byte == HANDSHAKE_KEY_UPDATE ? CONTROL_GO_ON : unexpected(c);
	case 4:
		return c->message[1] || c->message[2] || byte != 1
			       ? fatal(c, ALERT_DECODE_ERROR, KEDGE_REASON_record_control)
			       : CONTROL_GO_ON;
	default:
		return CONTROL_GO_ON;
	}
}

static enum control_verdict handshake13(struct control *c, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum control_verdict v;

		/* New keys follow a KeyUpdate, so it is the last of its record. */
		if (c->message_len == sizeof(c->message))
			return unexpected(c);
		v = update_byte(c, bytes[i]);
		if (v != CONTROL_GO_ON)
			return v;
	}
	return c->message_len == sizeof(c->message) ? update_complete(c) : CONTROL_GO_ON;
}

/* The next byte of a ClientHello's header. Another message is refused at its first byte. */
static enum control_verdict hello_byte(struct control *c, uint8_t byte)
{
	assert(c->message_len < 4);
	c->message[c->message_len++] = byte;
	if (c->message_len == 1 && byte != HANDSHAKE_CLIENT_HELLO)
		return unexpected(c);
	if (c->message_len < 4)
		return CONTROL_GO_ON;
	c->message_len = 0;
	c->skip = (uint32_t)(c->message[1] << 16 | c->message[2] << 8 | c->message[3]);
	if (c->skip > CLIENT_HELLO_MAX)
		return fatal(c, ALERT_ILLEGAL_PARAMETER, KEDGE_REASON_record_control);
	return c->skip ? CONTROL_GO_ON : CONTROL_REFUSE;
}

/* A ClientHello is refused once all of it has come. Its content does not matter. */
static enum control_verdict handshake12(struct control *c, const uint8_t *bytes, size_t n)
{
	bool allowed = true, refused = false;

	for (size_t i = 0; i < n;) {
		enum control_verdict v;

		if (c->skip) {
			size_t some = c->skip < n - i ? c->skip : n - i;

			c->skip -= (uint32_t)some;
			i += some;
			v = c->skip ? CONTROL_GO_ON : CONTROL_REFUSE;
		} else {
			v = hello_byte(c, bytes[i++]);
		}
		if (v == CONTROL_FATAL)
			return v;
		refused |= v == CONTROL_REFUSE;
		allowed = allowed && (v != CONTROL_REFUSE || renegotiation_allowed(c));
	}
	if (!allowed)
		return fatal(c, ALERT_NO_RENEGOTIATION, KEDGE_REASON_renegotiation);
	return refused ? CONTROL_REFUSE : CONTROL_GO_ON;
}

enum control_verdict control_record(struct control *c, uint8_t type, const uint8_t *bytes, size_t n)
{
	switch (type) {
	case TLS_CONTENT_ALERT:
		return alert(c, bytes, n);
	case TLS_CONTENT_HANDSHAKE:
		if (!n)
			return unexpected(c);
		return c->tls13 ? handshake13(c, bytes, n) : handshake12(c, bytes, n);
	default:
		return unexpected(c);
	}
}
