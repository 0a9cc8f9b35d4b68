/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: why a value is refused: texts that follow "PLACE: OPTION: ". */
#pragma once

/* Room for a reason with a quoted value in it. */
#define WHY_MAX 256

/* "\"text\"", cut with "..." if it is long. */
#define QUOTED_MAX 72
const char *config_quote(char buf[QUOTED_MAX], const char *text);

/* The quoted text and what it is, or is not: "\"x\" is not a whole number". -EINVAL. */
int why_refuse(char why[WHY_MAX], const char *text, const char *what);

/*
 * For a value that is made of variables: they may hold what nobody should see, such as a password
 * in a wrong place. In why[], which why_refuse() has made of `text`, the value becomes `raw`, as it
 * was written.
 */
void why_hide(char why[WHY_MAX], const char *text, const char *raw);

int why_out_of_memory(char why[WHY_MAX]); /* -ENOMEM */
