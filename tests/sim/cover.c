/* SPDX-License-Identifier: BSD-2-Clause */
#include "cover.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

#include "calls.h"
#include "conn/conn.h"

struct cover {
	uint64_t transition[CONN_STAY][CONN_STAY];
	uint64_t reason[KEDGE_REASON_COUNT];
	uint64_t answer[KEDGE_REASON_COUNT];
	uint64_t count[COVER_WHATS];
};

static struct cover *cover;

#define NAME(state, to) #state,
static const char *const states[] = {CONN_TABLE(NAME)};
#define TO(state, to) to,
static const unsigned goes_to[] = {CONN_TABLE(TO)};

static const char *const whats[COVER_WHATS] = {
	[COVER_WHOLE] = "connections without any fault, judged to the last byte",
	[COVER_STALL_LOOKS] = "looks for a lost wakeup",
	[COVER_RELOADS] = "reloads",
	[COVER_DRAINS] = "drains with connections open",
	[COVER_CLOSINGS] = "shutdowns that wait, with connections open",
	[COVER_TOLD] = "responses with Connection: close by kedge",
	[COVER_JUMPS] = "jumps of the clock",
	[COVER_MEMORY_FAULTS] = "failed allocations",
	[COVER_DESCRIPTOR_FAULTS] = "failed calls for a descriptor",
	[COVER_TURNED_AWAY] = "clients over a limit, turned away at once",
	[COVER_SELF] = "sockets connected to themselves",
	[COVER_TUNNELS] = "tunnels",
	[COVER_ENDS_BY_TIME] = "runs in which all fall silent",
	[COVER_BREAKS] = "resets within an endless response, while a request waits to be sent",
	[COVER_LEGS_IDLE] = "legs given up because they were idle",
	[COVER_LEGS_CLOSED] = "legs given up because the application had",
	[COVER_LEGS_DOUBTED] = "legs given up in doubt",
	[COVER_LEGS_OLD] = "legs given up for a request that may not be repeated",
	[COVER_AGAIN] = "requests sent again",
	[COVER_LEGS_WANTED] = "idle legs given up for clients that wait",
	[COVER_LEGS_POOLED] = "legs left to others",
	[COVER_POOL_IDLE] = "of them, closed since nobody wanted one",
	[COVER_POOL_CLOSED] = "of them, closed because the application had closed one",
	[COVER_POOL_UNCOUNTED] = "of them, closed for a reload, the drain or another leg",
	[COVER_LENT] = "of them, lent to another client",
	[COVER_LENT_BACK] = "of them, lent to the same client again",
	[COVER_UNREAD] = "of them, some that may not be repeated, and that nobody had read",
	[COVER_HANGS_IDLE] = "applications that end an idle leg",
	[COVER_HANGS_CROSSED] = "applications that end one while a request is on its way",
	[COVER_HANGS_UNREAD] = "applications that end one when a request has come",
	[COVER_HANGS_LINGERS] = "applications that end one, and are gone a moment later",
	[COVER_HANGS_HALF] = "applications that end one within a request",
	[COVER_HANGS_READ] = "applications that end one behind a request",
	[COVER_HANGS_SAYS] = "applications that say something on a leg that no client has",
};

void cover_begin(void)
{
	if (cover)
		return;
	cover = mmap(NULL, sizeof(*cover), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (cover == MAP_FAILED)
		perror("mmap");
}

static void add(uint64_t *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

void cover_transition(unsigned from, unsigned to)
{
	add(&cover->transition[from][to]);
}

void cover_reason(enum kedge_reason reason, uint64_t n)
{
	__atomic_add_fetch(&cover->reason[reason], n, __ATOMIC_RELAXED);
}

void cover_answer(enum kedge_reason reason)
{
	add(&cover->answer[reason]);
}

void cover_count(enum cover_what what)
{
	add(&cover->count[what]);
}

static void print(uint64_t n, const char *what, const char *more)
{
	if (n)
		printf("  %10" PRIu64 "  %s%s\n", n, what, more);
}

void cover_print(void)
{
	char name[64];

	printf("what happened:\n");
	for (int i = 0; i < COVER_WHATS; i++)
		print(cover->count[i], whats[i], "");
	for (int i = 0; i < CONN_STAY; i++)
		for (int k = 0; k < CONN_STAY; k++) {
			snprintf(name, sizeof(name), "%s -> %s", states[i], states[k]);
			print(cover->transition[i][k], name, "");
		}
	for (int i = 1; i < KEDGE_REASON_COUNT; i++) {
		print(cover->reason[i], __real_reason_name((enum kedge_reason)i), "");
		print(cover->answer[i], __real_reason_name((enum kedge_reason)i), ": answered");
	}
}

/*
 * What cannot happen in this world: it has no BPF, no kernel TLS, no fault of kedge's own. Its
 * clients are OpenSSL's, which send no wrong record (record_control), no empty ones (record_flood),
 * and end at the first refused renegotiation. Its listeners list no protocols, and serve clients
 * without a name. No byte of a request leads to http_malformed: each
 * has a narrower reason.
 */
static bool is_impossible(int reason)
{
	switch (reason) {
	case KEDGE_REASON_handoff_failed:
	case KEDGE_REASON_key_update_refused:
	case KEDGE_REASON_edit_failed:
	case KEDGE_REASON_edit_short_send:
	case KEDGE_REASON_internal_error:
	case KEDGE_REASON_capability_lost:
	case KEDGE_REASON_peername_family:
	case KEDGE_REASON_record_flood:
	case KEDGE_REASON_record_control:
	case KEDGE_REASON_renegotiation:
	case KEDGE_REASON_http_malformed:
	case KEDGE_REASON_tls_no_protocol:
	case KEDGE_REASON_tls_unknown_name:
		return true;
	default:
		return false;
	}
}

unsigned cover_lacks(void)
{
	unsigned n = 0;

	for (int i = 0; i < COVER_WHATS; i++)
		if (!cover->count[i]) {
			printf("  never: %s\n", whats[i]);
			n++;
		}
	for (int i = 0; i < CONN_STAY; i++)
		for (int k = 0; k < CONN_STAY; k++)
			if (goes_to[i] & 1u << k && !cover->transition[i][k]) {
				printf("  never: %s -> %s\n", states[i], states[k]);
				n++;
			}
	for (int i = 1; i < KEDGE_REASON_COUNT; i++)
		if (!cover->reason[i] && !is_impossible(i)) {
			printf("  never: %s\n", __real_reason_name((enum kedge_reason)i));
			n++;
		}
	if (n)
		printf("A client must send it (tests/sim/script*.c, client_tls.c), an application "
		       "answer it (app*.c),\nor a configuration cause it (sim_conf.c). What "
		       "cannot happen in this world is in is_impossible() (cover.c).\n");
	return n;
}
