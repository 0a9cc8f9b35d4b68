/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which records a client may send after the handshake, and what the others lead to: RFC 8446
 * sections 4.6.3, 5 and 6, RFC 5246 sections 6.2 and 7.2. One table for both record layers.
 */
#include "tests/unit/tls/rules_leg.h"

/* --- the table -------------------------------------------------------------------------------- */

enum how {
	NOTHING,
	SEALED,  /* a record of this type */
	CLEAR,   /* bytes as they are */
	DAMAGED, /* a record with one bit of its tag turned */
	VERSION, /* a record with version 3.4 in its header */
};

struct input {
	enum how how;
	uint8_t type;
	const char *bytes;
	size_t n;
};

#define ALERT(text)                                               \
	{                                                         \
		SEALED, TLS_CONTENT_ALERT, text, sizeof(text) - 1 \
	}
#define HANDSHAKE(text)                                               \
	{                                                             \
		SEALED, TLS_CONTENT_HANDSHAKE, text, sizeof(text) - 1 \
	}
#define DATA(text)                                               \
	{                                                        \
		SEALED, TLS_CONTENT_DATA, text, sizeof(text) - 1 \
	}
#define BYTES(text)                              \
	{                                        \
		CLEAR, 0, text, sizeof(text) - 1 \
	}
/* What TLS 1.3 calls the inner plaintext: content, type, padding. */
#define INNER(text)                               \
	{                                         \
		SEALED, 0, text, sizeof(text) - 1 \
	}

#define V12       1
#define V13       2
#define USER_ONLY 8 /* the kernel waits for more */

enum outcome { GO_ON, END, FATAL };

#define GOES_ON             .outcome = GO_ON, .alert = ALERT_NONE
#define WARNED(description) .outcome = GO_ON, .alert = (description)
#define ENDS                .outcome = END
#define DIES(description, why) \
	.outcome = FATAL, .alert = (description), .reason = KEDGE_REASON_##why

static const struct rule {
	const char *text;
	unsigned versions;
	struct input in[4];
	enum outcome outcome;
	uint8_t alert; /* with FATAL; with GO_ON a warning, unless ALERT_NONE */
	enum kedge_reason reason;
} rules[] = {
	/* RFC 8446 section 6: alerts */
	{"close_notify", V12 | V13, {ALERT("\1\0")}, ENDS},
	{"close_notify, fatal", V13, {ALERT("\2\0")}, ENDS},
	{"user_canceled", V12 | V13, {ALERT("\1\132")}, GOES_ON},
	{"user_canceled, fatal", V13, {ALERT("\2\132")}, GOES_ON},
	{"user_canceled, then the end", V12 | V13, {ALERT("\1\132"), ALERT("\1\0")}, ENDS},
	{"fatal alert", V12 | V13, {ALERT("\2\60")}, DIES(ALERT_NONE, tls_client_alert)},
	{"unknown fatal alert", V12 | V13, {ALERT("\2\310")}, DIES(ALERT_NONE, tls_client_alert)},
	{"error alert of level warning", V13, {ALERT("\1\60")}, DIES(ALERT_NONE, tls_client_alert)},
	{"unknown alert of level warning",
	 V13,
	 {ALERT("\1\310")},
	 DIES(ALERT_NONE, tls_client_alert)},
	{"warning", V12, {ALERT("\1\60")}, GOES_ON},
	{"warning no_renegotiation", V12, {ALERT("\1\144")}, DIES(40, record_control)},
	{"alert of level 3", V12, {ALERT("\3\60")}, DIES(47, record_control)},
	{"alert of no bytes", V12 | V13, {ALERT("")}, DIES(10, record_control)},
	{"alert in two records", V12 | V13, {ALERT("\1"), ALERT("\0")}, DIES(10, record_control)},
	{"alert of three bytes", V12 | V13, {ALERT("\1\0\0")}, DIES(10, record_control)},
	{"two alerts in a record", V12 | V13, {ALERT("\1\132\1\0")}, DIES(10, record_control)},

	/* RFC 8446 section 4.6.3: what stands for any KeyUpdate where the kernel takes no keys is
	 * in a test of its own */
	{"KeyUpdate of value 2", V13, {HANDSHAKE("\30\0\0\1\2")}, DIES(47, record_control)},
	{"KeyUpdate of value 255", V13, {HANDSHAKE("\30\0\0\1\377")}, DIES(47, record_control)},
	{"KeyUpdate without a value", V13, {HANDSHAKE("\30\0\0\0")}, DIES(50, record_control)},
	{"KeyUpdate of two bytes", V13, {HANDSHAKE("\30\0\0\2\0\0")}, DIES(50, record_control)},
	{"huge KeyUpdate", V13, {HANDSHAKE("\30\1\0\1\0")}, DIES(50, record_control)},
	{"two KeyUpdates in a record",
	 V13,
	 {HANDSHAKE("\30\0\0\1\0\30\0\0\1\0")},
	 DIES(10, record_control)},
	{"KeyUpdate and a byte", V13, {HANDSHAKE("\30\0\0\1\0\0")}, DIES(10, record_control)},
	{"KeyUpdate", V12, {HANDSHAKE("\30\0\0\1\0")}, DIES(10, record_control)},
	/* RFC 8446 section 5.1: nothing between the parts of a message */
	{"data in a KeyUpdate", V13, {HANDSHAKE("\30\0"), DATA("x")}, DIES(10, record_control)},
	{"an alert in a KeyUpdate",
	 V13,
	 {HANDSHAKE("\30\0\0\1"), ALERT("\1\0")},
	 DIES(10, record_control)},

	/* other handshake messages, answered as soon as they are one */
	{"handshake of no bytes", V13, {HANDSHAKE("")}, DIES(10, record_control)},
	{"ClientHello", V13, {HANDSHAKE("\1\0\0\1\0")}, DIES(10, record_control)},
	{"empty ClientHello", V13, {HANDSHAKE("\1\0\0\0")}, DIES(10, record_control)},
	{"NewSessionTicket", V13, {HANDSHAKE("\4\0\0\0\0\0\0\0")}, DIES(10, record_control)},
	{"Certificate", V12 | V13, {HANDSHAKE("\13\0\0\4\0\0\0\0")}, DIES(10, record_control)},
	{"Finished again", V12 | V13, {HANDSHAKE("\24\0\0\0")}, DIES(10, record_control)},
	{"message of no known type",
	 V12 | V13,
	 {HANDSHAKE("\143\0\0\0")},
	 DIES(10, record_control)},
	{"HelloRequest", V12, {HANDSHAKE("\0\0\0\0")}, DIES(10, record_control)},

	/* RFC 5246 section 7.2.2: a renegotiation is refused, and the connection goes on */
	{"ClientHello", V12, {HANDSHAKE("\1\0\0\4abcd")}, WARNED(100)},
	{"empty ClientHello", V12, {HANDSHAKE("\1\0\0\0")}, WARNED(100)},
	{"ClientHello, its header in two records",
	 V12,
	 {HANDSHAKE("\1\0"), HANDSHAKE("\0\2ab")},
	 WARNED(100)},
	{"ClientHello in three records",
	 V12,
	 {HANDSHAKE("\1\0\1\0abcd"), {SEALED, TLS_CONTENT_HANDSHAKE, zeros, 251}, HANDSHAKE("x")},
	 WARNED(100)},
	{"data between a header's halves",
	 V12,
	 {HANDSHAKE("\1\0"), DATA("x"), HANDSHAKE("\0\2ab")},
	 WARNED(100)},
	{"data in a ClientHello",
	 V12,
	 {HANDSHAKE("\1\0\0\7ab"), DATA("x")},
	 DIES(10, record_control)},
	{"huge ClientHello", V12, {HANDSHAKE("\1\2\1\105a")}, DIES(47, record_control)},

	/* other types; RFC 8446 section 5: a ChangeCipherSpec only before the client's Finished */
	{"ChangeCipherSpec", V13, {BYTES("\24\3\3\0\1\1")}, DIES(10, record_control)},
	{"encrypted ChangeCipherSpec",
	 V12 | V13,
	 {{SEALED, 20, "\1", 1}},
	 DIES(10, record_control)},
	{"heartbeat", V12 | V13, {{SEALED, 24, "\1\0\4abcd", 7}}, DIES(10, record_control)},
	{"type 99", V12 | V13, {{SEALED, 99, "x", 1}}, DIES(10, record_control)},
	{"alert that is not encrypted", V13, {BYTES("\25\3\3\0\2\1\0")}, DIES(10, record_control)},
	{"handshake that is not encrypted",
	 V13,
	 {BYTES("\26\3\3\0\5\30\0\0\1\0")},
	 DIES(10, record_control)},
	{"outer type other than data",
	 V13,
	 {BYTES("\26\3\3\0\40 thirty-two bytes of nonsense...")},
	 DIES(10, record_control)},

	/* RFC 8446 sections 5.2 and 5.4: records */
	{"wrong MAC", V12 | V13, {{DAMAGED, TLS_CONTENT_DATA, "x", 1}}, DIES(20, record_bad)},
	{"wrong MAC of an alert",
	 V12 | V13,
	 {{DAMAGED, TLS_CONTENT_ALERT, "\1\0", 2}},
	 DIES(20, record_bad)},
	{"record shorter than a tag", V13, {BYTES("\27\3\3\0\4abcd")}, DIES(20, record_bad)},
	{"record of no bytes", V13, {BYTES("\27\3\3\0\0")}, DIES(20, record_bad)},
	/* The kernel looks at a header of TLS 1.2 once as many bytes
	 * as a nonce has are behind it. */
	{"record of no bytes", V12, {BYTES("\27\3\3\0\0abcdefgh")}, DIES(20, record_bad)},
	{"record shorter than a nonce", V12, {BYTES("\27\3\3\0\4abcdefgh")}, DIES(20, record_bad)},
	{"alert of no bytes, not even a tag",
	 V12,
	 {BYTES("\25\3\3\0\0abcdefgh")},
	 DIES(20, record_bad)},
	{"nothing but a nonce", V12, {BYTES("\27\3\3\0\10abcdefgh")}, DIES(20, record_bad)},
	{"a nonce and a tag that lacks a byte",
	 V12,
	 {BYTES("\27\3\3\0\27abcdefghijklmnopqrstuvw")},
	 DIES(20, record_bad)},
	{"too short, its header in two pieces",
	 V12 | USER_ONLY,
	 {BYTES("\27\3\3\0"), BYTES("\10abcdefgh")},
	 DIES(20, record_bad)},
	{"padding and no type", V13, {INNER("\0\0\0\0")}, DIES(10, record_control)},
	{"neither content nor type", V13, {INNER("")}, DIES(10, record_control)},
	{"padded alert", V13, {INNER("\1\132\25\0\0\0")}, GOES_ON},
	{"padded end", V13, {INNER("\1\0\25\0\0\0")}, ENDS},
	{"16385 bytes of data",
	 V12 | V13,
	 {{SEALED, TLS_CONTENT_DATA, zeros, 16385}},
	 DIES(22, record_bad)},
	{"length above all limits",
	 V12 | V13,
	 {BYTES("\27\3\3\377\377abcdefghijkl")},
	 DIES(22, record_bad)},
	{"plain HTTP", V12, {BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}, DIES(70, record_bad)},
	{"plain HTTP", V13, {BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}, DIES(70, record_bad)},

	/* an empty record of data is no end */
	{"empty data", V12 | V13, {DATA(""), DATA(""), DATA("")}, GOES_ON},
	{"data of nothing but padding", V13, {INNER("\27\0\0\0\0\0")}, GOES_ON},
	{"most padding", V13, {INNER("\27\0\0\0"), DATA("")}, GOES_ON},
};

static void put(struct leg *l, const struct input *i)
{
	static uint8_t rec[2 * RECORD_BYTES_MAX];
	size_t len = i->n;

	if (i->how == CLEAR)
		memcpy(rec, i->bytes, len);
	else if (i->how == SEALED && !i->type && i->n) /* its last byte is sealed as the type */
		len = (size_t)record_seal(&l->up, (uint8_t)i->bytes[i->n - 1], i->bytes, i->n - 1,
					  rec);
	else
		len = (size_t)record_seal(&l->up, i->type, i->bytes, i->n, rec);
	if (i->how == DAMAGED)
		rec[len - 1] ^= 1;
	client_sends(l, rec, len);
}

static void judge(struct leg *l, const struct rule *rule)
{
	const uint8_t alert = rule->alert;
	ssize_t n = -EAGAIN;

	for (size_t i = 0; i < 4 && rule->in[i].how; i++) {
		put(l, &rule->in[i]);
		n = read_some(l);
		/* It was refused already: nothing more comes. */
		if (n < 0 && n != -EAGAIN)
			break;
	}
	switch (rule->outcome) {
	case GO_ON:
		assert_true(n == -EAGAIN || n > 0);
		if (alert != ALERT_NONE)
			expect_alert(l, 1, alert);
		goes_on(l);
		break;
	case END:
		assert_int_equal(read_next(l), 0);
		assert_true(l->record->clean_end);
		break;
	case FATAL:
		assert_int_equal(read_next(l), -EPROTO);
		assert_int_equal(l->record->reason, rule->reason);
		if (alert != ALERT_NONE)
			expect_alert(l, 2, alert);
		ends_in_order(l);
		break;
	}
}

static void every_rule(void **state)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		for (int tls13 = 0; tls13 < 2; tls13++) {
			struct leg l;

			if (!(rules[i].versions & (tls13 ? V13 : V12)) ||
			    (rules[i].versions & (kernel ? USER_ONLY : 0)))
				continue;
			if (getenv("RULES"))
				print_message("TLS 1.%d, %s\n", 2 + tls13, rules[i].text);
			start(&l, tls13);
			judge(&l, &rules[i]);
			stop(&l);
			/* The same behind data. An emulated machine is too slow for both. */
			if (kernel)
				continue;
			start(&l, tls13);
			goes_on(&l);
			judge(&l, &rules[i]);
			stop(&l);
		}
}

/* --- TLS 1.2: a Finished in pieces ------------------------------------------------------------ */

static void finished_in_several_records(void **state)
{
	for (size_t piece = 1; piece <= 16; piece = piece * 3 + 1) {
		struct leg l;

		start_with(&l, false, piece);
		goes_on(&l);
		goes_on(&l);
		stop(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule),
		cmocka_unit_test(finished_in_several_records),
	};

	return RUN_IN_EACH_LAYER(tests);
}
