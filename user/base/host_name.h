/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which texts are names of hosts. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Of a name; without a NUL. */
#define HOST_NAME_BYTES_MAX 253

/*
 * Labels of letters, digits, "-" and "_" with dots between them, and perhaps one at the end. The
 * last label is no number: getaddrinfo(3) takes "10.1" and "0x7f.1" for addresses.
 */
bool host_name_valid(const char *text, size_t n);
