/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the access log of one flow. It keeps the requests that went to the application, in
 * order, and makes one entry for each when its response ends. An answer of kedge itself is an
 * entry, too.
 *
 * Requests come from an editor around the flow's own (edit_watch.h), responses from the mover.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "access/access_log.h"

struct access_flow;

/* The same in all entries of a flow. Copied, but for what is borrowed. */
struct access_facts {
	const char *listener;
	const union addr *client;
	const char *id;  /* the unique ID of send-proxy: id[0..id_len) */
	uint8_t id_len;  /* 0: none */
	const char *sni; /* the host of its handshake, borrowed; NULL: none */
	enum access_record record;
	uint8_t tls_version, tls_suite; /* with TLS */
	bool edit_kernel, bypass, splice;
};

/* now_us: the worker's clock, borrowed. NULL when out of memory. */
struct access_flow *access_flow_new(struct access_log *log, unsigned worker,
				    const struct access_facts *facts, const uint64_t *now_us);

/*
 * Both legs are joined: is the edit in the kernel, may bytes bypass TCP, and may bodies be spliced?
 */
void access_joined(struct access_flow *a, bool edit_kernel, bool bypass, bool splice);

/* A request head (an edit_watch_fn; arg is the access_flow). It is not validated. */
void access_request(void *arg, const char *head, size_t len);

/* The oldest request was answered: status, bytes of body, microseconds since it was complete. */
void access_response(struct access_flow *a, unsigned status, uint64_t bytes, uint64_t duration_us);

/* kedge itself answers the oldest request, or one that it has not read. */
void access_own(struct access_flow *a, unsigned status, uint64_t bytes);

/* The leg has ended within a response to the oldest request: its status, and bytes of its body. */
void access_cut(struct access_flow *a, unsigned status, uint64_t bytes);

/* The pending requests are sent again, and come again to access_request(). */
void access_again(struct access_flow *a);

/* Why the connection ends; for later entries. */
void access_reason(struct access_flow *a, enum kedge_reason reason);

/*
 * The connection ends; frees the flow. Pending requests get an entry without a status. NULL is
 * fine.
 */
void access_flow_end(struct access_flow *a);
