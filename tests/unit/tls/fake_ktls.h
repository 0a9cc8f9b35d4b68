/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only; include it once a program. Kernel TLS in user space: while fake.on, the system calls
 * that ktls.c makes on a TCP socket end here and behave like those of Linux (net/tls/tls_main.c,
 * tls_sw.c). tests/lib/tls_records.c seals and opens the records. So the code above ktls.c runs
 * without kernel TLS, and any step of it can fail. test_record.c, test_record_rules.c,
 * test_record_limits.c and test_record_ktls.c run on kernel TLS too, if there is any: the fake must
 * give the same results.
 *
 * It lacks records of several sendmsg() calls, for which MSG_MORE would ask, and splice().
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/lib/tls_records.h"
#include "tls/control_record.h"
#include "tls/ktls.h"

#define FAKE_TCP_ULP  31
#define FAKE_SOL_TLS  282
#define FAKE_SOCKETS  64
#define FAKE_WIRE_MAX (16384 + 256)

/* The steps of a hand-off; what is logged in fake.log for each. */
enum fake_step { FAKE_ULP, FAKE_TX, FAKE_RX, FAKE_NO_PAD, FAKE_GET_RX, FAKE_STEPS };
#define FAKE_LETTERS "utrpg"

struct fake_leg {
	int fd; /* 0: free */
	bool has_tx, has_rx;
	bool wants_rx; /* a KeyUpdate was read: no record before TLS_RX is set */
	union ktls_crypto tx, rx;
	uint8_t raw[5 + FAKE_WIRE_MAX]; /* what has come of the next record */
	size_t raw_len;
	uint8_t plain[FAKE_WIRE_MAX]; /* of the record that is being read: plain[at..len) */
	int at, len;
	uint8_t type;
	uint8_t out[5 + FAKE_WIRE_MAX]; /* of a record that the socket has no room for */
	int out_at, out_len;
};

static struct {
	bool on;
	bool rekey;             /* as Linux 6.14 and later */
	int err[FAKE_STEPS];    /* the step fails with it, 0: works */
	int after[FAKE_STEPS];  /* but not before so many have worked */
	int recv_err, send_err; /* the next recvmsg(), and the next send or sendmsg(), fail */
	int recv_after;         /* but not before so many recvmsg() have worked */
	int send_after;         /* nor before so many send or sendmsg() have */
	unsigned sends, mores;  /* send() so far, and how many of them with MSG_MORE */
	int corked;             /* the socket whose bytes MSG_MORE may hold back; 0: none */
	unsigned recvs;         /* recvmsg() so far */
	uint64_t received;      /* what TCP_INFO says of the bytes received; 0: the truth */
	uint32_t waiting;       /* with that: what SO_MEMINFO says of those that were not read */
	int sock_err;    /* the socket's error: fails what is sent next, unless it is taken */
	uint32_t suites; /* bit 8 * version + suite: refused, as if its AEAD were missing */
	char log[64];
	struct fake_leg legs[FAKE_SOCKETS];
} fake;

static inline void fake_start(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.on = fake.rekey = true;
}

static inline struct fake_leg *fake_leg(int fd)
{
	for (int i = 0; fake.on && i < FAKE_SOCKETS; i++)
		if (fake.legs[i].fd == fd && fd)
			return &fake.legs[i];
	return NULL;
}

static inline int fake_fails(int err)
{
	errno = err;
	return -1;
}

/* True, with errno, when this step is to fail. */
static inline bool fake_step(enum fake_step step)
{
	size_t n = strlen(fake.log);

	if (n + 1 < sizeof(fake.log))
		fake.log[n] = FAKE_LETTERS[step];
	if (!fake.err[step] || fake.after[step]-- > 0)
		return false;
	errno = fake.err[step];
	return true;
}

static inline int fake_ulp(int fd)
{
	int type = 0, domain = 0;
	socklen_t len = sizeof(int);

	if (fake_step(FAKE_ULP))
		return -1;
	if (fake_leg(fd))
		return fake_fails(EEXIST);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	if (type != SOCK_STREAM || domain != AF_INET)
		return fake_fails(EOPNOTSUPP);
	for (int i = 0; i < FAKE_SOCKETS; i++)
		if (!fake.legs[i].fd) {
			memset(&fake.legs[i], 0, sizeof(fake.legs[i]));
			fake.legs[i].fd = fd;
			return 0;
		}
	return fake_fails(ENOMEM);
}

static inline socklen_t fake_crypto_len(const struct tls_crypto_info *info)
{
	switch (info->cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		return sizeof(struct tls12_crypto_info_aes_gcm_128);
	case TLS_CIPHER_AES_GCM_256:
		return sizeof(struct tls12_crypto_info_aes_gcm_256);
	case TLS_CIPHER_CHACHA20_POLY1305:
		return sizeof(struct tls12_crypto_info_chacha20_poly1305);
	default:
		return 0;
	}
}

static inline bool fake_refuses_suite(const struct tls_crypto_info *info)
{
	const int suite = info->cipher_type == TLS_CIPHER_AES_GCM_128   ? SUITE_AES_128_GCM
			  : info->cipher_type == TLS_CIPHER_AES_GCM_256 ? SUITE_AES_256_GCM
									: SUITE_CHACHA20_POLY1305;

	return fake.suites >> (8 * (info->version == TLS_1_3_VERSION) + suite) & 1;
}

static inline int fake_set_keys(struct fake_leg *l, bool tx, const void *val, socklen_t len)
{
	union ktls_crypto *keys = tx ? &l->tx : &l->rx;
	bool *has = tx ? &l->has_tx : &l->has_rx;
	const struct tls_crypto_info *info = val;

	if (fake_step(tx ? FAKE_TX : FAKE_RX))
		return -1;
	if (len < sizeof(*info) || len != fake_crypto_len(info))
		return fake_fails(EINVAL);
	if (fake_refuses_suite(info))
		return fake_fails(ENOENT);
	if (*has && (!fake.rekey || info->version != TLS_1_3_VERSION ||
		     info->cipher_type != keys->info.cipher_type))
		return fake_fails(fake.rekey ? EINVAL : EBUSY);
	memcpy(keys, val, len);
	*has = true;
	l->wants_rx &= tx;
	return 0;
}

int setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct fake_leg *l = fake_leg(fd);

	if (fake.on && level == IPPROTO_TCP && name == FAKE_TCP_ULP)
		return fake_ulp(fd);
	if (level == IPPROTO_TCP && name == TCP_NODELAY && fd == fake.corked)
		fake.corked = 0;
	if (!fake.on || level != FAKE_SOL_TLS)
		return (int)syscall(SYS_setsockopt, fd, level, name, val, len);
	if (!l)
		return fake_fails(ENOPROTOOPT);
	switch (name) {
	case TLS_TX:
	case TLS_RX:
		return fake_set_keys(l, name == TLS_TX, val, len);
	case 4: /* TLS_RX_EXPECT_NO_PAD */
		return fake_step(FAKE_NO_PAD) ? -1 : 0;
	default:
		return fake_fails(ENOPROTOOPT);
	}
}

static inline int fake_get(int fd, int level, int name, void *val, socklen_t *len)
{
	const int r = (int)syscall(SYS_getsockopt, fd, level, name, val, len);

	if (!r && level == IPPROTO_TCP && name == TCP_INFO && fake.received)
		((struct tcp_info *)val)->tcpi_bytes_received = fake.received;
	if (!r && level == SOL_SOCKET && name == SO_MEMINFO && fake.received)
		((uint32_t *)val)[SK_MEMINFO_RMEM_ALLOC] = fake.waiting;
	if (!r && level == SOL_SOCKET && name == SO_ERROR && fake.sock_err) {
		*(int *)val = fake.sock_err;
		fake.sock_err = 0;
	}
	return r;
}

/* --- receiving -------------------------------------------------------------------------------- */

static inline ssize_t fake_recv(int fd, void *buf, size_t len, int flags)
{
	return syscall(SYS_recvfrom, fd, buf, len, flags | MSG_DONTWAIT, NULL, NULL);
}

/* As tls_err_abort(): the socket has an error from now on. */
static inline int fake_refuses(int err)
{
	fake.sock_err = err;
	return fake_fails(err);
}

/* As tls_rx_msg_size(): tag, and the explicit nonce of TLS 1.2; data; the type of TLS 1.3. */
static inline int fake_header_fault(const struct fake_leg *l, size_t len)
{
	const bool tls13 = l->rx.info.version == TLS_1_3_VERSION;
	const bool chacha = l->rx.info.cipher_type == TLS_CIPHER_CHACHA20_POLY1305;
	const size_t overhead = 16 + (tls13 || chacha ? 0 : 8);

	if (len > 16384 + overhead + tls13)
		return EMSGSIZE;
	if (len < overhead)
		return EBADMSG;
	return l->raw[1] != 3 || l->raw[2] != 3 ? EINVAL : 0;
}

/*
 * Takes from TCP until there are n bytes of the next record, and no more: half a record is nothing
 * to poll for. As fake_fill().
 */
static inline int fake_take(struct fake_leg *l, size_t n)
{
	while (l->raw_len < n) {
		ssize_t r = fake_recv(l->fd, l->raw + l->raw_len, n - l->raw_len, 0);

		if (r <= 0)
			return (int)r;
		l->raw_len += (size_t)r;
	}
	return 1;
}

/*
 * Opens the next record, if there is none. 1: there is one; 0: the end of the stream; -1, errno. A
 * record that is refused stays: TCP_ZEROCOPY_RECEIVE has it.
 */
static inline int fake_fill(struct fake_leg *l)
{
	union ktls_crypto before;
	size_t len;
	int r;

	if (l->type)
		return 1;
	if (l->wants_rx)
		return fake_fails(EKEYEXPIRED);
	r = fake_take(l, 5);
	if (r <= 0)
		return r;
	len = (size_t)(l->raw[3] << 8 | l->raw[4]);
	r = fake_header_fault(l, len);
	if (r)
		return fake_refuses(r);
	r = fake_take(l, 5 + len);
	if (r <= 0)
		return r;
	l->at = 0;
	before = l->rx;
	l->len = record_open(&l->rx, l->raw, 5 + len, l->plain, &l->type);
	if (l->len < 0 || !l->type ||
	    (l->rx.info.version == TLS_1_3_VERSION && l->raw[0] != TLS_CONTENT_DATA)) {
		l->type = 0;
		l->rx = before;
		return fake_refuses(EBADMSG);
	}
	l->raw_len = 0;
	l->wants_rx = fake.rekey && l->type == TLS_CONTENT_HANDSHAKE && l->len &&
		      l->plain[0] == HANDSHAKE_KEY_UPDATE && l->rx.info.version == TLS_1_3_VERSION;
	return 1;
}

/* TCP_ZEROCOPY_RECEIVE: what was no record, and all that is behind it. */
static inline int fake_zerocopy(struct fake_leg *l, struct tcp_zerocopy_receive *zc)
{
	uint8_t *buf = (uint8_t *)(uintptr_t)zc->copybuf_address;
	size_t n = l->raw_len < (size_t)zc->copybuf_len ? l->raw_len : (size_t)zc->copybuf_len;
	ssize_t more;

	memcpy(buf, l->raw, n);
	l->raw_len = 0;
	more = fake_recv(l->fd, buf + n, (size_t)zc->copybuf_len - n, 0);
	zc->copybuf_len = (int32_t)(n + (more > 0 ? (size_t)more : 0));
	zc->recv_skip_hint = 0;
	return 0;
}

int getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct fake_leg *l = fake_leg(fd);
	const struct tls_crypto_info *asked = val;

	if (l && l->raw_len && level == IPPROTO_TCP && name == TCP_ZEROCOPY_RECEIVE)
		return fake_zerocopy(l, val);
	if (!l || level != FAKE_SOL_TLS)
		return fake_get(fd, level, name, val, len);
	if (fake_step(FAKE_GET_RX))
		return -1;
	if (name != TLS_RX || !l->has_rx)
		return fake_fails(EBUSY);
	if (*len != fake_crypto_len(&l->rx.info) || asked->version != l->rx.info.version ||
	    asked->cipher_type != l->rx.info.cipher_type)
		return fake_fails(EINVAL);
	memcpy(val, &l->rx, *len);
	return 0;
}

static inline void fake_say_type(struct msghdr *msg, uint8_t type)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	assert_non_null(c);
	c->cmsg_level = FAKE_SOL_TLS;
	c->cmsg_type = TLS_GET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(c) = type;
	msg->msg_controllen = CMSG_SPACE(1);
}

/* Data of many records, or one control record: or a part of it. Empty ones of data are skipped. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct fake_leg *l = fake_leg(fd);
	const struct iovec *iov = msg->msg_iov;
	size_t done = 0;
	uint8_t type = 0;

	if (!l || !l->has_rx)
		return syscall(SYS_recvmsg, fd, msg, flags);
	fake.recvs++;
	if (fake.recv_err && fake.recv_after-- <= 0) {
		errno = fake.recv_err;
		fake.recv_err = 0;
		return -1;
	}
	while (done < iov->iov_len) {
		size_t n = iov->iov_len - done;
		int r = fake_fill(l);

		if (r <= 0 && done)
			break;
		if (r <= 0) {
			msg->msg_controllen = 0; /* as the kernel's: nothing was put there */
			return r;
		}
		if (type && (l->type != type || type != TLS_CONTENT_DATA))
			break;
		type = l->type;
		if (n > (size_t)(l->len - l->at))
			n = (size_t)(l->len - l->at);
		memcpy((uint8_t *)iov->iov_base + done, l->plain + l->at, n);
		done += n;
		if (flags & MSG_PEEK)
			break;
		l->at += (int)n;
		if (l->at == l->len)
			l->type = 0;
		if (type != TLS_CONTENT_DATA)
			break;
	}
	fake_say_type(msg, type);
	return (ssize_t)done;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* True when the socket has taken all of the last record. */
static inline bool fake_push(struct fake_leg *l)
{
	while (l->out_at < l->out_len) {
		ssize_t n = syscall(SYS_sendto, l->fd, l->out + l->out_at, l->out_len - l->out_at,
				    MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);

		if (n < 0)
			return false;
		l->out_at += (int)n;
	}
	l->out_at = l->out_len = 0;
	return true;
}

/* Room for a record of this type: one of data may wait here, an alert may be followed by a FIN. */
static inline bool fake_room(struct fake_leg *l, uint8_t type)
{
	struct pollfd room = {.fd = l->fd, .events = POLLOUT};

	if (!fake_push(l))
		return false;
	errno = EAGAIN;
	return type == TLS_CONTENT_DATA || poll(&room, 1, 0) == 1;
}

static inline ssize_t fake_seal(struct fake_leg *l, uint8_t type, const uint8_t *bytes, size_t len)
{
	size_t done = 0;

	if (fake.sock_err) {
		errno = fake.sock_err;
		fake.sock_err = 0;
		return -1;
	}
	if (fake.send_err && fake.send_after-- <= 0) {
		errno = fake.send_err;
		fake.send_err = 0;
		return -1;
	}
	while (done < len) { /* a send of nothing makes no record */
		size_t n = len - done < 16384 ? len - done : 16384;

		if (!fake_room(l, type))
			return done ? (ssize_t)done : -1;
		l->out_len = record_seal(&l->tx, type, bytes + done, n, l->out);
		done += n;
	}
	if (!fake_push(l) && errno != EAGAIN)
		return -1;
	return (ssize_t)done;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
	struct fake_leg *l = fake_leg(fd);
	ssize_t n;

	if (!l || !l->has_tx)
		return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
	if (flags & MSG_MORE) /* with another length the last record would stay open */
		assert_int_equal(len % 16384, 0);
	fake.sends++;
	fake.mores += !!(flags & MSG_MORE);
	n = fake_seal(l, TLS_CONTENT_DATA, bytes, len);
	if (n > 0)
		fake.corked = flags & MSG_MORE ? fd : 0;
	return n;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct fake_leg *l = fake_leg(fd);

	if (!l || !l->has_tx)
		return syscall(SYS_sendmsg, fd, msg, flags);
	assert_non_null(c);
	assert_int_equal(c->cmsg_level, FAKE_SOL_TLS);
	assert_int_equal(c->cmsg_type, TLS_SET_RECORD_TYPE);
	return fake_seal(l, *CMSG_DATA(c), msg->msg_iov->iov_base, msg->msg_iov->iov_len);
}

/* --- waiting ---------------------------------------------------------------------------------- */

#define FAKE_POLLED 8

/* Sends what waits for room; what meets an error is lost. */
static inline void fake_push_all(void)
{
	for (int i = 0; i < FAKE_SOCKETS; i++) {
		struct fake_leg *l = &fake.legs[i];

		if (l->fd && !fake_push(l) && errno != EAGAIN)
			l->out_at = l->out_len = 0;
	}
}

/* In the kernel, a record that waits for room goes out by itself (tls_write_space()). */
int poll(struct pollfd *fds, nfds_t n, int ms)
{
	struct pollfd all[FAKE_POLLED + FAKE_SOCKETS];
	int ready, asked;

	assert_in_range(n, 0, FAKE_POLLED);
	do {
		nfds_t count = n;

		fake_push_all();
		for (nfds_t i = 0; i < n; i++)
			all[i] = fds[i];
		for (int i = 0; i < FAKE_SOCKETS; i++)
			if (fake.legs[i].fd && fake.legs[i].out_len)
				all[count++] =
					(struct pollfd){.fd = fake.legs[i].fd, .events = POLLOUT};
		ready = (int)syscall(SYS_poll, all, count, ms);
		if (ready < 0)
			return ready;
		asked = 0;
		for (nfds_t i = 0; i < n; i++) {
			fds[i] = all[i];
			asked += all[i].revents != 0;
		}
	} while (ready && !asked);
	return asked;
}

int close(int fd)
{
	struct fake_leg *l = fake_leg(fd);

	if (l)
		l->fd = 0;
	return (int)syscall(SYS_close, fd);
}
