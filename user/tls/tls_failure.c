/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a handshake failed, in words. See tls_failure.h. */
#include "tls/tls_failure.h"

#include <stdio.h>

#include <openssl/ssl.h>

#include "tls/tls_types.h"

#define CHAIN                                                                        \
	"put the whole chain (intermediates) into cert; if it is there, the client " \
	"does not trust its CA"
#define NAME                                                                          \
	"look at the certificate's name and date; from a browser it also means that " \
	"its user does not accept the certificate"
#define OLD "update the client, or allow older versions and ciphers (tls-min, tls-policy)"

/* RFC 8446 section 6.2, and what RFC 5246 has besides. */
static const struct {
	uint8_t number;
	const char *name, *next; /* NULL: the reason's own */
} alerts[] = {
	{10, "unexpected_message", "try the client with openssl s_client -msg"},
	{20, "bad_record_mac", "look for what changes bytes between the client and kedge"},
	{40, "handshake_failure", OLD},
	{42, "bad_certificate", NULL},
	{43, "unsupported_certificate",
	 "the client cannot use this type of key: add a certificate with an RSA key"},
	{44, "certificate_revoked", "get another certificate: its issuer has revoked it"},
	{45, "certificate_expired",
	 "renew the certificate, then kedge reload; or set the client's clock"},
	{46, "certificate_unknown", NAME},
	{47, "illegal_parameter", "try the client with openssl s_client -msg"},
	{48, "unknown_ca", CHAIN},
	{49, "access_denied", "look at the client: its own rules forbid this server"},
	{50, "decode_error", "try the client with openssl s_client -msg"},
	{51, "decrypt_error", "try the client with openssl s_client -msg"},
	{70, "protocol_version", OLD},
	{71, "insufficient_security", OLD},
	{80, "internal_error", "look at the client's own log"},
	{86, "inappropriate_fallback", "look at the client: it tries older versions of TLS"},
	{90, "user_canceled", "nothing: the client gave up"},
	{109, "missing_extension", "try the client with openssl s_client -msg"},
	{110, "unsupported_extension", "try the client with openssl s_client -msg"},
	{112, "unrecognized_name", "look at the name that the client asks for"},
	{113, "bad_certificate_status_response",
	 "get a fresh OCSP response for this certificate, then kedge reload"},
	{115, "unknown_psk_identity", "look at the client's keys"},
	{116, "certificate_required", "look at the client: it demands what kedge never sends"},
	{120, "no_application_protocol", "look at the protocols of the client, and at alpn"},
};

static void of_alert(const struct tls_conn *c, struct tls_failure *out)
{
	const char *name = "unknown";

	if (!c->alert) /* it came after the handshake */
		return;
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (alerts[i].number == c->alert) {
			name = alerts[i].name;
			out->next = alerts[i].next;
		}
	snprintf(out->alert, sizeof(out->alert), "%u %s", c->alert, name);
	snprintf(out->text, sizeof(out->text), "client ended the handshake with alert %s",
		 out->alert);
}

static const char *version_name(unsigned version)
{
	switch (version) {
	case SSL3_VERSION:
		return "SSL 3.0";
	case TLS1_VERSION:
		return "TLS 1.0";
	case TLS1_1_VERSION:
		return "TLS 1.1";
	case TLS1_2_VERSION:
		return "TLS 1.2";
	case TLS1_3_VERSION:
		return "TLS 1.3";
	default:
		return version < SSL3_VERSION ? "SSL 2.0" : NULL;
	}
}

/* Nothing makes kedge speak TLS 1.1. */
static void of_versions(const struct tls_conn *c, struct tls_failure *out)
{
	const char *name = version_name(c->offered);
	const bool only13 = SSL_get_min_proto_version(c->ssl) == TLS1_3_VERSION;

	if (!c->offered || !name)
		return;
	if (c->offered < TLS1_2_VERSION) {
		snprintf(out->text, sizeof(out->text),
			 "client offers %s at most, and kedge has no version below TLS 1.2", name);
		out->next = "update the client: no setting of kedge allows it";
	} else if (c->offered == TLS1_2_VERSION && only13) {
		snprintf(out->text, sizeof(out->text),
			 "client offers TLS 1.2 at most, and this kedge takes TLS 1.3 only");
		out->next = "update the client, or allow TLS 1.2 (tls-min, tls-policy)";
	} else {
		snprintf(out->text, sizeof(out->text),
			 "no cipher, group or signature in common (client offers up to %s)", name);
		out->next = "update the client, or allow more ciphers (tls-policy, record)";
	}
}

static void of_silence(const struct tls_conn *c, struct tls_failure *out)
{
	if (c->wire.first_len)
		return;
	snprintf(out->text, sizeof(out->text), "TLS handshake not finished in time: no byte came");
	out->next = "nothing, if it is a port scan, or a browser that connects ahead of need; else "
		    "look at the client: it waits, perhaps for a server that speaks first";
}

void tls_failure(const struct tls_conn *c, enum kedge_reason reason, struct tls_failure *out)
{
	*out = (struct tls_failure){0};
	if (reason == KEDGE_REASON_tls_client_alert)
		of_alert(c, out);
	else if (reason == KEDGE_REASON_tls_no_shared)
		of_versions(c, out);
	else if (reason == KEDGE_REASON_tls_handshake_timeout)
		of_silence(c, out);
}
