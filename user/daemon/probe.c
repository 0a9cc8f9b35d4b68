/* SPDX-License-Identifier: BSD-2-Clause */
/* Functional probes. See probe.h. */
#include "daemon/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "base/capability_loss.h"
#include "base/cleanup.h"
#include "base/loopback_pair.h"
#include "guard/guard_probe.h"
#include "http/edit_bpf.h"
#include "http/xff.h"
#include "tls/ktls_probe.h"

#define PATIENCE_MS 2000

static const char *const version_names[VERSION_COUNT] = {"tls1.2", "tls1.3"};
static const char *const suite_names[SUITE_COUNT] = {"aes-128-gcm", "aes-256-gcm",
						     "chacha20-poly1305"};

__attribute__((format(printf, 5, 6))) static void
row(struct probe_report *r, const char *capability, const char *name, bool ok, const char *fmt, ...)
{
	struct probe_row *new;
	va_list ap;

	if (r->count == PROBE_ROWS_MAX)
		return;
	new = &r->rows[r->count++];
	new->capability = capability;
	new->ok = ok;
	new->next = NULL;
	snprintf(new->name, sizeof(new->name), "%s", name);
	va_start(ap, fmt);
	vsnprintf(new->detail, sizeof(new->detail), fmt, ap);
	va_end(ap);
}

static void next_step(struct probe_report *r, const char *next)
{
	if (!r->rows[r->count - 1].ok)
		r->rows[r->count - 1].next = next;
}

/* --- sockets for trying things ---------------------------------------------------------------- */

/* A connected loopback pair: `near` as kedge's app leg would be, `far` as the application's socket.
 */
struct pair {
	int near, far;
};

static void pair_close(struct pair *p)
{
	close_fdp(&p->near);
	close_fdp(&p->far);
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, PATIENCE_MS) == 1;
}

/* What is done to `near` before it connects; what it needs is in `arg`. 0 or -errno. */
typedef int (*pair_prepare_fn)(void *arg, int near);

/* What pair_connect() does beside connecting; all of it may be absent. */
struct pair_extra {
	pair_prepare_fn prepare;
	void *arg;
	const union addr *alias; /* how accept() may show `near`, beside its own address */
	union addr *peer;        /* out: how it did */
};

static int pair_connect(struct pair *p, const struct pair_extra *extra)
{
	static const struct pair_extra none = {0};
	const struct pair_extra *x = extra ? extra : &none;
	union addr addr;
	_cleanup_(close_fdp)
	int listener = loopback_listen(&addr);
	int err;

	if (listener < 0)
		return listener;
	p->near = app_socket(&addr, false);
	if (p->near < 0)
		return p->near;
	err = x->prepare ? x->prepare(x->arg, p->near) : 0;
	if (!err)
		err = app_connect(p->near, &addr);
	if (err)
		return err;
	p->far = loopback_accept(listener, p->near, x->alias, x->peer, SOCK_NONBLOCK);
	if (p->far < 0)
		return p->far;
	return wait_for(p->near, POLLOUT) ? 0 : -ETIMEDOUT;
}

/* A flow to be, for pair_connect(). */
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

/* --- record ----------------------------------------------------------------------------------- */

static void take_over_pair(const struct pair *p, int *err)
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
	_cleanup_(pair_close)
	struct pair p = {-1, -1};
	_cleanup_(close_fdp)
	int in = -1;
	_cleanup_(close_fdp)
	int out = -1;
	char sent[4096], got[4096];
	int fds[2], err;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return row(r, "record", "splice", false, "no pipe: %s", strerrordesc_np(errno));
	in = fds[1];
	out = fds[0];
	err = pair_connect(&p, NULL);
	if (!err)
		take_over_pair(&p, &err);
	if (err)
		return row(r, "record", "splice", false, "no kTLS pair: %s", strerrordesc_np(-err));
	memset(sent, 'k', sizeof(sent));
	if (send(p.near, sent, sizeof(sent), MSG_NOSIGNAL) != sizeof(sent) ||
	    !wait_for(p.far, POLLIN))
		return row(r, "record", "splice", false, "a record did not arrive");
	n = splice(p.far, NULL, in, NULL, sizeof(got), SPLICE_F_NONBLOCK);
	if (n != sizeof(sent) || read(out, got, sizeof(got)) != n ||
	    memcmp(sent, got, sizeof(sent)))
		return row(r, "record", "splice", false, "splice from kTLS gave %zd of %zu bytes",
			   n, sizeof(sent));
	row(r, "record", "splice", true, "%zd bytes from a kTLS socket through a pipe", n);
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
	char name[64];

	ktls_probe(&r->caps);
	if (r->caps.ulp_err) {
		row(r, "record", "TCP_ULP tls", false, "%s",
		    r->caps.ulp_err == ENOENT ? "no kernel TLS (CONFIG_TLS) in this kernel"
					      : strerrordesc_np(r->caps.ulp_err));
		next_step(r, "modprobe tls, or a kernel with CONFIG_TLS; until then OpenSSL "
			     "carries the records");
		return;
	}
	row(r, "record", "TCP_ULP tls", true, "accepted");
	for (int v = 0; v < VERSION_COUNT; v++) {
		for (int s = 0; s < SUITE_COUNT; s++) {
			bool tx = r->caps.tx[v][s], rx = r->caps.rx[v][s];

			snprintf(name, sizeof(name), "%s %s", version_names[v], suite_names[s]);
			if (tx && rx)
				row(r, "record", name, true, "bytes went through both ways");
			else
				row(r, "record", name, false, "TX %s, RX %s: %s",
				    tx ? "ok" : "refused", rx ? "ok" : "refused",
				    strerrordesc_np(r->caps.err[v][s]));
			next_step(r, record_next(r->caps.err[v][s]));
			r->record |= tx && rx;
		}
	}
	row(r, "record", "rekey", r->caps.rekey, "%s",
	    r->caps.rekey ? "new keys accepted after a KeyUpdate (TLS 1.3)"
			  : "keys can be set once only: a KeyUpdate ends the connection");
	next_step(r, "Linux 6.14 or later");
	probe_splice(r);
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

static int try_edit(struct kbpf *bpf, struct pair *p, struct kbpf_flow *flow, char why[200])
{
	struct kedge_stats scratch = {0};
	struct edit *e = edit_bpf_new(p->near, bpf, flow, &scratch);
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
	else if (!wait_for(p->far, POLLIN))
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
	_cleanup_(pair_close)
	struct pair p = {-1, -1};
	struct kbpf_flow flow = {0};
	struct http1_conf http1;
	struct pair_flow to_be = {bpf, &flow, &http1};
	char why[200] = "", cause[160];
	const char *next = "report it with this kernel's version; user space edits until then";
	int err;

	row(r, "edit", "sk_msg program", true, "verified and attached");
	probe_http1(&http1);
	err = pair_connect(&p, &(struct pair_extra){.prepare = pair_add_flow, .arg = &to_be});
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
	row(r, "edit", "injection", !err, "%s",
	    err ? why : "a head on a loopback pair got its line");
	next_step(r, next);
	r->edit = !err;
}

/* --- bypass ----------------------------------------------------------------------------------- */

/* Messages that went past loopback TCP, in either direction. */
static uint64_t redirected(struct kbpf *bpf)
{
	struct kedge_stats *s = kbpf_stats(bpf, 0);

	return __atomic_load_n(&s->steer_redirected, __ATOMIC_RELAXED) +
	       __atomic_load_n(&s->steer_down_redirected, __ATOMIC_RELAXED);
}

/* Sends from one end; true when the bytes came out at the other and were redirected on the way. */
static bool goes_past_tcp(struct kbpf *bpf, int from, int to, const char *what, size_t len)
{
	uint64_t before = redirected(bpf);
	char got[64];

	return send(from, what, len, MSG_NOSIGNAL) == (ssize_t)len && wait_for(to, POLLIN) &&
	       recv(to, got, sizeof(got), 0) == (ssize_t)len && !memcmp(got, what, len) &&
	       redirected(bpf) == before + 1;
}

/*
 * Does FIONREAD count what the far socket, a member of a sockhash, has queued? Several applications
 * ask before they read; some kernels answer 0 for one kind of bytes or the other.
 */
static void probe_fionread(struct probe_report *r, const struct pair *p, const char *name)
{
	int queued = -1;
	char got[8];

	if (send(p->near, "12345", 5, MSG_NOSIGNAL) != 5 || !wait_for(p->far, POLLIN) ||
	    ioctl(p->far, FIONREAD, &queued) < 0)
		row(r, "bypass", name, false, "could not be asked");
	else
		row(r, "bypass", name, queued == 5, "says %d for 5 bytes", queued);
	next_step(r,
		  "applications that ask FIONREAD before they read may stall, so prefer does "
		  "without the bypass here; require is for an application that was tried with it");
	if (recv(p->far, got, sizeof(got), MSG_DONTWAIT) != 5)
		row(r, "bypass", name, false, "bytes were lost");
}

static void probe_redirect(struct probe_report *r, struct kbpf *bpf, const struct pair *p)
{
	bool there = goes_past_tcp(bpf, p->near, p->far, "there", 5);
	bool back = goes_past_tcp(bpf, p->far, p->near, "back", 4);

	r->bypass = there && back;
	row(r, "bypass", "redirect", r->bypass, "to the application %s, from it %s",
	    there ? "ok" : "failed", back ? "ok" : "failed");
	next_step(r, "loopback TCP carries the bytes until then");
}

void probe_bypass(struct probe_report *r, struct kbpf *bpf)
{
	_cleanup_(pair_close)
	struct pair p = {-1, -1};
	struct kbpf_flow flow = {0};
	struct pair_flow to_be = {bpf, &flow, NULL};
	char cause[160];
	int err = pair_connect(&p, &(struct pair_extra){.prepare = pair_add_flow, .arg = &to_be});

	if (err) {
		row(r, "bypass", "sockops program", false, "no loopback pair: %s",
		    strerrordesc_np(-err));
	} else if (flow.note && flow.note->unpaired) {
		row(r, "bypass", "sockops program", false, "%s",
		    capability_cause(cause, sizeof(cause), flow.note->unpaired));
		next_step(r, capability_next(flow.note->unpaired));
	} else if (!kbpf_flow_paired(bpf, &flow)) {
		row(r, "bypass", "sockops program", false, "did not see both ends of a connection");
		next_step(r, "--cgroup must name a cgroup v2 directory that holds kedge and the "
			     "application");
	} else {
		row(r, "bypass", "sockops program", true, "saw both ends of a connection");
		probe_fionread(r, &p,
			       "FIONREAD, by TCP"); /* our end is not under the program yet */
		err = kbpf_flow_join(bpf, &flow, p.near);
		if (err) {
			row(r, "bypass", "sockhash", false, "%s",
			    capability_cause(cause, sizeof(cause), err));
			next_step(r, capability_next(err));
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
	_cleanup_(pair_close)
	struct pair p = {-1, -1};
	union addr accepted = {0}, asked = {0};
	socklen_t len = sizeof(asked);
	const union addr client = somebody();
	const struct pair_extra named = {name_peer, peername, &client, &accepted};
	int err = pair_connect(&p, &named);
	bool by_accept = addr_equal(&accepted, &client), by_name = false;

	if (!err)
		err = peername_outcome(peername, p.near);

	if (!err && getpeername(p.far, &asked.sa, &len) == 0)
		by_name = addr_equal(&asked, &client);
	r->peername = by_accept && by_name;
	if (err)
		row(r, "peername", "getpeername programs", false, "no loopback pair: %s",
		    strerrordesc_np(-err));
	else
		row(r, "peername", "getpeername programs", r->peername,
		    "the client is shown by accept(): %s, by getpeername(): %s",
		    by_accept ? "yes" : "no", by_name ? "yes" : "no");
	next_step(r, "--app-cgroup or --cgroup must name a cgroup v2 directory that holds kedge");
}

void probe_no_peername(struct probe_report *r, const char *why)
{
	row(r, "peername", "getpeername programs", false, "%s", why);
	next_step(r, "applications see kedge as their peer until then");
}

/* --- guard ------------------------------------------------------------------------------------ */

void probe_guard(struct probe_report *r)
{
	char why[256] = "";

	r->guard = !guard_probe_load(why);
	row(r, "guard", "XDP program", r->guard, "%s",
	    r->guard ? "verified; whether a driver has XDP of its own shows at the start" : why);
	next_step(r, "run as root, or grant the capabilities of docs/guard.md");
	if (!r->guard)
		return;
	if (guard_probe_dispatcher(why) < 0)
		row(r, "guard", "dispatcher", false, "%s", why);
	else
		row(r, "guard", "dispatcher", true, "other XDP programs may be beside it");
	next_step(r, "the guard is alone on its interfaces; other XDP programs must go first");
}

void probe_no_bpf(struct probe_report *r, const char *why)
{
	row(r, "edit", "sk_msg program", false, "%s", why);
	next_step(r, "put that right, or use edit: prefer, with which user space edits");
}
