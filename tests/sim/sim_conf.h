/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: the run as its parts see it: configuration, worker, what goes on. In sim.c. */
#pragma once

#include "conn/types.h"
#include "listen/doors.h"

struct sim_mood {
	bool down;       /* the application refuses all */
	bool plain;      /* nobody does anything wrong */
	bool shared;     /* clients may have the legs of others, by most configurations */
	bool kept;       /* most clients send small requests, with pauses */
	bool closing;    /* worker_closing() was called */
	bool draining;   /* worker_drain() was called */
	bool silent;     /* nobody acts any more */
	bool taken_out;  /* the operator has taken servers out */
	bool limited;    /* servers have had a limit of connections */
	bool faults;     /* a system call was made to fail */
	uint64_t jumped; /* the clock has jumped so often */
	uint64_t accepted, refused_ports;
	uint64_t dropped; /* not even counted, as there was no memory */
	uint64_t answers; /* of kedge's own */
};

extern struct sim_mood sim_mood;
extern struct worker sim_worker;

static inline const struct conf *sim_conf(void)
{
	return sim_worker.doors->generation->conf;
}

/* The operator takes a server out, or back in. */
void sim_operate(void);

/* Does somebody wait for a server, under any configuration? */
bool sim_servers_wanted(void);

/* Other doors, by another configuration. */
void sim_reload(void);

/* A configuration; `before`, unless NULL, is the one that it follows. */
struct conf *sim_conf_make(const struct conf *before);
