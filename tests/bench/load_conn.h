/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench only: one connection of the load client: connect, handshake, request, answer. Knows nothing
 * of the other connections, nor of time.
 *
 * conn_step() drives a connection until the socket has no more for it. Sockets are registered once,
 * edge-triggered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>
#include <openssl/ssl.h>

#include "load.h"

/* Shared by all connections. */
struct conn_env {
	const struct load *load;
	SSL_CTX *ctx;
	int epoll_fd;
	struct sockaddr_in to;
	char request[256];
	size_t request_len;
	uint64_t resumed;
};

struct conn {
	struct conn_env *env;
	int fd; /* -1: not open */
	enum { CONN_HANDSHAKE, CONN_SEND, CONN_HEAD, CONN_BODY, CONN_IDLE } state;
	SSL *ssl;             /* NULL without TLS */
	SSL_SESSION *session; /* LOAD_RESUME: to resume next time */
	uint64_t begun_ns;    /* for the caller: when this request was due */
	struct conn *next;    /* for the caller's lists */
	uint64_t sent;        /* bytes of head and body */
	uint64_t body_left;
	size_t head_len;
	char head[1024];
};

enum conn_verdict {
	CONN_WAIT,   /* until the next event */
	CONN_DONE,   /* the answer is whole; the connection is idle */
	CONN_FAILED, /* the reason is on standard error */
};

/* Prepares requests and the TLS context. Ends the program on failure. */
void conn_env_init(struct conn_env *env, const struct load *load);
void conn_env_fini(struct conn_env *env);

/* A closed connection. */
void conn_init(struct conn *c, struct conn_env *env);

/* Begins a request: on the open connection, or on a new one. conn_step() carries it out. */
void conn_request(struct conn *c);

enum conn_verdict conn_step(struct conn *c);

/* Sends close_notify and closes, if it is open. Keeps the session. */
void conn_close(struct conn *c);

/* Closes, and frees the session. */
void conn_fini(struct conn *c);
