/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: follows an application's responses as far as the mover needs: where a response ends,
 * whether it is a 101, whether a request has no answer. Pure: bytes in, state out. The bytes pass
 * unchanged. Framing is that of RFC 9112, section 6.3, from the receiver's side.
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
	RESPONSE_TO_END, /* the body ends with the stream */
	RESPONSE_TUNNEL,
	RESPONSE_LOST, /* unreadable: bytes pass and are not followed any more */
};

/* Only the beginning of a line is needed. */
#ifndef RESPONSE_LINE_KEPT
#define RESPONSE_LINE_KEPT 64
#endif

/* More interim responses than this to one request are taken for a storm. */
#ifndef RESPONSE_INTERIM_MAX
#define RESPONSE_INTERIM_MAX 32
#endif

/* "HTTP/1.1 200": these bytes of a response are held back until it is known whether it may pass. */
#define RESPONSE_HELD_MAX RESPONSE_STATUS_LEN

struct response {
	uint64_t left;
	uint64_t body;   /* bytes of the body announced so far, or seen; `left` of them not come */
	uint32_t done;   /* final responses finished; wraps, as note->requests does */
	uint16_t status; /* of the response being read */
	uint16_t keep_alive_s; /* what a response last said in Keep-Alive: timeout; 0: nothing */
	uint8_t state;         /* enum response_state */
	uint8_t line_len;      /* bytes of the current line kept in line[] */
	uint8_t held;          /* bytes of a status line, at line[], that have not gone on yet */
	bool begun;            /* in RESPONSE_LINE: a byte of the status line has come */
	bool unasked;          /* when that byte came, no request waited for it */
	bool line_long;        /* the line went on beyond line[] */
	bool cr;               /* the last byte of the line so far is a CR */
	bool old;              /* HTTP/1.0 */
	bool said_close;       /* a finished response said that the connection ends */
	bool early;      /* the head being read, or read last, came before its request was whole */
	bool told;       /* kedge says in this response that the connection ends */
	bool over;       /* an early or a told one has ended: the connection must end */
	bool doubtful;   /* see response_clean() */
	uint8_t interim; /* interim responses to the oldest request, RESPONSE_INTERIM_MAX at most */
	struct response_head head;
	char line[RESPONSE_LINE_KEPT];
};

enum response_event {
	RESPONSE_QUIET,    /* nothing the mover must act on */
	RESPONSE_SWITCHED, /* 101 to the waiting request: from here on a tunnel */
	RESPONSE_DECLINED, /* the waiting request got another answer: HTTP goes on */
	/* With these, the bytes must not reach the client, and nothing more is followed: */
	RESPONSE_REFUSED, /* a 101 that no request asked for, when another answer is due */
	RESPONSE_UNASKED, /* a response, but all requests have theirs */
	RESPONSE_STRAY,   /* bytes that are no response, and all requests have theirs */
};

/*
 * Behind the status line of a response, before its own fields: whoever looks only at the first
 * Connection field finds this one. Other values of Connection do not matter beside it (RFC 9112,
 * section 9.3).
 */
#define RESPONSE_CLOSE     "Connection: close\r\n"
#define RESPONSE_CLOSE_LEN (sizeof(RESPONSE_CLOSE) - 1)

/* By the first digit of a status; 0: above 599. */
#define RESPONSE_CLASSES 6

/* What response_feed() adds to, and calls. */
struct response_counts {
	uint32_t finals;                    /* final response heads seen in this call */
	uint32_t classes[RESPONSE_CLASSES]; /* the same, by class */
	/* Bytes that may go on: of those held before the call, followed by those of the call. */
	size_t good;
	/*
	 * Set by the caller: kedge is about to end connections, and nothing of a further request
	 * waits. response_feed() then sets say_at for the response to the last request: so many of
	 * the good bytes go on before RESPONSE_CLOSE. 0: nothing is to be said.
	 */
	bool closing;
	size_t say_at;
	/* Called at the end of each final response, before the next one begins. May be NULL. */
	void (*ended)(void *arg, const struct response *r);
	void *arg;
};

/*
 * Follows bytes[0..n). `note` is the editor's: how many requests there were, which of them were
 * HEAD, whether the last one waits for an upgrade. Returns the last event of the call that is not
 * QUIET. REFUSED, UNASKED and STRAY end the call at once.
 *
 * Before the first request, and while a head is incomplete, an application may send any response
 * (a 503 at accept). It passes, and it is the last one (response_over()).
 */
enum response_event response_feed(struct response *r, const struct kedge_note *note,
				  const char *bytes, size_t n, struct response_counts *counts);

/*
 * Bytes that are still to come of a body with a Content-Length; 0 elsewhere, also in a chunk.
 */
static inline uint64_t response_body_rest(const struct response *r)
{
	return r->state == RESPONSE_BODY && !r->head.chunked ? r->left : 0;
}

/*
 * The next n bytes of such a body have passed unseen. Calls counts->ended as response_feed() does.
 * False, with nothing changed, if the stream is not in one, or if it has fewer bytes left.
 */
bool response_skip(struct response *r, uint64_t n, const struct response_counts *counts);

/* Between two calls of response_feed(). See base/check.h. */
void response_check(const struct response *r);

/* For a new leg, whose note is new as well. */
static inline void response_reset(struct response *r)
{
	*r = (struct response){0};
}

/*
 * True as long as all responses so far were beyond doubt: whoever reads them by RFC 9112 finds the
 * same ends, and the application has read the requests as kedge did. Only then may the leg have
 * another request, and only with nothing outstanding and nothing begun. Once false, it stays so.
 * These make it false:
 *
 *   - an end that is neither counted nor chunked (6.3), a 101, another version than HTTP/1.1, a
 *     status above 599, Connection: close, Keep-Alive: timeout=0;
 *   - several fields that frame, or another coding than chunked alone;
 *   - a field that frames in a 1xx; a coding in a 204 or 304; a length in a 204, unless it is 0; in
 *     a trailer, a field that frames, or Connection;
 *   - a line that a strict reader rejects: LF alone or NUL, no space behind the status, a folded
 *     line, no token with a colon right behind it (or none in the part of a line that is kept),
 *     white space behind the size of a chunk;
 *   - what cannot be followed (RESPONSE_LOST);
 *   - a first byte while no request waits for a response; a final head before the body of its
 *     request is complete; more than RESPONSE_INTERIM_MAX interim responses to one request;
 *   - 400, 408, 411, 413, 414, 431, 501, 505: the application may not have understood the head, and
 *     may take a body for a request.
 *
 * Bytes pass all the same.
 */
static inline bool response_clean(const struct response *r)
{
	return !r->doubtful && !r->said_close && r->state < RESPONSE_TO_END;
}

/* There will be no response: bytes pass unread from the first one on. */
static inline void response_tunnel(struct response *r)
{
	r->state = RESPONSE_TUNNEL;
}

/* True if no part of an unfinished response has gone on, so that kedge itself could answer now. */
static inline bool response_between(const struct response *r)
{
	return r->state == RESPONSE_LINE && (!r->begun || r->held);
}

/*
 * True if the end of the response is unknown, or is the end of the connection: no other response
 * can follow it.
 */
static inline bool response_endless(const struct response *r)
{
	return r->state == RESPONSE_LOST || r->state == RESPONSE_TO_END;
}

/* True after a response that was early or the last by kedge's word: nothing more may go on. */
static inline bool response_over(const struct response *r)
{
	return r->over;
}

/* Was the oldest request without a final response a HEAD? Its head may be incomplete. */
bool response_to_head(const struct response *r, const struct kedge_note *note);

/* True from the head on that kedge adds RESPONSE_CLOSE to: no other request may go on. */
static inline bool response_told(const struct response *r)
{
	return r->told;
}

/*
 * True if the last response told the client that the connection ends: nothing may follow it.
 */
static inline bool response_was_last(const struct response *r)
{
	return r->said_close;
}

/* Bytes of the present response's body so far, without chunk framing. */
static inline uint64_t response_body(const struct response *r)
{
	return r->state == RESPONSE_BODY ? r->body - r->left : r->body;
}

/* Requests whose final response is not finished. */
static inline uint32_t response_outstanding(const struct response *r, const struct kedge_note *note)
{
	return note->requests - r->done;
}
