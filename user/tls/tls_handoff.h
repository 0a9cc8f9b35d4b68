/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: from a finished handshake to the record layer. */
#pragma once

#include <stdbool.h>

#include "tls/ktls.h"
#include "tls/record.h"

struct tls_conn;

/* The result of the handshake. */
struct tls_facts {
	enum tls_version version;
	enum tls_suite suite;
	int route; /* see tls_conn_route() */
	bool resumed;
	bool kernel; /* the kernel carries the records */
};

/*
 * After TLS_DONE: turns the finished handshake into a record and frees *c with its SSL object; *c
 * is NULL afterwards in every case. The keys are derived and wiped here. If the policy and the caps
 * allow it, the kernel gets them and carries the records; otherwise user space does. 0 with *out;
 * otherwise -errno with *reason: close the socket then and send nothing, the kernel may have one
 * key of two.
 */
int tls_into_record(struct tls_conn **c, struct record **out, struct tls_facts *facts,
		    enum kedge_reason *reason);
