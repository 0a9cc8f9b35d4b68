/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mover*.c and conn_*.c only: when a flow gives its leg up and goes on with a fresh one, and which
 * bytes are sent again there. Only flows that may do so (flow->reuses) are asked.
 *
 * A leg that the application closes while it is idle is nobody's fault. But a request that is just
 * on its way then is lost, and it is not known whether the application has acted on it. So on a leg
 * that has served before, the bytes of a request are kept until its response begins. They are sent
 * again, once, if the request may be repeated (RFC 9110, section 9.2.2), if the application cannot
 * have all of its head, or if TCP shows that it has not read a byte of it. On a fresh leg, the
 * application that ends it is at fault itself: then only another server, or the one that is started
 * again within connect-retry-ms, may do better.
 */
#pragma once

#include "conn/flow.h"

/* A request of more bytes is not sent again. */
#define LEASE_KEPT_MAX 16384

/* A request that may not be repeated goes on a leg that has been idle for less than this. */
#define LEASE_YOUNG_US 1000000

/* The flow has a fresh leg. */
void lease_begin(struct flow *f);
/* It has one that has served others. */
void lease_go_on(struct mover *m, struct flow *f);

/*
 * The client's next n bytes are about to go to the leg. False if the leg is of no use for them:
 * keep them for the next one. Call it before any of them is sent.
 */
bool lease_take(struct mover *m, struct flow *f, const uint8_t *p, size_t n);

/* Bytes that are not kept have gone to the leg, or those of a response have come. */
static inline void lease_forget(struct flow *f)
{
	f->sent.valid = f->again = false;
	if (f->sent.size > SENT_SMALL)
		sent_drop(&f->sent);
}

/* May the request that begins with p[0..n) be sent twice? Half a method is unknown. */
bool lease_repeatable(const uint8_t *p, size_t n);

/* Nothing is under way, and the leg may be given up. */
bool lease_between(const struct flow *f);
/* And it should be, because of what has come on it. */
bool lease_doubted(const struct flow *f);

/*
 * At a boundary: the client's last byte may be half of an empty line, or the end of a body. Another
 * client is not given the leg, which knows of that half.
 */
bool lease_unfinished(const struct flow *f);

/*
 * The leg has ended. True if the flow goes on without it: nothing was under way, or it is sent
 * again. Then what has to be sent is in f->up.
 */
bool lease_survives(struct mover *m, struct flow *f);
