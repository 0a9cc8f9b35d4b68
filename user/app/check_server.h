/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: one server that is checked again and again, by TCP or by HTTP. It counts how many
 * checks in a row were good or bad, and tells the server (server_set_health()). All of it belongs
 * to the loop's thread once it has begun; it borrows nothing from a configuration.
 *
 * I1  A server has at most one check under way, and a check at most one descriptor.
 * I2  What kedge itself lacks (a descriptor, memory, a source port) says nothing about the server:
 *     that check is left out.
 */
#pragma once

#include <sys/queue.h>

#include "app/check_answer.h"
#include "app/server.h"
#include "base/loop.h"

/* What all checks of a thread share. */
struct checker {
	struct loop *loop;
	uint64_t said_ms; /* when the log had a line about I2; 0: never */
};

enum check_phase {
	CHECK_WAITS,    /* for its next time */
	CHECK_QUEUES,   /* the queue of a unix socket is full: for the next try */
	CHECK_CONNECTS, /* and so on: for the server */
	CHECK_SENDS,
	CHECK_READS,
	CHECK_DRAINS, /* the verdict is there; the rest of the answer is thrown away */
};

struct check_server {
	struct watch watch;
	struct timer timer; /* when the next check begins, or this one must end */
	TAILQ_ENTRY(check_server) link;
	struct checker *checker;
	struct server *server; /* a reference */
	/* Of the configuration: */
	enum conf_check check;
	union addr addr; /* of the check under way: server_addr() */
	struct conf_range status;
	uint32_t every_ms, timeout_ms, rise, fall;
	char *request; /* see check_request.h; owned */
	size_t request_len;
	/* The check under way: */
	enum check_phase phase;
	int fd;           /* -1: none */
	size_t sent, got; /* bytes of the request, of the answer */
	struct check_answer answer;
	uint64_t began_ms;
	/* In a row, ending with the last check; one of the two is 0. */
	uint32_t good, bad;
};
TAILQ_HEAD(check_list, check_server);

/* Takes its own reference to the server. NULL when out of memory. */
struct check_server *check_server_new(struct server *server, const struct conf_app *app,
				      const struct conf_server *conf);
/* Not while it has begun. NULL is fine. */
void check_server_free(struct check_server *s);

/* Would the two check the same server in the same way? */
bool check_server_same(const struct check_server *a, const struct check_server *b);

/* The first check begins after so many ms. */
void check_server_begin(struct check_server *s, struct checker *checker, uint64_t after_ms);
/* Ends it, with the check under way, which then counts as nothing. Free it in a later turn. */
void check_server_end(struct check_server *s);
