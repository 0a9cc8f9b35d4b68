/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the rules for TLS records after the handshake that carry no application data: alerts,
 * KeyUpdates, and records that a client may not send. Pure: record bytes in, a verdict out. Sends
 * nothing, knows no keys.
 *
 *   record                                  TLS 1.3                     TLS 1.2
 *   close_notify                            end                         end
 *   user_canceled                           go on, at most four         as any warning
 *   no_renegotiation, level warning         end, no answer              handshake_failure
 *   another alert, level warning            end, no answer              go on, at most four
 *   another alert, level fatal              end, no answer              end, no answer
 *   alert of 0, 1, 3 or more bytes          unexpected_message          unexpected_message
 *   KeyUpdate of value 0 or 1               followed, counted           unexpected_message
 *   KeyUpdate of another value              illegal_parameter           unexpected_message
 *   KeyUpdate of another length             decode_error                unexpected_message
 *   bytes behind a KeyUpdate                unexpected_message          unexpected_message
 *   a record inside a split message         unexpected_message          data: the same
 *   ClientHello                             unexpected_message          no_renegotiation, go on;
 *                                                                       the fifth: and end
 *   other handshake, or 0 bytes of it       unexpected_message          unexpected_message
 *   any other type                          unexpected_message          unexpected_message
 *
 * RFC 8446 sections 4.6.3, 5 and 6; RFC 5246 sections 6.2 and 7.2. A renegotiation is refused with
 * the warning no_renegotiation (RFC 5246 section 7.2.2) and the connection goes on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kedge/abi.h"

/* Content types. */
#define TLS_CONTENT_CCS       20
#define TLS_CONTENT_ALERT     21
#define TLS_CONTENT_HANDSHAKE 22
#define TLS_CONTENT_DATA      23

#define ALERT_LEVEL_WARNING 1
#define ALERT_LEVEL_FATAL   2

/* Alert descriptions. */
#define ALERT_CLOSE_NOTIFY       0
#define ALERT_UNEXPECTED_MESSAGE 10
#define ALERT_BAD_RECORD_MAC     20
#define ALERT_RECORD_OVERFLOW    22
#define ALERT_HANDSHAKE_FAILURE  40
#define ALERT_ILLEGAL_PARAMETER  47
#define ALERT_DECODE_ERROR       50
#define ALERT_PROTOCOL_VERSION   70
#define ALERT_INTERNAL_ERROR     80
#define ALERT_USER_CANCELED      90
#define ALERT_NO_RENEGOTIATION   100
/* No alert: nothing is sent. */
#define ALERT_NONE               255

/* Handshake messages. */
#define HANDSHAKE_CLIENT_HELLO 1
#define HANDSHAKE_KEY_UPDATE   24

/*
 * How many KeyUpdates a client may send: some at any time, and one more for every so many bytes of
 * data in either direction. Each costs several key derivations. Most clients send one after
 * gigabytes (RFC 8446 section 5.5). Some send one for every record that they receive until ours has
 * arrived.
 */
#define KEY_UPDATES_FREE              32
#define KEY_UPDATES_BYTES_FOR_ANOTHER 16384

/* Warnings in a row, and renegotiations, that are allowed. The fifth ends the leg. */
#define CONTROL_WARNINGS_MAX       4
#define CONTROL_RENEGOTIATIONS_MAX 4

enum control_verdict {
	CONTROL_GO_ON,
	CONTROL_END,           /* the client's stream is over */
	CONTROL_UPDATE,        /* the client's next record has new keys */
	CONTROL_UPDATE_ANSWER, /* the same, and the client asks for a KeyUpdate of ours */
	CONTROL_REFUSE,        /* send the warning no_renegotiation and read on */
	CONTROL_FATAL,         /* send control.alert unless ALERT_NONE, end with control.reason */
};

/* One leg. Begins with all zero, except `tls13`. */
struct control {
	bool tls13;
	uint8_t message_len; /* of an incomplete handshake message; TLS 1.2: of its header */
	uint8_t message[5];
	uint8_t warnings;       /* since the last data */
	uint8_t renegotiations; /* TLS 1.2: refused */
	uint32_t updates;       /* KeyUpdates received */
	uint32_t skip;          /* TLS 1.2: bytes of a ClientHello that are still to come */
	uint64_t data_bytes;    /* application data, both directions */
	uint8_t alert;          /* with CONTROL_FATAL */
	enum kedge_reason reason;
};

/* `n` bytes of data were received. CONTROL_GO_ON, or CONTROL_FATAL if data is not allowed here. */
enum control_verdict control_data(struct control *c, size_t n);

static inline void control_data_sent(struct control *c, size_t n)
{
	c->data_bytes += n;
}

/* A whole record of another type than data. Not to be called again after CONTROL_FATAL. */
enum control_verdict control_record(struct control *c, uint8_t type, const uint8_t *bytes,
				    size_t n);

/* Between two records, of a leg that has not failed. See base/check.h. */
void control_check(const struct control *c);
