/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: two drivers of the automaton over a byte array. The model follows the rules of
 * http1.h byte by byte and keeps held runs itself: slow and simple. The other one is
 * user/http/http1_edit.c over pieces of the input, as edit_user.c uses it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http1_corpus.h"

struct http1_model {
	struct http1 h;
	const struct http1_conf *conf;
	struct http1_bytes out;
	struct http1_bytes run; /* held */
	size_t complete;        /* length of out at the last boundary */
	uint32_t requests;      /* heads at the last boundary */
	size_t *out_at;         /* after i bytes of the present input: length of out */
	uint32_t *heads_at;     /* and heads */
	const char *wrong;      /* a promise of http1.h that was broken */
};

/* Feeds in[0..n); returns how many bytes were taken (fewer: refused, or waiting for an upgrade). */
size_t http1_model_feed(struct http1_model *m, const uint8_t *in, size_t n);
void http1_model_free(struct http1_model *m);

/* Compares all except bytes that are not used any more: http1_take() writes more of them. */
bool http1_same_state(const struct http1 *a, const struct http1 *b);

struct http1_run {
	struct http1 h;
	const struct http1_conf *conf;
	struct kedge_note note;
	struct http1_bytes out;
};

/* Feeds in[0..n) as one input of the driver, against a guard page. Returns bytes taken. */
size_t http1_run_feed(struct http1_run *r, const uint8_t *in, size_t n);
void http1_run_free(struct http1_run *r);

/* How an input is cut: a first piece, then pieces of one size. */
struct http1_cuts {
	size_t first, then;
};

#define HTTP1_WHOLE ((struct http1_cuts){SIZE_MAX, SIZE_MAX})

/*
 * Feeds both, the driver in pieces, up to the end, a refusal or an upgrade. NULL, or where they
 * differ: in what goes on, in the requests counted, in the state. *taken, unless NULL: how many
 * bytes the driver took.
 */
const char *http1_feed_both(struct http1_model *m, struct http1_run *r, const uint8_t *in, size_t n,
			    struct http1_cuts cuts, size_t *taken);
