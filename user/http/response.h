/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: follows an application's responses as far as the mover must know them: where one ends,
 * whether 101 was answered, whether a request went unanswered. Pure: bytes in, state out; the bytes
 * themselves pass unchanged. Framing as RFC 9112, section 6.3, from the receiver's side.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/response_head.h"
#include "kedge/abi.h"

enum response_state {
	RESPONSE_LINE, /* at or in a status line; `begun` tells which */
	RESPONSE_FIELDS,
	RESPONSE_BODY,  /* `left` bytes to come */
	RESPONSE_CHUNK, /* chunk-size line */
	RESPONSE_CHUNK_END,
	RESPONSE_TRAILER,
	RESPONSE_TO_END, /* the end of the stream ends it */
	RESPONSE_TUNNEL,
	RESPONSE_LOST, /* unreadable: passed on, followed no more */
};

/* The beginning of a line is all that is ever needed of it. */
#define RESPONSE_LINE_KEPT 64

/* "HTTP/1.1 200": as much of a response is held back until it is known whether it may go on. */
#define RESPONSE_HELD_MAX RESPONSE_STATUS_LEN

struct response {
	uint64_t left;
	uint64_t body;    /* bytes of the body announced so far, or seen; `left` of them not come */
	uint32_t done;    /* final responses finished; wraps, as note->requests does */
	uint16_t status;  /* of the response being read */
	uint8_t state;    /* enum response_state */
	uint8_t line_len; /* bytes of the current line kept in line[] */
	uint8_t held;     /* bytes of a status line, at line[], that have not gone on yet */
	bool begun;       /* in RESPONSE_LINE: a byte of the status line has come */
	bool unasked;     /* when that came, nobody waited for it */
	bool line_long;   /* the line went on beyond line[] */
	bool old;         /* HTTP/1.0 */
	bool said_close;  /* after a final response that has ended: the connection is to end */
	bool early;       /* the head being read, or read last, came before its request was whole */
	bool over;        /* such a response has ended: the connection is to end */
	bool interim;     /* an interim response to the oldest request has come */
	struct response_head head;
	char line[RESPONSE_LINE_KEPT];
};

enum response_event {
	RESPONSE_QUIET,    /* nothing the mover must act on */
	RESPONSE_SWITCHED, /* 101 to the waiting request: from here on a tunnel */
	RESPONSE_DECLINED, /* the waiting request was answered otherwise: HTTP goes on */
	/* What comes must not reach the client, and nothing more is followed: */
	RESPONSE_REFUSED, /* a 101 that nobody asked for, where another answer is due */
	RESPONSE_UNASKED, /* a response although all requests have had theirs */
	RESPONSE_STRAY,   /* bytes that are no response, likewise */
};

/* What response_feed() adds to, and calls. */
struct response_counts {
	uint32_t finals; /* final response heads seen in this call */
	/* Bytes that may go on, of what was held before the call and the bytes of the call, in a
	 * row. */
	size_t good;
	/* At the end of each final response, before the next one begins; NULL: nobody wants to
	 * know. */
	void (*ended)(void *arg, const struct response *r);
	void *arg;
};

/*
 * Follows bytes[0..n). `note` is the editor's: how many requests there were, which of them were
 * HEAD, whether the last one waits for an upgrade. Of several events in one call the last one that
 * is not QUIET is returned; REFUSED, UNASKED and STRAY at once.
 *
 * Before the first request, and to half a head, an application may say what it likes (a 503 at
 * accept): it passes, and is the last (response_over()).
 */
enum response_event response_feed(struct response *r, const struct kedge_note *note,
				  const char *bytes, size_t n, struct response_counts *counts);

/* There will be no response: bytes pass unread from the first one on. */
static inline void response_tunnel(struct response *r)
{
	r->state = RESPONSE_TUNNEL;
}

/* True when nothing has gone on of a response that has not ended: kedge itself could answer now. */
static inline bool response_between(const struct response *r)
{
	return r->state == RESPONSE_LINE && (!r->begun || r->held);
}

/* True when nobody knows where the response ends, or its end is that of the connection: no other
 * request can have an answer behind it. */
static inline bool response_endless(const struct response *r)
{
	return r->state == RESPONSE_LOST || r->state == RESPONSE_TO_END;
}

/* True behind a response that came before its request was whole: nothing more may go on. */
static inline bool response_over(const struct response *r)
{
	return r->over;
}

/* Was the oldest request without its final response a HEAD? Also of a head that is not complete. */
bool response_to_head(const struct response *r, const struct kedge_note *note);

/*
 * True when a client must take the connection for ended by the last response: nothing may follow
 * it.
 */
static inline bool response_was_last(const struct response *r)
{
	return r->said_close;
}

/* Bytes of the present response's body that have come, chunk framing not counted. */
static inline uint64_t response_body(const struct response *r)
{
	return r->state == RESPONSE_BODY ? r->body - r->left : r->body;
}

/* Requests whose final response is not finished. */
static inline uint32_t response_outstanding(const struct response *r, const struct kedge_note *note)
{
	return note->requests - r->done;
}
