/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_*.c only: the PROXY header that tells the application its client (send-proxy). It is made
 * once, when all is known that it says, and begins each leg of the connection.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conn/types.h"

struct proxy_prefix;
struct tls_words;

/* Will there be one? Then the words of the handshake are needed. */
bool conn_header_wanted(const struct conn *c);

/* A prefix has come: keeps what the header needs of it. NONE, or no_memory. */
enum kedge_reason conn_header_prefix(struct conn *c, const struct proxy_prefix *p);

/*
 * The client leg is ready: makes the header, if there is to be one. `words` NULL: no TLS. NONE; or
 * no_memory, or prefix_too_long: TLVs to be passed on do not fit.
 */
enum kedge_reason conn_header_make(struct conn *c, const struct tls_words *words);

/* The unique ID that the header has; NULL, and *len 0, if it has none. */
const char *conn_header_id(const struct conn *c, uint8_t *len);

enum conn_header_sent {
	HEADER_SENT,  /* all of it, or there is none */
	HEADER_WAITS, /* for EPOLLOUT of the leg: call it again */
	HEADER_LOST,  /* the application has closed the leg */
};

/*
 * Sends what the leg has not got of it. The leg is connected, and under no program of BPF's yet:
 * that would take the header for a request.
 */
enum conn_header_sent conn_header_send(struct conn *c);

/* Has the leg got all of it? */
bool conn_header_done(const struct conn *c);

void conn_header_free(struct conn *c);
