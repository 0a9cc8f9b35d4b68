/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_*.c only: how long a connection whose legs are joined may take for a head, a body, a
 * response, or nothing at all. One timer is set to the nearest of these deadlines. conn_late.c acts
 * when it has come.
 *
 * A body may fall behind the least rate by rate-grace-ms. Each byte of it moves its deadline on by
 * what it is worth at that rate, but never beyond the grace: a client that was fast gets no credit
 * for it. The deadline holds only while kedge waits for the client. What the application does not
 * take is not the client's fault, and a client may wait for the application's 100 before it begins.
 *
 * A response is looked at once per grace while the client's socket is full. What counts is what the
 * client has acknowledged since, because the socket's buffer takes far more than a slow client
 * reads. For the same reason a client whose socket holds bytes for it is idle only if it has
 * acknowledged nothing since the deadline before: it gets between one and two times idle-timeout.
 */
#pragma once

#include <linux/tcp.h>
#include <stdint.h>

#include "conn/types.h"

/*
 * After the mover ran and had `up` bytes from the client, and `down` from the application: sets all
 * deadlines.
 */
void conn_deadline_set(struct conn *c, uint64_t up, uint64_t down);

/* Sets the timer to the nearest deadline. */
void conn_deadline_timer(struct conn *c);

/* When the leg of an idle client is given up; 0: something is under way, or it never is. */
uint64_t conn_leg_due_ms(const struct conn *c);

/* What TCP says of the client leg; all 0 if it says nothing. */
struct tcp_info conn_client_info(const struct conn *c);

/* Bytes that the client has acknowledged. */
uint64_t conn_acknowledged(const struct conn *c);

/*
 * How long so many bytes may take at `rate` bytes a second. What is less than a millisecond is
 * carried over in *rest, which begins with 0.
 */
static inline uint64_t conn_worth_ms(uint64_t bytes, uint32_t rate, uint32_t *rest)
{
	uint64_t worth = bytes * 1000 + *rest;

	*rest = (uint32_t)(worth % rate);
	return worth / rate;
}
