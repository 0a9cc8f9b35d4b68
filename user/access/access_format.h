/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: one line of the access log from one entry. Pure: struct in, text out.
 *
 *   common    CLIENT - - [TIME] "REQUEST" STATUS BYTES SECONDS TLS CIPHER CAPABILITIES
 *   combined  CLIENT - - [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT" SECONDS TLS CIPHER
 *             CAPABILITIES
 *   json      one object a line
 *
 * Behind CAPABILITIES follow, if there are any: ",host=HOST,sni=NAME,request=ID,id=ID". The last is
 * the unique ID of the connection, in JSON the member "unique_id".
 *
 * Text from a client is escaped: it can end neither a field nor a line. Common and combined write
 * '"', '\' and every byte outside printable ASCII as \xHH; in the last field also a space and a
 * comma. JSON has its own escapes; a byte above 0x7f is \u00HH: a request need not be UTF-8.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"

/* Longer texts are cut. A request line that kedge accepts is never longer. */
#define ACCESS_REQUEST_MAX    8192
#define ACCESS_FIELD_MAX      1024
/* As the PROXY protocol has it. */
#define ACCESS_ID_MAX         128
/* A name of 255 bytes, and a port. */
#define ACCESS_HOST_MAX       261
#define ACCESS_SNI_MAX        255
/* Of what the client, or a proxy before kedge, has said in X-Request-Id. */
#define ACCESS_REQUEST_ID_MAX 128

/* The longest line, with its newline: up to six bytes for one, and the other fields. */
#define ACCESS_TEXTS_MAX                                                                \
	(ACCESS_REQUEST_MAX + 2 * ACCESS_FIELD_MAX + ACCESS_HOST_MAX + ACCESS_SNI_MAX + \
	 ACCESS_REQUEST_ID_MAX + ACCESS_ID_MAX)
#define ACCESS_LINE_MAX (6 * ACCESS_TEXTS_MAX + 2048)

enum access_record { ACCESS_RECORD_PLAIN, ACCESS_RECORD_USER, ACCESS_RECORD_KERNEL };

/* What a worker hands over. The texts follow it in the order of access_texts, not terminated. */
struct access_entry {
	uint64_t begun_us;    /* CLOCK_MONOTONIC: the request's head was complete */
	uint64_t duration_us; /* from then to the end of the response */
	uint64_t bytes;       /* of the response's body, as read from the application */
	uint16_t status;      /* 0: there was no response */
	uint16_t client_port; /* host order */
	uint8_t reason; /* enum kedge_reason: how kedge ended it; 0: the application answered */
	uint8_t tls_version; /* enum tls_version, unless record is plain */
	uint8_t tls_suite;   /* enum tls_suite, likewise */
	uint8_t record;      /* enum access_record */
	uint8_t edit_kernel, bypass, splice;
	uint16_t request_len, referer_len, agent_len, host_len, request_id_len;
	uint16_t listener_len, sni_len;
	uint8_t id_len;                /* 0: none */
	char client[INET6_ADDRSTRLEN]; /* terminated */
};

struct access_texts {
	const char *request; /* its first line, without CRLF */
	const char *referer, *agent, *host, *request_id;
	const char *listener; /* its address */
	const char *id;       /* the unique ID that the application got of the connection */
	const char *sni;      /* the host that the client asked for in its handshake */
};

/*
 * Writes one line with its newline to out[0..ACCESS_LINE_MAX) and returns its length. wall_us: the
 * wall clock when the monotonic one was 0.
 */
size_t access_format_line(char *out, enum access_format format, const struct access_entry *e,
			  const struct access_texts *t, int64_t wall_us);
