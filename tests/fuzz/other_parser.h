/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzzers only: http-parser, which Node and others used for years, as another parser of kedge's
 * output. It is laxer than kedge in most things and stricter in a few (the .c lists them). If it
 * accepts, its boundaries must be ours.
 */
#pragma once

#include "tests/lib/http1_reference.h"
#include "tests/lib/response_reference.h"

/* out[0..n) as r has read it. NULL, or in words how http-parser reads it differently. */
const char *other_parser_disagrees(const struct reference *r, const uint8_t *out, size_t n);

/* The same for responses, in[0..n). It may refuse any of them: kedge does not judge responses. */
const char *other_parser_disagrees_down(const struct response_reference *r, const char *in,
					size_t n);
