/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel TLS. See ktls.h. Keeps no state; wipes nothing of its callers. */
#include "tls/ktls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4
#endif

static socklen_t crypto_len(const union ktls_crypto *c)
{
	switch (c->info.cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		return sizeof(c->aes128);
	case TLS_CIPHER_AES_GCM_256:
		return sizeof(c->aes256);
	default:
		return sizeof(c->chacha);
	}
}

static void put_be64(uint8_t out[8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

/*
 * The nonce of GCM is 4 bytes of salt and 8 bytes of iv. TLS 1.2 sends those 8 bytes in every
 * record. They must never repeat under one key (RFC 5288 section 3), so they count records.
 */
static void fill_gcm_iv(uint8_t salt[4], uint8_t out[8], enum tls_version version,
			const uint8_t iv[12], uint64_t seq)
{
	memcpy(salt, iv, 4);
	if (version == VERSION_TLS13)
		memcpy(out, iv + 4, 8);
	else
		put_be64(out, seq);
}

void ktls_fill(union ktls_crypto *out, enum tls_version version, enum tls_suite suite,
	       const uint8_t *key, const uint8_t iv[12], uint64_t seq)
{
	memset(out, 0, sizeof(*out));
	out->info.version = version == VERSION_TLS13 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
	switch (suite) {
	case SUITE_AES_128_GCM:
		out->info.cipher_type = TLS_CIPHER_AES_GCM_128;
		memcpy(out->aes128.key, key, sizeof(out->aes128.key));
		fill_gcm_iv(out->aes128.salt, out->aes128.iv, version, iv, seq);
		put_be64(out->aes128.rec_seq, seq);
		return;
	case SUITE_AES_256_GCM:
		out->info.cipher_type = TLS_CIPHER_AES_GCM_256;
		memcpy(out->aes256.key, key, sizeof(out->aes256.key));
		fill_gcm_iv(out->aes256.salt, out->aes256.iv, version, iv, seq);
		put_be64(out->aes256.rec_seq, seq);
		return;
	default:
		out->info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
		memcpy(out->chacha.key, key, sizeof(out->chacha.key));
		memcpy(out->chacha.iv, iv, sizeof(out->chacha.iv));
		put_be64(out->chacha.rec_seq, seq);
		return;
	}
}

static int set_keys(int fd, int direction, const union ktls_crypto *c)
{
	return setsockopt(fd, SOL_TLS, direction, c, crypto_len(c)) < 0 ? -errno : 0;
}

int ktls_begin(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) < 0 ? -errno : 0;
}

int ktls_set_tx(int fd, const union ktls_crypto *tx)
{
	return set_keys(fd, TLS_TX, tx);
}

int ktls_set_rx(int fd, const union ktls_crypto *rx)
{
	int on = 1, r = set_keys(fd, TLS_RX, rx);

	/*
	 * In TLS 1.3 the record type is behind the padding, so the kernel decrypts into a buffer of
	 * its own and copies. Told that padding is rare, it decrypts straight into the reader's
	 * buffer, and a padded record twice. Kernels before 6.0 refuse the option; they copy.
	 */
	if (!r && rx->info.version == TLS_1_3_VERSION)
		(void)setsockopt(fd, SOL_TLS, TLS_RX_EXPECT_NO_PAD, &on, sizeof(on));
	return r;
}

int ktls_take_over(int fd, const union ktls_crypto *tx, const union ktls_crypto *rx)
{
	int r = ktls_begin(fd);

	if (r && r != -EEXIST) /* begun before */
		return r;
	r = ktls_set_tx(fd, tx);
	return r ? r : ktls_set_rx(fd, rx);
}

int ktls_rekey_tx(int fd, const union ktls_crypto *tx)
{
	return set_keys(fd, TLS_TX, tx);
}

int ktls_rekey_rx(int fd, const union ktls_crypto *rx)
{
	return set_keys(fd, TLS_RX, rx);
}

int ktls_rx_keys(int fd, enum tls_suite suite, union ktls_crypto *rx)
{
	static const uint8_t key[32], iv[12];
	socklen_t len;

	/* The kernel wants version and suite, and fills in the rest. */
	ktls_fill(rx, VERSION_TLS13, suite, key, iv, 0);
	len = crypto_len(rx);
	return getsockopt(fd, SOL_TLS, TLS_RX, rx, &len) < 0 ? -errno : 0;
}

int ktls_same_rx(int fd, enum tls_suite suite)
{
	union ktls_crypto rx;
	int r = ktls_rx_keys(fd, suite, &rx);

	if (!r)
		r = set_keys(fd, TLS_RX, &rx);
	explicit_bzero(&rx, sizeof(rx));
	return r;
}

static ssize_t receive(int fd, void *buf, size_t len, uint8_t *type, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint8_t))];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes),
	};
	const struct cmsghdr *c;
	ssize_t n;

	n = recvmsg(fd, &msg, MSG_DONTWAIT | flags);
	if (n < 0)
		return -errno;
	*type = TLS_CONTENT_DATA;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE)
		*type = *CMSG_DATA(c);
	return n;
}

ssize_t ktls_recv(int fd, void *buf, size_t len, uint8_t *type)
{
	return receive(fd, buf, len, type, 0);
}

ssize_t ktls_peek(int fd, uint8_t *type)
{
	uint8_t byte;

	return receive(fd, &byte, 1, type, MSG_PEEK);
}

uint64_t ktls_received(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	(void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_bytes_received;
}

void ktls_take_error(int fd)
{
	int err;
	socklen_t len = sizeof(err);

	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
}

size_t ktls_queued(int fd)
{
	uint32_t mem[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(mem);

	(void)getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len);
	return mem[SK_MEMINFO_RMEM_ALLOC];
}

/*
 * TCP_ZEROCOPY_RECEIVE reads TCP's own queue, below the TLS layer. If the queue fits the buffer its
 * bytes are copied and taken. No memory needs to be mapped for that.
 */
static ssize_t receive_raw(int fd, void *buf, size_t len)
{
	struct tcp_zerocopy_receive zc = {
		.copybuf_address = (uintptr_t)buf,
		.copybuf_len = len > INT32_MAX ? INT32_MAX : (int32_t)len,
	};
	socklen_t zc_len = sizeof(zc);

	if (getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &zc, &zc_len) < 0)
		return errno == EIO ? 0 : -errno; /* EIO: the FIN was read */
	return zc.copybuf_len > 0 && !zc.recv_skip_hint ? zc.copybuf_len : -EAGAIN;
}

ssize_t ktls_raw(int fd, void *buf, size_t len)
{
	size_t need = ktls_queued(fd);
	uint8_t *all;
	ssize_t n;

	if (need <= len)
		return receive_raw(fd, buf, len);
	all = malloc(need);
	if (!all)
		return -ENOMEM;
	n = receive_raw(fd, all, need);
	if (n > (ssize_t)len)
		n = (ssize_t)len;
	if (n > 0)
		memcpy(buf, all, (size_t)n);
	free(all);
	return n;
}

void ktls_push(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int ktls_send_control(int fd, uint8_t type, const void *buf, size_t len)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint8_t))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	c->cmsg_level = SOL_TLS;
	c->cmsg_type = TLS_SET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(sizeof(type));
	*CMSG_DATA(c) = type;
	msg.msg_controllen = c->cmsg_len;
	/* Interrupted, though it does not wait, while the kernel itself sends what it kept. */
	do
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
