/* SPDX-License-Identifier: BSD-2-Clause */
/* Probes the BPF programs. See probe_bpf.h. */
#include "daemon/probe_bpf.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/capability_loss.h"
#include "base/cleanup.h"
#include "base/errno_text.h"
#include "daemon/probe_pair.h"
#include "http/edit_bpf.h"
#include "http/xff.h"

/* What pair_add_flow() needs. */
struct pair_flow {
	struct kbpf *bpf;
	struct kbpf_flow *flow;
	const struct http1_conf *http1;
};

static int pair_add_flow(void *arg, int near)
{
	const struct pair_flow *f = arg;

	return kbpf_flow_add(f->bpf, f->flow, near, 0, f->http1, true);
}

/* --- edit ------------------------------------------------------------------------------------- */

static void probe_http1(struct http1_conf *out)
{
	union addr client = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)}};
	/* Append, and nothing else. */
	static const struct conf conf = {.head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT};

	xff_prepare(out, &conf, &client, false, 0);
}

static const char edit_request[] =
	"GET / HTTP/1.1\r\nHost: probe\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";
static const char edit_expected[] =
	"GET / HTTP/1.1\r\nHost: probe\r\nX-Forwarded-For: 198.51.100.1, 192.0.2.1\r\n\r\n";

static int try_edit(struct kbpf *bpf, struct probe_pair *p, struct kbpf_flow *flow, char why[200])
{
	struct kedge_stats scratch = {0};
	struct edit *e = edit_bpf_new(p->near, bpf, flow, &scratch, NULL);
	char got[512];
	ssize_t n;

	if (!e) {
		snprintf(why, 200, "out of memory");
		return -ENOMEM;
	}
	flow->cookie = 0; /* owned by the editor */
	n = edit_send(e, edit_request, sizeof(edit_request) - 1);
	if (n != sizeof(edit_request) - 1)
		snprintf(why, 200, "send gave %zd", n);
	else if (!probe_wait(p->far, POLLIN))
		snprintf(why, 200, "the request did not arrive");
	else {
		n = recv(p->far, got, sizeof(got), 0);
		if (n == sizeof(edit_expected) - 1 && !memcmp(got, edit_expected, (size_t)n)) {
			edit_free(e);
			return 0;
		}
		snprintf(why, 200, "the request arrived unedited or damaged (%zd bytes)", n);
	}
	edit_free(e);
	return -EIO;
}

void probe_edit(struct probe_report *r, struct kbpf *bpf)
{
	_cleanup_(probe_pair_close)
	struct probe_pair p = {-1, -1};
	struct kbpf_flow flow = {0};
	struct http1_conf http1;
	struct pair_flow to_be = {bpf, &flow, &http1};
	char why[200] = "", cause[160];
	const char *next = "report it with this kernel's version; user space edits until then";
	int err;

	probe_say(r, "edit", "sk_msg program", true, "verified and attached");
	probe_http1(&http1);
	err = probe_pair_open(&p,
			      &(struct probe_pair_extra){.prepare = pair_add_flow, .arg = &to_be});
	if (!err)
		err = kbpf_flow_join(bpf, &flow, p.near);
	if (err) {
		snprintf(why, sizeof(why), "no loopback pair under BPF: %s",
			 capability_cause(cause, sizeof(cause), err));
		next = capability_next(err);
	} else {
		err = try_edit(bpf, &p, &flow, why);
	}
	kbpf_flow_del(bpf, &flow);
	probe_say(r, "edit", "injection", !err, "%s",
		  err ? why : "a head on a loopback pair got its line");
	probe_next_step(r, next);
	r->edit = !err;
}

/* --- bypass ----------------------------------------------------------------------------------- */

/* Messages that bypassed loopback TCP, in either direction. */
static uint64_t redirected(struct kbpf *bpf)
{
	struct kedge_stats *s = kbpf_stats(bpf, 0);

	return __atomic_load_n(&s->steer_redirected, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->steer_down_redirected, __ATOMIC_RELAXED);
}

/* Sends from one end. True if the bytes arrive at the other end and were redirected. */
static bool goes_past_tcp(struct kbpf *bpf, int from, int to, const char *what, size_t len)
{
	uint64_t before = redirected(bpf);
	char got[64];

	return send(from, what, len, MSG_NOSIGNAL) == (ssize_t)len && probe_wait(to, POLLIN) &&
	       recv(to, got, sizeof(got), 0) == (ssize_t)len && !memcmp(got, what, len) &&
	       redirected(bpf) == before + 1;
}

/*
 * Does FIONREAD count the bytes queued for the far socket, which is in a sockhash? Some
 * applications ask before they read. Some kernels answer 0, for redirected bytes or for others.
 */
static void probe_fionread(struct probe_report *r, const struct probe_pair *p, const char *name)
{
	int queued = -1;
	char got[8];

	if (send(p->near, "12345", 5, MSG_NOSIGNAL) != 5 || !probe_wait(p->far, POLLIN) ||
	    ioctl(p->far, FIONREAD, &queued) < 0)
		probe_say(r, "bypass", name, false, "could not be asked");
	else
		probe_say(r, "bypass", name, queued == 5, "FIONREAD says %d for 5 bytes", queued);
	probe_next_step(
		r, "applications that ask FIONREAD before they read may stall, so prefer does "
		   "without the bypass here; require is for an application that was tried with it");
	if (recv(p->far, got, sizeof(got), MSG_DONTWAIT) != 5)
		probe_say(r, "bypass", name, false, "bytes were lost");
}

static void probe_redirect(struct probe_report *r, struct kbpf *bpf, const struct probe_pair *p)
{
	bool there = goes_past_tcp(bpf, p->near, p->far, "there", 5);
	bool back = goes_past_tcp(bpf, p->far, p->near, "back", 4);

	r->bypass = there && back;
	probe_say(r, "bypass", "redirect", r->bypass, "to the application %s, from it %s",
		  there ? "ok" : "failed", back ? "ok" : "failed");
	probe_fallback(r, "loopback TCP carries the bytes until then");
}

void probe_bypass(struct probe_report *r, struct kbpf *bpf)
{
	_cleanup_(probe_pair_close)
	struct probe_pair p = {-1, -1};
	struct kbpf_flow flow = {0};
	struct pair_flow to_be = {bpf, &flow, NULL};
	char cause[160];
	int err = probe_pair_open(
		&p, &(struct probe_pair_extra){.prepare = pair_add_flow, .arg = &to_be});

	if (err) {
		probe_say(r, "bypass", "sockops program", false, "no loopback pair: %s",
			  errno_text(-err));
	} else if (flow.note && flow.note->unpaired) {
		probe_say(r, "bypass", "sockops program", false, "%s",
			  capability_cause(cause, sizeof(cause), flow.note->unpaired));
		probe_next_step(r, capability_next(flow.note->unpaired));
	} else if (!kbpf_flow_paired(bpf, &flow)) {
		probe_say(r, "bypass", "sockops program", false,
			  "did not see both ends of a connection");
		probe_next_step(r, "--cgroup must name a cgroup v2 directory that "
				   "holds kedge and the application");
	} else {
		probe_say(r, "bypass", "sockops program", true, "saw both ends of a connection");
		probe_fionread(r, &p,
			       "FIONREAD, by TCP"); /* our end is not under the program yet */
		err = kbpf_flow_join(bpf, &flow, p.near);
		if (err) {
			probe_say(r, "bypass", "sockhash", false, "%s",
				  capability_cause(cause, sizeof(cause), err));
			probe_next_step(r, capability_next(err));
		} else {
			probe_redirect(r, bpf, &p);
		}
		if (r->bypass)
			probe_fionread(r, &p, "FIONREAD, redirected");
	}
	kbpf_flow_del(bpf, &flow);
}

/* --- peername --------------------------------------------------------------------------------- */

#define SOMEBODY_IP   0xc0000201 /* 192.0.2.1 */
#define SOMEBODY_PORT 4711

static union addr somebody(void)
{
	return (union addr){.in = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(SOMEBODY_IP),
				   .sin_port = htons(SOMEBODY_PORT)}};
}

static int name_peer(void *arg, int near)
{
	const union addr client = somebody();

	return peername_set(arg, near, &client);
}

void probe_peername(struct probe_report *r, struct peername *peername)
{
	_cleanup_(probe_pair_close)
	struct probe_pair p = {-1, -1};
	union addr accepted = {0}, asked = {0};
	socklen_t len = sizeof(asked);
	const union addr client = somebody();
	const struct probe_pair_extra named = {name_peer, peername, &client, &accepted};
	int err = probe_pair_open(&p, &named);
	bool by_accept = addr_equal(&accepted, &client), by_name = false;

	if (!err)
		err = peername_outcome(peername, p.near);

	if (!err && getpeername(p.far, &asked.sa, &len) == 0)
		by_name = addr_equal(&asked, &client);
	r->peername = by_accept && by_name;
	if (err)
		probe_say(r, "peername", "getpeername programs", false, "no loopback pair: %s",
			  errno_text(-err));
	else
		probe_say(r, "peername", "getpeername programs", r->peername,
			  "the client is shown by accept(): %s, by getpeername(): %s",
			  by_accept ? "yes" : "no", by_name ? "yes" : "no");
	probe_next_step(
		r, "--app-cgroup or --cgroup must name a cgroup v2 directory that holds kedge");
}
