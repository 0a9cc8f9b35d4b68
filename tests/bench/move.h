/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench only: a relay of bytes between accepted connections and one application, with two engines,
 * to find out which is cheaper. It edits nothing and follows no response: the comparison is about
 * waiting for sockets, reading and writing.
 *
 * Sockets are blocking; an engine that must not wait says so in each call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>
#include <openssl/ssl.h>

/* The size of a read of kedge's mover (user/tls/record_scratch.h, RECORD_READ_BYTES). */
#define MOVE_BYTES  (128 * 1024)
#define MOVE_EVENTS 256

/* Features of io_uring that can be left out to see the value of each. */
enum move_feature {
	MOVE_DEFER = 1 << 0,     /* one issuer, completions made when it asks (6.1) */
	MOVE_RING_FD = 1 << 1,   /* the ring's descriptor is registered (5.18) */
	MOVE_FILES = 1 << 2,     /* the sockets are registered */
	MOVE_MULTISHOT = 1 << 3, /* a recv that stays and takes buffers out of a ring (6.0) */
	MOVE_SKIP = 1 << 4,      /* no completion for a send that went out whole (5.17) */
	MOVE_ALL = (1 << 5) - 1,
};

struct move {
	int listener; /* non-blocking */
	struct sockaddr_in app;
	SSL_CTX *tls;        /* NULL: clients speak in the clear */
	unsigned features;   /* enum move_feature: allowed ones */
	unsigned buffers;    /* of the ring, a power of two */
	size_t buffer_bytes; /* of each */
};

/*
 * Accepts a client, with kernel TLS if there is a certificate, and connects to the application.
 * False when no client waits, or on failure.
 */
bool move_accept(const struct move *m, int *client, int *app);

/* Ends our direction of a leg: with close_notify, if it has TLS. */
void move_shut(int fd, bool tls);

/* Ends the program: prints what failed, and why by errno. */
_Noreturn void move_die(const char *what);

/* Each prints one line with the features in use, and runs until the program is ended. */
_Noreturn void move_epoll(const struct move *m);
_Noreturn void move_uring(const struct move *m);

/* TLS 1.3 with one certificate; NULL on failure, with a reason on standard error. */
SSL_CTX *move_tls_new(const char *cert, const char *key);

/* Does the handshake and gives the keys to the kernel. False: close the socket. */
bool move_tls_accept(SSL_CTX *ctx, int fd);
