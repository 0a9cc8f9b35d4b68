/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the line that says why a connection failed. Any stranger can make a connection fail,
 * so each listener has a line a minute for each reason, and a count of those left out. At log-level
 * debug each connection has its line.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"
#include "kedge/abi.h"
#include "listen/tally.h"

struct why {
	enum kedge_reason reason;
	const char *listener;
	union addr client;   /* without a family: unknown */
	union addr balancer; /* that the client came through; without a family: none, or unknown */
	const char *sni;     /* as the client wrote it; NULL: none */
	const char *app;     /* the application, if it has a part in it; or NULL */
	const char *servers; /* of the application; or NULL */
	const char *text;    /* what happened, if more is known than the reason says; or NULL */
	const char *next;    /* what to do, if more is known; or NULL */
	const char *alert;   /* "48 unknown_ca": that the client sent; or NULL */
	/* why_wanted() sets these. */
	enum log_level level;
	uint32_t left_out;
};

/* Is there a line about w->reason? Cheap, so ask before the rest of *w is found out. */
bool why_wanted(struct why *w, struct tally *t, uint64_t now_ms);

/* Logs it. */
void why_say(const struct why *w);

/*
 * Logs what was left out of lines whose minute is over, since no other line said it. now_ms
 * UINT64_MAX: of all, it is the end. Any thread.
 */
void why_say_rest(struct tally *t, const char *listener, uint64_t now_ms);
