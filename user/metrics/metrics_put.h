/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the parts of Prometheus text. */
#pragma once

#include <stdio.h>

/* The two lines before each family. `help` has no backslash and no newline. */
void put_family(FILE *to, const char *name, const char *type, const char *help);

/*
 * The value of a label, between its quotes. It may hold any byte: a control character becomes "?",
 * and so does each byte above 127 if the whole is not UTF-8, which a scraper would refuse.
 */
void put_label(FILE *to, const char *value);
