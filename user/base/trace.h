/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: static probes (USDT, provider "kedge") for bpftrace and perf. Each is one nop in the
 * program until somebody attaches to it; arguments are things that are at hand anyway. What they
 * mean is a contract: docs/observability.md lists them, the scripts in dist/bpftrace use them.
 *
 * `id` is the same for all probes of a connection while it is open: the address of its flow.
 */
#pragma once

#include <sys/sdt.h>

/* peer: const union addr *, the address of the socket's peer; listener: const char *, its name */
#define TRACE_ACCEPT(id, peer, listener) DTRACE_PROBE3(kedge, accept, id, peer, listener)

/* version: 1 or 2; client: const union addr_inet *, named by the prefix, or else the peer */
#define TRACE_PREFIX(id, version, client) DTRACE_PROBE3(kedge, prefix, id, version, client)

/* The handshake is finished. */
#define TRACE_HANDSHAKE(id) DTRACE_PROBE1(kedge, handshake, id)

/*
 * version, suite: enums of ktls.h; kernel: 1 the keys were handed to the kernel, 0 OpenSSL goes on
 */
#define TRACE_HANDOFF(id, version, suite, kernel) \
	DTRACE_PROBE4(kedge, handoff, id, version, suite, kernel)

/* Both legs are joined. */
#define TRACE_JOIN(id) DTRACE_PROBE1(kedge, join, id)

/*
 * requests: how many heads have been complete; fires when one is and none before it is unanswered
 */
#define TRACE_REQUEST(id, requests) DTRACE_PROBE2(kedge, request, id, requests)

/* status: of the last of `count` responses that ended; us: since the first one's request */
#define TRACE_RESPONSE(id, status, us, count) DTRACE_PROBE4(kedge, response, id, status, us, count)

/* reason: enum kedge_reason; name: const char * */
#define TRACE_REASON(id, reason, name) DTRACE_PROBE3(kedge, reason, id, reason, name)

/* responses: how many ended; the id may come back afterwards */
#define TRACE_CLOSE(id, responses) DTRACE_PROBE2(kedge, close, id, responses)
