/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a second parser of request streams, to compare the automaton with (http1_agree.h). It
 * was written from the rules (RFC 9112, RFC 9110 and kedge's own refusals), not from the automaton.
 * It is slow and reads whole lines of a complete input. It uses nothing of include/kedge/http1*.h
 * except the types of the configuration.
 *
 * It finds a fault when a line is complete; the automaton finds it at the first wrong byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http1_corpus.h"

/* A complete head, in places of the input. */
struct reference_request {
	size_t begin;          /* the method */
	size_t head_end;       /* after the blank line */
	size_t end;            /* after the body, its trailers included; 0: not there yet */
	unsigned forwarded;    /* lines of X-Forwarded-For */
	size_t last, last_len; /* the last element of the last of them */
};

/* The limits of a head. 0: kedge's limits. */
struct reference_limits {
	size_t head_bytes, line_bytes, fields;
};

struct reference {
	enum http1_mode mode;
	unsigned flags; /* HTTP1_DROP_INCOMING ... */
	bool tunnel;    /* how upgrades are answered */
	struct reference_limits limits;

	bool refused;
	const char *why; /* in words */
	size_t fault;    /* refused: bytes of the input that show it */
	enum kedge_standing standing;
	struct http1_bytes out; /* all of complete heads and of bodies that must go on */
	size_t complete;        /* of these, up to the last boundary */
	unsigned complete_requests;
	bool inside_head;                  /* out lacks what has come of an incomplete head */
	struct reference_request *request; /* owned */
	unsigned requests;                 /* complete heads */
};

/* Reads in[0..n) with mode, flags, tunnel and limits of *r; the rest of it must be zero. */
void reference_read(struct reference *r, const uint8_t *in, size_t n);
void reference_free(struct reference *r);
