/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the keys of session tickets (RFC 5077, RFC 8446 section 4.6.1). They come from a file,
 * so that several hosts can open each other's tickets, or are random. The first key seals, all of
 * them open. To retire a key, move it down the file and then remove it.
 *
 * The file has one key a line: the base64 of 80 random bytes (`openssl rand 80 | base64 -w0`).
 * Blank lines and lines that begin with "#" are skipped. The bytes are the name (16), the HMAC key
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

/* Does not change once it is filled in. All contexts share it. */
struct ticket_keys {
	struct ticket_key keys[TICKET_KEYS_MAX];
	size_t count;
};

/* One random key. 0 or -EIO. */
int ticket_keys_random(struct ticket_keys *out);

/*
 * Reads a file, which others may not read (secret.h). 0, or -errno after a line that names the file
 * and the line; *out is unchanged then.
 */
int ticket_keys_load(struct ticket_keys *out, const char *file);

/* Makes a context seal and open tickets with these keys, which must outlive it. 0 or -ENOMEM. */
int ticket_keys_use(struct ssl_ctx_st *ctx, const struct ticket_keys *keys);
