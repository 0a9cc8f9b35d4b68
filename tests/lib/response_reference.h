/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a second reader of response streams, to compare user/http/response.c with. It was
 * written from the rules: RFC 9112 (sections 2.2, 4, 5, 6 and 7.1) for what a client reads, and the
 * promises of response.h for what may pass. It is slow and reads whole lines of a complete input.
 *
 * Where kedge does not follow a response although a client might, the .c says so beside the rule.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/response.h"

/*
 * The request stream goes on, before byte `at` of the responses. While an upgrade waits, and in a
 * tunnel, nothing comes.
 */
struct response_arrival {
	size_t at;
	bool request; /* a whole head; else only the standing changes */
	bool head;    /* its method is HEAD, or that of the head that is incomplete */
	enum kedge_standing standing;
};

/* A response that has begun to pass; all of its bytes from `begin` on. */
struct response_message {
	size_t begin, head_end, end; /* 0: not there yet */
	unsigned status;
	uint64_t body;
	bool to_head, chunked;
	bool counts; /* false: an early one */
};

struct response_reference {
	/* Before the first byte: requests that all have their answers, and those that come. */
	uint32_t requests;
	const struct response_arrival *arrival; /* in order of `at` */
	size_t arrivals;

	/* After the last one. */
	enum kedge_standing standing;
	enum response_event event; /* the last that is not RESPONSE_QUIET */
	enum response_state state;
	const char *why; /* LOST: in words */
	size_t good;     /* bytes that may go on */
	uint64_t left;   /* RESPONSE_BODY */
	uint32_t done, finals;
	bool over, said_close;
	const char *doubt; /* why the leg must not have another request, in words; NULL: it may */
	uint16_t keep_alive_s;
	struct response_message *message; /* owned */
	size_t messages;
};

void response_reference_read(struct response_reference *r, const char *in, size_t n);
void response_reference_free(struct response_reference *r);
