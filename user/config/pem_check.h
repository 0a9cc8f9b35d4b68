/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: finds damage in a PEM file. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/*
 * Reads f from its beginning. OpenSSL ignores anything it cannot read between blocks: a certificate
 * with a damaged first line is then missing, and nobody is told. Text between blocks is allowed
 * (RFC 7468, section 2). 0, or -EINVAL after a logged line.
 */
int pem_check(FILE *f, const char *what, const char *path);

/*
 * OpenSSL takes an error of the file for its end. 0; or -errno after a logged line if f has had one
 * since errno was set to 0.
 */
int pem_read_error(FILE *f, const char *what, const char *path);

/* Has f, read from its beginning, a block whose first line ends like this: "CERTIFICATE-----"? */
bool pem_has(FILE *f, const char *kind);
