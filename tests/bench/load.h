/* SPDX-License-Identifier: BSD-2-Clause */
/* bench only: the orders and results of the load client. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hist.h"

enum load_mode {
	LOAD_KEEP,   /* connections are kept; one request after the other on each */
	LOAD_NEW,    /* a connection with a full handshake for each request */
	LOAD_RESUME, /* a connection that resumes the session of its predecessor for each request */
	LOAD_IDLE,   /* opens connections one by one, one request on each, and holds them */
};

struct load {
	enum load_mode mode;
	uint16_t port; /* of 127.0.0.1 */
	bool tls;
	unsigned connections;
	uint64_t size;     /* bytes of each answer */
	uint64_t upload;   /* bytes of each request's body; 0: GET */
	uint64_t requests; /* measured */
	uint64_t warmup;   /* before, not measured */
	uint64_t rate;     /* requests a second, independent of answers; 0: at their pace */
	unsigned patience_s;
};

struct load_result {
	uint64_t wall_ns;
	uint64_t resumed; /* handshakes */
	struct hist latency;
};
