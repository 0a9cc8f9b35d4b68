/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the host names that a certificate lists, and the one that a client asks for. Pure. RFC
 * 6125 section 6.4: a wildcard stands for the first label, and for no more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509v3.h>

#define CERT_NAME_MAX 253 /* RFC 1035 section 2.3.4, as text */

/* Lower case, without the root's dot. 0, or -EINVAL for what cannot be a host name. */
int cert_name_normalise(char out[CERT_NAME_MAX + 1], const char *name, size_t len);

/*
 * The n-th name of a subjectAltName (NULL: there is none), normalised; false past the last. Empty
 * if it is no DNS name, or a bad one.
 */
bool cert_name_at(const GENERAL_NAMES *sans, int n, char out[CERT_NAME_MAX + 1]);

/* Does it list this name, which is normalised? A wildcard covers only itself. */
bool cert_name_is_listed(const GENERAL_NAMES *sans, const char *name);

/* "*.example.org" for "www.example.org"; false if there is no label to replace. */
bool cert_name_wildcard(char out[CERT_NAME_MAX + 2], const char *name);
