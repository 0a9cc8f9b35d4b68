/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kernel TLS can do here, found by doing it: both directions of every version and suite carry
 * bytes through a loopback pair with made-up keys. A kernel version or a module list would not
 * tell: the AEAD of a suite may be missing while TLS itself is there.
 */
#include "tls/ktls.h"

#include <errno.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define PROBE_TIMEOUT_MS 2000

struct pair {
	int a, b;
};

static void pair_close(struct pair *p)
{
	close_fdp(&p->a);
	close_fdp(&p->b);
}

/* Other processes can connect to our listener too: take the connection that is ours. */
static bool same_port(int listening_end, int connecting_end)
{
	struct sockaddr_in peer = {0}, own = {0};
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);

	return !getpeername(listening_end, (struct sockaddr *)&peer, &peer_len) &&
	       !getsockname(connecting_end, (struct sockaddr *)&own, &own_len) &&
	       peer.sin_port == own.sin_port;
}

static int pair_open(struct pair *out)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	_cleanup_(close_fdp)
	int listener = -1;
	_cleanup_(pair_close)
	struct pair p = {-1, -1};
	socklen_t len = sizeof(addr);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	p.a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || p.a < 0)
		return -errno;
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 8) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) < 0 ||
	    connect(p.a, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	for (int tries = 0; tries < 8; tries++) {
		struct pollfd ready = {.fd = listener, .events = POLLIN};

		if (poll(&ready, 1, PROBE_TIMEOUT_MS) != 1)
			return -ETIMEDOUT;
		p.b = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (p.b < 0)
			return -errno;
		if (same_port(p.b, p.a)) {
			out->a = take_fd(p.a);
			out->b = take_fd(p.b);
			return 0;
		}
		close_fdp(&p.b);
	}
	return -EADDRINUSE;
}

/* Made-up keys: `seed` tells the two directions and generations apart. They protect nothing. */
static void probe_keys(union ktls_crypto *out, enum tls_version v, enum tls_suite s, uint8_t seed)
{
	uint8_t key[32], iv[12];

	memset(key, seed, sizeof(key));
	memset(iv, seed ^ 0x55, sizeof(iv));
	ktls_fill(out, v, s, key, iv, 0);
}

/* Sends a text on one end and expects it, as a record of this type, on the other. 0 or -errno. */
static int carry(int from, int to, uint8_t type, const void *text, size_t len)
{
	struct pollfd ready = {.fd = to, .events = POLLIN};
	uint8_t got[64], got_type = 0;
	ssize_t n;
	int r;

	r = type == TLS_CONTENT_DATA
		    ? (send(from, text, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno)
		    : ktls_send_control(from, type, text, len);
	if (r)
		return r;
	if (poll(&ready, 1, PROBE_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	n = ktls_recv(to, got, sizeof(got), &got_type);
	if (n < 0)
		return (int)n;
	return (size_t)n == len && got_type == type && !memcmp(got, text, len) ? 0 : -EBADMSG;
}

static int carry_text(int from, int to)
{
	static const char text[] = "kedge probes kernel TLS with this line";

	return carry(from, to, TLS_CONTENT_DATA, text, sizeof(text));
}

/*
 * One version and suite. The receiving end can only read what the sending end has really encrypted,
 * so bytes that arrive prove both options at once; there is no telling them apart, nor a need to.
 */
static void probe_suite(struct ktls_caps *out, enum tls_version v, enum tls_suite s, int pair_err,
			const struct pair *p)
{
	union ktls_crypto up, down;
	int r = pair_err;

	probe_keys(&up, v, s, 1);
	probe_keys(&down, v, s, 2);
	if (!r)
		r = ktls_take_over(p->a, &up, &down);
	if (!r)
		r = ktls_take_over(p->b, &down, &up);
	if (!r)
		r = carry_text(p->a, p->b);
	if (!r)
		r = carry_text(p->b, p->a);
	out->tx[v][s] = out->rx[v][s] = !r;
	out->err[v][s] = -r;
}

/* KeyUpdate (RFC 8446 section 4.6.3) from a to b, then new keys for that direction. */
static int probe_rekey(const struct pair *p, enum tls_suite s)
{
	static const uint8_t update[] = {24, 0, 0, 1, 0};
	union ktls_crypto up, down, next;
	int r;

	probe_keys(&up, VERSION_TLS13, s, 1);
	probe_keys(&down, VERSION_TLS13, s, 2);
	probe_keys(&next, VERSION_TLS13, s, 3);
	r = ktls_take_over(p->a, &up, &down);
	if (!r)
		r = ktls_take_over(p->b, &down, &up);
	if (!r)
		r = carry(p->a, p->b, TLS_CONTENT_HANDSHAKE, update, sizeof(update));
	if (!r)
		r = ktls_rekey_tx(p->a, &next);
	if (!r)
		r = ktls_rekey_rx(p->b, &next);
	if (!r)
		r = carry_text(p->a, p->b);
	return r ? r : carry_text(p->b, p->a);
}

static int probe_ulp(struct ktls_caps *out)
{
	_cleanup_(pair_close)
	struct pair p = {-1, -1};
	int r = pair_open(&p);

	if (r)
		return r;
	if (setsockopt(p.a, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) < 0)
		out->ulp_err = errno;
	return 0;
}

static void probe_suites(struct ktls_caps *out, enum tls_version v)
{
	for (int s = 0; s < SUITE_COUNT; s++) {
		_cleanup_(pair_close)
		struct pair p = {-1, -1};
		int r = out->ulp_err ? -out->ulp_err : pair_open(&p);

		probe_suite(out, v, (enum tls_suite)s, r, &p);
	}
}

int ktls_probe(struct ktls_caps *out)
{
	int r;

	memset(out, 0, sizeof(*out));
	r = probe_ulp(out);
	if (r)
		return r;
	probe_suites(out, VERSION_TLS12);
	probe_suites(out, VERSION_TLS13);
	for (int s = 0; s < SUITE_COUNT && !out->rekey; s++) {
		_cleanup_(pair_close)
		struct pair p = {-1, -1};

		if (ktls_can(out, VERSION_TLS13, (enum tls_suite)s) && !pair_open(&p))
			out->rekey = !probe_rekey(&p, (enum tls_suite)s);
	}
	return 0;
}
