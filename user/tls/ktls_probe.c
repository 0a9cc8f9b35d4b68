/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds out what kernel TLS can do by doing it: every version and suite carries bytes both ways
 * through a loopback pair, with made-up keys. The kernel's version does not tell, and neither does
 * its list of modules: the AEAD of a suite may be missing.
 */
#include "tls/ktls_probe.h"

#include <errno.h>
#include <string.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/loopback_pair.h"

#define PROBE_TIMEOUT_MS 2000

struct pair {
	int fds[2];
};

static void pair_close(struct pair *p)
{
	close_fdp(&p->fds[0]);
	close_fdp(&p->fds[1]);
}

/* Made-up keys, which protect nothing. Each direction and generation has its own `seed`. */
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
 * One version and suite. The receiver can only read what the sender has really encrypted, so bytes
 * that arrive prove TX and RX together. One without the other would be of no use.
 */
static void probe_suite(struct ktls_caps *out, enum tls_version v, enum tls_suite s, int pair_err,
			const struct pair *p)
{
	union ktls_crypto up, down;
	int r = pair_err;

	probe_keys(&up, v, s, 1);
	probe_keys(&down, v, s, 2);
	if (!r)
		r = ktls_take_over(p->fds[0], &up, &down);
	if (!r)
		r = ktls_take_over(p->fds[1], &down, &up);
	if (!r)
		r = carry_text(p->fds[0], p->fds[1]);
	if (!r)
		r = carry_text(p->fds[1], p->fds[0]);
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
	r = ktls_take_over(p->fds[0], &up, &down);
	if (!r)
		r = ktls_take_over(p->fds[1], &down, &up);
	if (!r)
		r = carry(p->fds[0], p->fds[1], TLS_CONTENT_HANDSHAKE, update, sizeof(update));
	if (!r)
		r = ktls_rekey_tx(p->fds[0], &next);
	if (!r)
		r = ktls_rekey_rx(p->fds[1], &next);
	if (!r)
		r = carry_text(p->fds[0], p->fds[1]);
	return r ? r : carry_text(p->fds[1], p->fds[0]);
}

static int probe_ulp(struct ktls_caps *out)
{
	_cleanup_(pair_close)
	struct pair p = {{-1, -1}};
	int r = loopback_pair(p.fds);

	if (r)
		return r;
	out->ulp_err = -ktls_begin(p.fds[0]);
	return 0;
}

static void probe_suites(struct ktls_caps *out, enum tls_version v)
{
	for (int s = 0; s < SUITE_COUNT; s++) {
		_cleanup_(pair_close)
		struct pair p = {{-1, -1}};
		int r = out->ulp_err ? -out->ulp_err : loopback_pair(p.fds);

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
		struct pair p = {{-1, -1}};

		if (ktls_can(out, VERSION_TLS13, (enum tls_suite)s) && !loopback_pair(p.fds))
			out->rekey = !probe_rekey(&p, (enum tls_suite)s);
	}
	return 0;
}
