/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: from a finished handshake to the record layer. */
#pragma once

#include <stdbool.h>

#include "tls/ktls.h"
#include "tls/record.h"

struct tls_conn;

/* What the handshake has agreed on. */
struct tls_facts {
	enum tls_version version;
	enum tls_suite suite;
	bool resumed;
	bool kernel; /* the records are carried by the kernel */
};

/*
 * After TLS_DONE: turns the finished handshake into the record layer and frees *c. Kernel records
 * where the policy and the caps allow: keys are derived, the SSL object is freed, the keys are
 * given to the kernel and wiped. Returns 0 with *out; otherwise -errno with *reason, the socket
 * must then be closed and nothing sent (never half a hand-off). *c is NULL afterwards in every
 * case.
 */
int tls_into_record(struct tls_conn **c, struct record **out, struct tls_facts *facts,
		    enum kedge_reason *reason);
