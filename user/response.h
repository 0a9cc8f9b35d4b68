/*
 * user only: follows an application's responses as far as the mover must know them: where one ends,
 * whether 101 was answered, whether a request went unanswered. Pure: bytes in, state out; the bytes
 * themselves pass unchanged. Framing as RFC 9112, section 6.3, from the receiver's side.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

struct response {
	uint64_t left;
	uint64_t
		body; /* bytes of the body told of so far, chunk by chunk, or seen; `left` not come */
	uint32_t done;    /* final responses finished; wraps, as note->requests does */
	uint16_t status;  /* of the response being read */
	uint8_t state;    /* enum response_state */
	uint8_t line_len; /* bytes of the current line kept in line[] */
	bool begun;       /* in RESPONSE_LINE: a byte of the status line has passed */
	bool line_long;   /* the line went on beyond line[] */
	bool chunked, has_length;
	bool old;           /* HTTP/1.0 */
	bool close, keep;   /* Connection lists these */
	bool said_close;    /* after a final response that has ended: the connection is to end */
	bool of_connection; /* the field line before this one was a Connection line */
	char line[RESPONSE_LINE_KEPT];
};

enum response_event {
	RESPONSE_QUIET,    /* nothing the mover must act on */
	RESPONSE_SWITCHED, /* 101 to the waiting request: from here on a tunnel */
	RESPONSE_DECLINED, /* the waiting request was answered otherwise: HTTP goes on */
	RESPONSE_REFUSED,  /* a 101 that nobody asked for: must not reach the client */
};

/* What response_feed() adds to, and calls. */
struct response_counts {
	uint32_t finals; /* final response heads seen in this call */
	/* At the end of each final response, before the next one begins; NULL: nobody wants to know. */
	void (*ended)(void *arg, const struct response *r);
	void *arg;
};

/*
 * Follows bytes[0..n). `note` is the editor's: how many requests there were, which of them were
 * HEAD, whether the last one waits for an upgrade. Of several events in one call the last one that
 * is not QUIET is returned; REFUSED at once.
 */
enum response_event response_feed(struct response *r, const struct kedge_note *note,
				  const char *bytes, size_t n, struct response_counts *counts);

/* There will be no response: bytes pass unread from the first one on. */
static inline void response_tunnel(struct response *r)
{
	r->state = RESPONSE_TUNNEL;
}

/* True when no response is under way: kedge itself could answer now. */
static inline bool response_between(const struct response *r)
{
	return r->state == RESPONSE_LINE && !r->begun;
}

/* True when a client must take the connection for ended by the last response: nothing may follow it. */
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
