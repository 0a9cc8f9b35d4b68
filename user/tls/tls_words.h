/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what a finished handshake has agreed on, in the words that other programs use for it.
 * An application may be told them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_conn;

/* RFC 6066, section 3, and RFC 7301, section 3.1 */
#define TLS_SNI_BYTES_MAX  255
#define TLS_ALPN_BYTES_MAX 255

/* Strings end with NUL; an empty one means that there is none. */
struct tls_words {
	char version[16]; /* "TLSv1.3" */
	char cipher[64];  /* OpenSSL's name: "ECDHE-RSA-AES128-GCM-SHA256" */
	/*
	 * The certificate that the client was shown: what signed it ("RSA-SHA256"), and its key
	 * ("RSA2048", "EC256", "ED25519"). A client that resumes a session is shown none.
	 */
	char sig_alg[32], key_alg[32];
	/* The name that the client asked for, as it wrote it. Any byte but NUL may be in it. */
	char sni[TLS_SNI_BYTES_MAX + 1];
	uint8_t alpn[TLS_ALPN_BYTES_MAX]; /* the protocol that was chosen; any bytes */
	uint8_t alpn_len;                 /* 0: none was chosen */
};

/*
 * After TLS_DONE, and before tls_into_record() frees the handshake.
 */
void tls_words(const struct tls_conn *c, struct tls_words *out);
