/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: one flow of mover.c between two real TCP connections, edge-triggered as in conn.c.
 * The test is the client (rig.client) and the application (rig.app).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn/mover.h"
#include "conn/mover_ask.h"

#define RIG_XFF "X-Forwarded-For: 192.0.2.7\r\n"

struct rig {
	int client, app;         /* far ends; -1 once closed */
	int client_leg, app_leg; /* what kedge has */
	int ep;
	struct mover m;
	struct leg leg;
	struct flow f;
	struct record_scratch scratch;
	struct kedge_stats stats;
	struct metrics_row metrics;
	uint64_t now_us;            /* the clock, which only the test moves */
	enum mover_verdict verdict; /* of the last turn */
	unsigned turns;
};

/* buf: bytes of the mover's buffer; socket_bufs: of each socket buffer, 0 for the system's. */
void rig_up(struct rig *r, size_t buf, int socket_bufs);
void rig_down(struct rig *r);

/*
 * Takes the events that come within ms, and runs the mover until it waits. False if nothing
 * happened or the flow has ended.
 */
bool rig_turn(struct rig *r, int ms);

/* Turns until nothing has happened for NET_QUIET_MS. */
void rig_settle(struct rig *r);

/* Turns until the flow ends; the verdict. Fails the test when it does not. */
enum mover_verdict rig_end(struct rig *r);

/* Sends all n bytes from a far end, with turns. */
void rig_send(struct rig *r, int far, const void *bytes, size_t n);
void rig_say(struct rig *r, int far, const char *text);

/* Exactly these bytes arrive next at a far end; rig_hear() fails the test otherwise. */
void rig_recv(struct rig *r, int far, void *bytes, size_t n);
void rig_hear(struct rig *r, int far, const char *text);

/* The end of the stream comes next at a far end. */
void rig_hear_end(struct rig *r, int far);

/* After settling, nothing (not even the end) has come to a far end. */
void rig_hear_nothing(struct rig *r, int far);

/* Closes a far end. */
void rig_close(struct rig *r, int *far);
