/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the client of `kedge probe --speed`. It seals records before they are needed, and
 * drops what it receives without opening it, or even copying it: it costs little, and the same for
 * both layers. Its keys are fixed. They protect nothing.
 *
 * All connections have the same keys, and get the same records in the same order, so one record
 * serves them all.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tls/aead.h"

#define SPEED_REQUEST_BYTES  200
#define SPEED_RESPONSE_BYTES 1024
#define SPEED_BODY_BYTES     (1024 * 1024)

/* What was sealed last: on the wire it is bytes[0..len). */
struct speed_sealed {
	struct aead_key key;
	uint8_t *bytes;
	size_t len;
};

/* Begins with all zero. It must stay where it is in memory. */
struct speed_client {
	struct aead_pool *pool;
	struct speed_sealed request, body;
};

/* How far a client is in the record that it is receiving. Begins with all zero. */
struct speed_skip {
	uint8_t header[AEAD_HEADER_LEN];
	size_t have; /* bytes of it */
	size_t left; /* bytes of the record behind it */
};

/* TLS 1.3 keys of both directions, from number 0 on. */
void speed_keys(enum tls_suite suite, union ktls_crypto *up, union ktls_crypto *down);

/* 0 or -ENOMEM; call speed_client_close() in both cases. */
int speed_client_open(struct speed_client *c, enum tls_suite suite);
void speed_client_close(struct speed_client *c);

/* The next request, one record, and the next body, in records of full size. 0 or -ENOMEM. */
int speed_client_seal_request(struct speed_client *c);
int speed_client_seal_body(struct speed_client *c);

/* The text of each request, SPEED_REQUEST_BYTES. */
const uint8_t *speed_request_text(void);

/* Sends what the socket takes of bytes[0..n). Returns how much, perhaps nothing, or -errno. */
ssize_t speed_client_send(int fd, const uint8_t *bytes, size_t n);

/*
 * Waits until something comes, and drops what has come, but no more than `most` bytes of content.
 * Returns how many bytes of content were in it, perhaps none; -ETIMEDOUT: nothing comes for two
 * seconds; -EPIPE: the stream has ended; -EBADMSG: no record of data; or -errno.
 */
ssize_t speed_client_skip(int fd, struct speed_skip *s, size_t most);
