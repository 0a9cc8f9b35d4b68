/* SPDX-License-Identifier: BSD-2-Clause */
/* Probes kernel TLS. See probe_record.h. */
#include "daemon/probe_record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/errno_text.h"
#include "daemon/probe_pair.h"
#include "tls/ktls_probe.h"

const char *probe_record_name(enum tls_version version, enum tls_suite suite)
{
	static const char *const names[VERSION_COUNT][SUITE_COUNT] = {
		[VERSION_TLS12] = {"tls1.2 aes-128-gcm", "tls1.2 aes-256-gcm",
				   "tls1.2 chacha20-poly1305"},
		[VERSION_TLS13] = {"tls1.3 aes-128-gcm", "tls1.3 aes-256-gcm",
				   "tls1.3 chacha20-poly1305"},
	};

	return names[version][suite];
}

static void take_over_pair(const struct probe_pair *p, int *err)
{
	static const uint8_t key_a[32] = {1}, key_b[32] = {2}, iv[12] = {3};
	union ktls_crypto a, b;

	ktls_fill(&a, VERSION_TLS13, SUITE_AES_128_GCM, key_a, iv, 0);
	ktls_fill(&b, VERSION_TLS13, SUITE_AES_128_GCM, key_b, iv, 0);
	*err = ktls_take_over(p->near, &a, &b);
	if (!*err)
		*err = ktls_take_over(p->far, &b, &a);
}

static void probe_splice(struct probe_report *r)
{
	_cleanup_(probe_pair_close)
	struct probe_pair p = {-1, -1};
	_cleanup_(close_fdp)
	int in = -1;
	_cleanup_(close_fdp)
	int out = -1;
	char sent[4096], got[4096];
	int fds[2], err;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return probe_say(r, "record", "splice", false, "no pipe: %s", errno_text(errno));
	in = fds[1];
	out = fds[0];
	err = probe_pair_open(&p, NULL);
	if (!err)
		take_over_pair(&p, &err);
	if (err)
		return probe_say(r, "record", "splice", false, "no kTLS pair: %s",
				 errno_text(-err));
	memset(sent, 'k', sizeof(sent));
	if (send(p.near, sent, sizeof(sent), MSG_NOSIGNAL) != sizeof(sent) ||
	    !probe_wait(p.far, POLLIN))
		return probe_say(r, "record", "splice", false, "a record did not arrive");
	n = splice(p.far, NULL, in, NULL, sizeof(got), SPLICE_F_NONBLOCK);
	if (n != sizeof(sent) || read(out, got, sizeof(got)) != n ||
	    memcmp(sent, got, sizeof(sent)))
		return probe_say(r, "record", "splice", false,
				 "splice from kTLS gave %zd of %zu bytes", n, sizeof(sent));
	probe_say(r, "record", "splice", true, "%zd bytes from a kTLS socket through a pipe", n);
}

static const char *record_next(int err)
{
	switch (err) {
	case ENOENT:
		return "load the kernel's module for this cipher (modprobe gcm chacha20poly1305) "
		       "and tls";
	case EINVAL:
		return "this kernel's TLS does not know it; a newer kernel may";
	default:
		return "a kernel with CONFIG_TLS (modprobe tls)";
	}
}

void probe_record(struct probe_report *r)
{
	int err = ktls_probe(&r->caps);

	if (err) {
		probe_say(r, "record", "TCP_ULP tls", false, "no loopback pair: %s",
			  errno_text(-err));
		return;
	}
	if (r->caps.ulp_err) {
		probe_say(r, "record", "TCP_ULP tls", false, "%s",
			  r->caps.ulp_err == ENOENT ? "no kernel TLS (CONFIG_TLS) in this kernel"
						    : errno_text(r->caps.ulp_err));
		probe_next_step(r, "a kernel with CONFIG_TLS, or its module (modprobe tls); until "
				   "then kedge carries the records");
		return;
	}
	probe_say(r, "record", "TCP_ULP tls", true, "accepted");
	for (int v = 0; v < VERSION_COUNT; v++) {
		for (int s = 0; s < SUITE_COUNT; s++) {
			const char *name =
				probe_record_name((enum tls_version)v, (enum tls_suite)s);
			bool tx = r->caps.tx[v][s], rx = r->caps.rx[v][s];

			if (tx && rx)
				probe_say(r, "record", name, true, "bytes went through both ways");
			else
				probe_say(r, "record", name, false, "TX %s, RX %s: %s",
					  tx ? "ok" : "refused", rx ? "ok" : "refused",
					  errno_text(r->caps.err[v][s]));
			probe_next_step(r, record_next(r->caps.err[v][s]));
			r->record |= tx && rx;
		}
	}
	probe_say(r, "record", "rekey", r->caps.rekey, "%s",
		  r->caps.rekey ? "new keys accepted after a KeyUpdate (TLS 1.3)"
				: "keys can be set once only: a KeyUpdate ends the connection");
	probe_next_step(r, "Linux 6.14 or later");
	probe_splice(r);
}
