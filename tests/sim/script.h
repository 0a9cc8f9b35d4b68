/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: what one client sends: a PROXY prefix, then requests, with pauses between them. And
 * what kedge should make of it: the slow model of the automaton (http1_driver.h) reads all of it
 * beforehand.
 */
#pragma once

#include "base/addr.h"
#include "choices.h"
#include "config/config.h"
#include "tests/lib/http1_corpus.h"

#define SCRIPT_PAUSES   64
#define SCRIPT_REQUESTS 8200

/* Before byte `at` the client waits for so many final responses; for an interim one; for a time. */
struct script_pause {
	size_t at;
	uint32_t thinks_ms; /* so long, once it has them */
	unsigned responses;
	bool interim;
	uint32_t ms; /* it goes on after this time at the latest; 0: it waits for ever */
};

/* In the order in which the application sees them. Places in `say` and in `want`. */
struct script_request {
	size_t say_head_end, say_end; /* say_end 0: never whole */
	size_t head_end, end;
	bool head;    /* the method is HEAD */
	bool last;    /* it may say that its client's connection ends behind the answer */
	bool repeats; /* the method is one that may be repeated (RFC 9110, section 9.2.2) */
	bool upgrade; /* waits for the answer */
};

/* A situation that chance alone makes too rarely: see script_theme.c. */
enum script_theme {
	THEME_NONE,
	THEME_REFUSED,  /* a fault, right behind requests that wait for slow responses */
	THEME_STOPS,    /* a body or a head that stops, also while a response is under way */
	THEME_LOST,     /* requests behind a response that cannot be followed */
	THEME_LINES,    /* heads with many lines that are held */
	THEME_PIPELINE, /* the shortest requests, a buffer full of them */
	THEME_KEPT,     /* requests with pauses, on legs that end between them */
	THEME_LONG,     /* a body goes on while its response ends with the connection */
	THEMES,
};

struct script {
	enum script_theme theme;
	struct http1_bytes prefix;
	bool prefix_good;  /* it is complete and right */
	bool prefix_cut;   /* it is right as far as it goes */
	bool prefix_names; /* and names a client */
	union addr named;
	uint16_t named_port;

	struct http1_bytes say;
	struct script_pause pauses[SCRIPT_PAUSES];
	unsigned pauses_count;
	bool tunnel;  /* how the application answers an upgrade */
	bool odd;     /* something in it is not as it should be */
	bool expects; /* a body waits for a 100 */

	/* With script_expect(). */
	bool expected;
	struct http1_bytes want;
	size_t *want_at;    /* after n bytes of say: length of want */
	uint32_t *heads_at; /* and heads */
	struct script_request *request;
	unsigned requests;
	size_t refused_at; /* bytes of say that show it; SIZE_MAX: it is not refused */
	enum kedge_reason reason;
	enum kedge_standing ends; /* at the end of say */
};

enum script_kind {
	SCRIPT_HTTP,
	SCRIPT_KEPT,  /* THEME_KEPT */
	SCRIPT_FAULT, /* a request with a fault, behind one at most */
	SCRIPT_TCP
};

/* What a client sends. `plain`: nothing odd, and no pause but for responses. */
void script_make(struct script *s, enum script_kind kind, bool plain);

/* A PROXY prefix in front. */
void script_prefix(struct script *s, bool plain);

/* For a listener that reads prefixes in clear: one may be what was said first. */
void script_find_prefix(struct script *s);

/* What kedge should make of it, for a client of this address on this listener. */
void script_expect(struct script *s, const struct conf *conf, const struct conf_listener *l,
		   const union addr *client, uint16_t port);

void script_free(struct script *s);

/* Frees the corpus. */
void script_over(void);
