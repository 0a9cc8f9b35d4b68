/* SPDX-License-Identifier: BSD-2-Clause */
/* script*.c only: what scripts are made of. */
#pragma once

#include "script.h"

/* n bytes, of 70000 at most. */
void script_add_any(struct http1_bytes *b, size_t n);
void script_pause_at(struct script *s, struct script_pause p);
/* How long a client does nothing between an answer and its next request. */
uint32_t script_thinks_ms(void);
/* A head with some fields; `more`: the last lines of it. */
void script_add_head(struct script *s, const char *method, const char *more);
void script_add_request(struct script *s);
/* What is no request, or an odd one. */
void script_add_odd(struct script *s);
/* A request with one fault; all sorts are equally likely. */
void script_add_fault(struct script *s);
/* A head just over, or just below, one of the limits. */
void script_add_limit(struct script *s);

/* Has the reference read a script that is expected. */
void script_judge(const struct script *s, const struct http1_conf *http1);

/* A whole script of one theme: with `kept` of that one. */
void script_theme(struct script *s, bool kept);
