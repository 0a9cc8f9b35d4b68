/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: is all of a PEM file what it seems? */
#pragma once

#include <stdio.h>

/*
 * Reads f from its beginning. OpenSSL passes over what it cannot read between blocks, so that a
 * certificate with a damaged first line is missing without a word. Text between blocks is allowed
 * (RFC 7468, section 2). 0, or -EINVAL after a logged line.
 */
int pem_check(FILE *f, const char *what, const char *path);
