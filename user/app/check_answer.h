/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: reads what a server answers to a check by HTTP, as far as its status (RFC 9112,
 * section 4). Pure: bytes in, verdict out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/response_head.h"

/* No more bytes of an answer are read than this, its body included. */
#define CHECK_ANSWER_MAX         16384
#define CHECK_ANSWER_INTERIM_MAX 32

enum check_answer_verdict {
	CHECK_ANSWER_MORE,   /* the status is not known yet */
	CHECK_ANSWER_STATUS, /* a->status, of a complete and valid line */
	CHECK_ANSWER_BAD,    /* not HTTP/1.x */
	CHECK_ANSWER_STORM,  /* more interim responses than CHECK_ANSWER_INTERIM_MAX */
	CHECK_ANSWER_LONG,   /* no final status within CHECK_ANSWER_MAX bytes */
};

/* All zero is a new one. */
struct check_answer {
	size_t bytes;                    /* read so far */
	size_t line_len;                 /* of the line so far, without CR */
	uint16_t status;                 /* final */
	uint8_t interim;                 /* responses before it */
	bool in_fields;                  /* of an interim response */
	bool cr;                         /* the last byte of the status line is a CR */
	char begin[RESPONSE_STATUS_LEN]; /* of the status line */
};

/*
 * Reads bytes[0..n). Interim responses are skipped, but 101 is final: nobody asked to switch. Not
 * to be called again after another verdict than CHECK_ANSWER_MORE.
 *
 * A line may end with LF alone, and the space after the status may be missing: clients accept both.
 */
enum check_answer_verdict check_answer_feed(struct check_answer *a, const char *bytes, size_t n);
