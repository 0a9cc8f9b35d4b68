/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_flow.c only: a flow between two ends that are made up. The client leg is a record layer of
 * memory. The application leg is a descriptor that does not exist: recv(), sendmsg() and shutdown()
 * of it are played (the Makefile wraps them).
 */
#pragma once

#include "conn/mover.h"
#include "tests/lib/http1_driver.h"
#include "tests/lib/response_reference.h"

/* One end: what it will say, and what it got. */
struct flow_end {
	struct http1_bytes says;
	size_t said, taken; /* given to the network; read by kedge */
	bool fin, reset;
	struct http1_bytes got;
	size_t room; /* what it takes now */
	bool full;   /* kedge was told so */
	bool closed; /* kedge has ended its direction, in order */
};

struct flow_world {
	struct leg leg;
	struct flow f;
	struct mover m;
	struct flow_end client, app;
	enum mover_verdict verdict; /* of the last turn */

	struct record record;
	struct edit spy, *inner;
	struct kedge_stats stats;
	struct metrics_row metrics;
	uint64_t now_us;
	struct http1_conf conf;

	struct http1_model model; /* has read all that kedge took from the client */
	size_t modelled;
	bool *heads; /* owned: which requests are HEAD, by the model */
	size_t heads_count;
	struct response_arrival *arrival; /* owned: how requests went on between responses */
	size_t arrivals;
	struct kedge_note noted; /* of the last arrival */
	size_t heads_seen;       /* by edit_watch */
};

struct flow_world *flow_world_new(size_t buf, enum http1_mode mode, __u16 flags);
void flow_world_free(struct flow_world *w);

/* Each with the turns of the mover that follow. */
void flow_client_says(struct flow_world *w, size_t n);
void flow_app_says(struct flow_world *w, size_t n);
void flow_client_takes(struct flow_world *w, size_t n);
void flow_app_takes(struct flow_world *w, size_t n);
void flow_client_ends(struct flow_world *w);
void flow_app_ends(struct flow_world *w, bool reset);
/* The application says bytes up to the end of a head, or of what follows it. */
void flow_app_answers(struct flow_world *w);

/* What the second reader makes of all that kedge read from the application; to be freed. */
void flow_reference(const struct flow_world *w, struct response_reference *r);
/* Is the last byte that may pass inside a response? */
bool flow_inside(const struct response_reference *r);
