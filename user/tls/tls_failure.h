/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what is known of a handshake that failed, beyond its reason. Numbers only: nothing
 * that the client has sent is quoted.
 */
#pragma once

#include "kedge/abi.h"
#include "tls/tls.h"

struct tls_failure {
	char text[128];   /* instead of the reason's own; empty: nothing more is known */
	char alert[40];   /* "48 unknown_ca": what the client sent; empty: none */
	const char *next; /* instead of the reason's own; NULL: that one fits */
};

/* Of a handshake that has ended for this reason, before the connection is freed. */
void tls_failure(const struct tls_conn *c, enum kedge_reason reason, struct tls_failure *out);
