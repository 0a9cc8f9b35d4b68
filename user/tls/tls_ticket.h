/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the keys that session tickets are sealed with (RFC 5077, RFC 8446 section 4.6.1). From
 * a file, so that several machines can open each other's tickets, or at random. The first key
 * seals, all of them open; a key is retired by moving it down the file and off its end.
 *
 * The file: one key a line, each the base64 of 80 random bytes (`openssl rand -base64 80` on one
 * line), blank lines and lines that begin with "#" aside. The bytes are the name (16), the HMAC key
 * (32) and the AES-256 key (32).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ssl_ctx_st;

#define TICKET_KEY_BYTES 80
#define TICKET_KEYS_MAX  16

struct ticket_key {
	uint8_t name[16], hmac[32], aes[32];
};
_Static_assert(sizeof(struct ticket_key) == TICKET_KEY_BYTES, "as in the file");

/* Immutable once filled; shared by all contexts. */
struct ticket_keys {
	struct ticket_key keys[TICKET_KEYS_MAX];
	size_t count;
};

/* One key at random. 0 or -EIO. */
int ticket_keys_random(struct ticket_keys *out);

/*
 * Reads a file, which may be readable only as a private key may (secret.h). 0, or -errno after a
 * logged line with file and line number; *out is then unchanged.
 */
int ticket_keys_load(struct ticket_keys *out, const char *file);

/* Makes a context seal and open tickets with these keys, which must outlive it. 0 or -ENOMEM. */
int ticket_keys_use(struct ssl_ctx_st *ctx, const struct ticket_keys *keys);
