/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: kernel TLS. ktls.c is the only file that names SOL_TLS. See the kernel's
 * Documentation/networking/tls.rst and net/tls/tls_main.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/tls.h>

#include "tls/control_record.h"

/* The cipher suites that kedge offers: those that the kernel can carry. */
enum tls_suite { SUITE_AES_128_GCM, SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305, SUITE_COUNT };
enum tls_version { VERSION_TLS12, VERSION_TLS13, VERSION_COUNT };

/*
 * Key material of one direction, as setsockopt(TLS_TX/TLS_RX) takes it. Wipe with OPENSSL_cleanse.
 */
union ktls_crypto {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 aes128;
	struct tls12_crypto_info_aes_gcm_256 aes256;
	struct tls12_crypto_info_chacha20_poly1305 chacha;
};

/* What the kernel can do. ktls_probe() fills it in; read-only afterwards. */
struct ktls_caps {
	bool tx[VERSION_COUNT][SUITE_COUNT], rx[VERSION_COUNT][SUITE_COUNT];
	bool rekey;  /* a second TLS_TX and TLS_RX is accepted on a TLS 1.3 socket */
	int ulp_err; /* positive errno of TCP_ULP; 0: it works */
	int err[VERSION_COUNT][SUITE_COUNT]; /* positive errno of the first refusal; 0: none */
};

/* Do both directions of this version and suite work? */
static inline bool ktls_can(const struct ktls_caps *c, enum tls_version v, enum tls_suite s)
{
	return c->tx[v][s] && c->rx[v][s];
}

/*
 * Fills in the kernel's struct for one direction. key: 16 or 32 bytes, by suite. iv: the write_iv
 * of TLS 1.3, 12 bytes; for TLS 1.2 the salt (GCM, 4 bytes) or the IV (ChaCha20, 12 bytes) of the
 * key block. seq: number of the next record, host order.
 */
void ktls_fill(union ktls_crypto *out, enum tls_version version, enum tls_suite suite,
	       const uint8_t *key, const uint8_t iv[12], uint64_t seq);

/*
 * TCP_ULP alone. 0, or -errno with nothing changed. -ENOTCONN: the peer's FIN has come (the kernel
 * takes sockets only in ESTABLISHED: tls_init() of net/tls/tls_main.c). Until the first key is set
 * the socket goes on as before: what is written to it is sent as it is.
 */
int ktls_begin(int fd);

/*
 * The keys of a direction, after ktls_begin(). 0 or -errno. If tx fails, nothing has changed; it is
 * -EINVAL if an sk_msg program of others has the socket. If rx fails after tx, close the socket.
 */
int ktls_set_tx(int fd, const union ktls_crypto *tx);
int ktls_set_rx(int fd, const union ktls_crypto *rx);

/*
 * Hands both directions to the kernel: TCP_ULP unless ktls_begin() did, TLS_TX, TLS_RX. 0 or
 * -errno. After an error close the socket and send nothing: with the ULP and without a key the
 * kernel sends plaintext. Does not wipe.
 */
int ktls_take_over(int fd, const union ktls_crypto *tx, const union ktls_crypto *rx);

/* New keys for one direction after a KeyUpdate (kernel 6.14 and later, TLS 1.3). 0 or -errno. */
int ktls_rekey_tx(int fd, const union ktls_crypto *tx);
int ktls_rekey_rx(int fd, const union ktls_crypto *rx);

/* The keys of the next record of a TLS 1.3 socket. 0 or -errno. The caller wipes them. */
int ktls_rx_keys(int fd, enum tls_suite suite, union ktls_crypto *rx);

/*
 * A kernel that takes new keys stops reading at a handshake record that begins like a KeyUpdate,
 * and waits for them. This lets it read on with the old keys, for the rest of the message.
 */
int ktls_same_rx(int fd, enum tls_suite suite);

/*
 * recvmsg(2), non-blocking. *type is the TLS content type: 23 data, 21 alert, 22 handshake. Data
 * and control records never mix in one call. Returns as recvmsg(), or -errno.
 */
ssize_t ktls_recv(int fd, void *buf, size_t len, uint8_t *type);

/* As ktls_recv(), but takes nothing: gives the type of what comes next. */
ssize_t ktls_peek(int fd, uint8_t *type);

/* Bytes that TCP has received in the connection's life. */
uint64_t ktls_received(int fd);

/* At least as many bytes as have been received and not been read. */
size_t ktls_queued(int fd);

/* Clears the error of the socket, which would fail the next send. */
void ktls_take_error(int fd);

/*
 * Takes all bytes that the kernel has not read as records, as they are on the wire. The first go to
 * buf[0..len), the others are dropped. Never call ktls_recv() or ktls_peek() on this socket again.
 * Returns > 0, how many are in buf; 0 at the end of the stream; -EAGAIN; or -errno.
 */
ssize_t ktls_raw(int fd, void *buf, size_t len);

/* Sends what TCP holds back because of MSG_MORE. The socket has TCP_NODELAY before and after. */
void ktls_push(int fd);

/* Sends one control record of this type, non-blocking. 0 or -errno. */
int ktls_send_control(int fd, uint8_t type, const void *buf, size_t len);
