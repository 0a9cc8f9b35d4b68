/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: kernel TLS. The only file that names SOL_TLS; everybody else calls these. Facts behind
 * it: Documentation/networking/tls.rst, net/tls/tls_main.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/tls.h>

#include "tls/control_record.h"

/* The cipher suites that kedge offers: all that the kernel can carry, and nothing else. */
enum tls_suite { SUITE_AES_128_GCM, SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305, SUITE_COUNT };
enum tls_version { VERSION_TLS12, VERSION_TLS13, VERSION_COUNT };

/* One direction's key material as setsockopt(TLS_TX/TLS_RX) takes it. Wipe with OPENSSL_cleanse. */
union ktls_crypto {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 aes128;
	struct tls12_crypto_info_aes_gcm_256 aes256;
	struct tls12_crypto_info_chacha20_poly1305 chacha;
};

/* What this kernel was seen to do; filled by ktls_probe(), read-only afterwards. */
struct ktls_caps {
	bool tx[VERSION_COUNT][SUITE_COUNT], rx[VERSION_COUNT][SUITE_COUNT];
	bool rekey;  /* a second TLS_TX and TLS_RX is accepted on a TLS 1.3 socket */
	int ulp_err; /* positive errno of TCP_ULP, 0 when it is there */
	int err[VERSION_COUNT][SUITE_COUNT]; /* positive errno of the first refusal, 0 if none */
};

/* True when both directions of this version and suite work. */
static inline bool ktls_can(const struct ktls_caps *c, enum tls_version v, enum tls_suite s)
{
	return c->tx[v][s] && c->rx[v][s];
}

/*
 * Fills the kernel's struct for one direction. key: 16 or 32 bytes by suite; iv: the 12-byte
 * TLS 1.3 write_iv, or for TLS 1.2 the 4-byte salt (GCM) or 12-byte iv (ChaCha20) of the key block,
 * in iv[0..]; seq: number of the next record, host order.
 */
void ktls_fill(union ktls_crypto *out, enum tls_version version, enum tls_suite suite,
	       const uint8_t *key, const uint8_t iv[12], uint64_t seq);

/*
 * TCP_ULP alone. 0, or -errno with nothing changed: -ENOTCONN when the peer's FIN has come already
 * (the kernel takes sockets only in ESTABLISHED, net/tls/tls_main.c tls_init). After 0 the socket
 * is as it was until it gets its first key, and so sends as it is what it is given.
 */
int ktls_begin(int fd);

/*
 * The keys of a direction, after ktls_begin(). 0 or -errno. When tx fails nothing has changed:
 * another program's sk_msg on the socket makes it -EINVAL. When rx fails after tx: close the
 * socket.
 */
int ktls_set_tx(int fd, const union ktls_crypto *tx);
int ktls_set_rx(int fd, const union ktls_crypto *rx);

/*
 * Hands both directions to the kernel: TCP_ULP (unless ktls_begin() did), TLS_TX, TLS_RX. 0, or
 * -errno. After an error the socket must be closed and nothing may be sent on it: with the ULP on
 * and no key the kernel would send plaintext. Does not wipe.
 */
int ktls_take_over(int fd, const union ktls_crypto *tx, const union ktls_crypto *rx);

/* New keys for one direction after a KeyUpdate (kernel 6.14 and later, TLS 1.3). 0 or -errno. */
int ktls_rekey_tx(int fd, const union ktls_crypto *tx);
int ktls_rekey_rx(int fd, const union ktls_crypto *rx);

/* What opens the next record of a TLS 1.3 socket. 0 or -errno. The caller wipes it. */
int ktls_rx_keys(int fd, enum tls_suite suite, union ktls_crypto *rx);

/*
 * A kernel that takes new keys waits for them when a handshake record begins like a KeyUpdate. This
 * lets it read on with the keys that it has: the message may go on in the next record.
 */
int ktls_same_rx(int fd, enum tls_suite suite);

/*
 * recvmsg(2), non-blocking, with the record's type: *type is the TLS content type (23 data, 21
 * alert, 22 handshake); data and control never mix in one call. Returns as recvmsg, or -errno.
 */
ssize_t ktls_recv(int fd, void *buf, size_t len, uint8_t *type);

/* The type of what ktls_recv() would give next; otherwise as it, but nothing is taken. */
ssize_t ktls_peek(int fd, uint8_t *type);

/* Bytes that TCP has received in the connection's life. */
uint64_t ktls_received(int fd);

/* Takes the socket's error, which else fails whatever is sent next. */
void ktls_take_error(int fd);

/*
 * All bytes that the kernel has not read as records, as they are on the wire; the first of them go
 * to buf[0..len), the others are dropped. For a leg on which no record will be read any more: never
 * call ktls_recv() or ktls_peek() again. Returns > 0, how many are in buf; 0 at the end of the
 * stream; -EAGAIN; or -errno where the kernel does not give them.
 */
ssize_t ktls_raw(int fd, void *buf, size_t len);

/* Sends one control record of this type, non-blocking. 0 or -errno. */
int ktls_send_control(int fd, uint8_t type, const void *buf, size_t len);
