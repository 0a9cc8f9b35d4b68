/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzzers only: short inputs that stand for long streams. Bytes stand for themselves, except:
 *
 *   STREAM_REPEAT times n    the next n bytes, so many times. They may hold other operations, but
 *                            no repetition in a repetition in a repetition.
 *   STREAM_FILL what d byte  this byte, as often as it takes to come to d bytes above the limit
 *                            `what` (d is signed): a limit is met exactly, or missed by one.
 */
#pragma once

#include <stdint.h>

#include "tests/lib/http1_corpus.h"

#define STREAM_REPEAT      0xfe
#define STREAM_REPEAT_HEAD 3
#define STREAM_FILL        0xfd
#define STREAM_FILL_LEN    4

enum stream_limit {
	STREAM_LINE,  /* the line, with its CRLF, has the bytes that a request line may have */
	STREAM_HEAD,  /* the head, with its blank line, has the bytes that it may have */
	STREAM_SEND,  /* the stream has a multiple of what goes to one send() */
	STREAM_BODY,  /* the bytes that the last length or chunk size announces */
	STREAM_WORDS, /* from here on: the word has so many bytes (stream.c) */
};

/* The longest stream: heads of the largest size and more. */
#define STREAM_BYTES_MAX (2 * KEDGE_HEAD_BYTES_MAX)

/* Adds the stream that in[0..n) stands for. `head_max`: of a head, where it is a limit. */
void stream_expand(struct http1_bytes *out, uint32_t head_max, const uint8_t *in, size_t n);

/* The bytes of the operation at in[0..n), 0 if there is none. */
size_t stream_operation(const uint8_t *in, size_t n);
