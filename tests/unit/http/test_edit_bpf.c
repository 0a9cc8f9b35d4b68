/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/http/edit_bpf.c without BPF. sendmsg() below replaces libc's. It changes the note as the
 * sk_msg program would. The connection is real. The program itself is tested in tests/bpf.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "http/edit_bpf.h"
#include "tests/lib/net.h"
#include "tests/lib/no_heap.h"
#include "tests/lib/assert_reason.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define TEXT_LEN 40

/* How the program changes the note, and the kernel's answer. */
struct run {
	uint8_t runs; /* times that the program ran */
	uint32_t requests;
	enum kedge_standing standing;
	enum kedge_reason reason;
	uint32_t withheld;
	bool scattered, redirected;
	int err;          /* errno of the send; 0: it takes everything */
	size_t short_by;  /* but for these bytes */
	bool reset_after; /* the application resets the connection meanwhile */
	unsigned sends;   /* so many succeed, then the socket is full; 0: any number */
};

static struct {
	struct run run;
	unsigned sends, uncorks;
	uint8_t bytes[KEDGE_BODY_BYTES_MAX]; /* of the last message */
	size_t len, longest;
	size_t pieces;
	int flags;
	uint32_t sending; /* the note, as the program saw it */
	uint8_t spare;
	bool for_real; /* the message, grown by each head's text, goes to the connection */
	size_t cut_short, spliced;
	int sndbuf; /* getsockopt() says so; 0: the truth */
} kernel;

static struct {
	unsigned resumes, dels;
	bool tunnel;
	int resume_answer;
	uint64_t rest;
	struct kbpf_flow deleted;
} flows;

static struct kedge_note note;
static struct kedge_stats stats;
static struct kbpf_flow flow;
static struct edit *edit;
static int kedge = -1, app = -1;

int kbpf_flow_resume(struct kbpf *bpf, struct kbpf_flow *f, bool tunnel)
{
	flows.resumes++;
	flows.tunnel = tunnel;
	return flows.resume_answer;
}

uint64_t kbpf_flow_body_rest(struct kbpf *bpf, const struct kbpf_flow *f)
{
	return flows.rest;
}

void kbpf_flow_set_text(struct kbpf_flow *f, const struct http1_conf *conf)
{
	f->text_len = conf->text_len;
}

void kbpf_flow_del(struct kbpf *bpf, struct kbpf_flow *f)
{
	flows.dels++;
	flows.deleted = *f;
}

/* Sends the edited message. Counts the bytes that the socket did not take. */
static void send_for_real(size_t len, uint32_t requests)
{
	static uint8_t out[KEDGE_SEND_BYTES_MAX * 16];
	size_t n = len - kernel.spare + requests * TEXT_LEN;
	ssize_t r;

	assert_true(n <= sizeof(out));
	r = send(kedge, out, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	kernel.cut_short += n - (r < 0 ? 0 : (size_t)r);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	const struct run *run = &kernel.run;

	assert_int_equal(fd, kedge);
	kernel.sends++;
	kernel.flags = flags;
	kernel.pieces = m->msg_iovlen;
	kernel.sending = note.sending;
	kernel.spare = note.spare;
	kernel.len = 0;
	for (size_t i = 0; i < m->msg_iovlen; i++) {
		assert_true(kernel.len + m->msg_iov[i].iov_len <= sizeof(kernel.bytes));
		memcpy(kernel.bytes + kernel.len, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
		kernel.len += m->msg_iov[i].iov_len;
	}
	if (run->sends && kernel.sends > run->sends) {
		errno = EAGAIN;
		return -1;
	}
	if (kernel.len - note.spare > kernel.longest)
		kernel.longest = kernel.len - note.spare;
	note.runs += run->runs;
	note.requests += run->requests;
	note.standing = (__u8)run->standing;
	note.reason = (__u8)run->reason;
	note.withheld = run->withheld;
	note.scattered = run->scattered;
	stats.steer_redirected += run->redirected;
	if (kernel.for_real)
		send_for_real(kernel.len, run->requests);
	if (run->reset_after) {
		net_close_reset(app);
		close(app);
		app = -1;
		net_wait(kedge, 0, NET_PATIENCE_MS);
	}
	if (run->err) {
		errno = run->err;
		return -1;
	}
	return (ssize_t)(kernel.len - run->short_by);
}

/* A message of each page, as old kernels make it. */
ssize_t splice(int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags)
{
	const struct run *run = &kernel.run;
	static uint8_t sink[KEDGE_SEND_BYTES_MAX];

	assert_int_equal(out, kedge);
	assert_true(len <= KEDGE_SEND_BYTES_MAX);
	kernel.sends++;
	kernel.sending = note.sending;
	kernel.spare = note.spare;
	if (run->sends && kernel.sends > run->sends) {
		errno = EAGAIN;
		return -1;
	}
	note.runs += run->runs;
	note.standing = (__u8)run->standing;
	note.reason = (__u8)run->reason;
	if (run->reset_after) {
		net_close_reset(app);
		close(app);
		app = -1;
		net_wait(kedge, 0, NET_PATIENCE_MS);
	}
	if (run->err) {
		errno = run->err;
		return -1;
	}
	len -= run->short_by;
	assert_int_equal(read(in, sink, len), len);
	kernel.spliced += len;
	if (kernel.for_real && send(kedge, sink, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		kernel.cut_short++;
	return (ssize_t)len;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (kernel.sndbuf && level == SOL_SOCKET && name == SO_SNDBUF) {
		*(int *)value = kernel.sndbuf;
		return 0;
	}
	return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	kernel.uncorks += level == IPPROTO_TCP && name == TCP_NODELAY && *(const int *)value;
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

static int up(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	memset(&flows, 0, sizeof(flows));
	memset(&note, 0, sizeof(note));
	memset(&stats, 0, sizeof(stats));
	net_pair(&kedge, &app, 0);
	kernel.uncorks = 0;
	kernel.run.runs = 1;
	flow = (struct kbpf_flow){.cookie = 7, .edits = true, .text_len = TEXT_LEN, .note = &note};
	edit = edit_bpf_new(kedge, NULL, &flow, &stats, NULL);
	return edit ? 0 : -1;
}

static int down(void **state)
{
	edit_free(edit);
	close(kedge);
	if (app >= 0)
		close(app);
	return 0;
}

/* As up(), with a send buffer of that size. */
static void up_again(int sndbuf)
{
	edit_free(edit);
	kernel.sndbuf = sndbuf;
	edit = edit_bpf_new(kedge, NULL, &flow, &stats, NULL);
	assert_non_null(edit);
}

static ssize_t send_text(const char *text)
{
	return edit_send(edit, text, strlen(text));
}

static void a_message_is_sent_unread_with_room_for_the_text(void **state)
{
	static const uint8_t zeros[TEXT_LEN];

	assert_string_equal(edit->ops->name, "kernel");
	assert_ptr_equal(edit->note, &note);
	assert_int_equal(send_text("GET / HT"), 8);
	assert_int_equal(kernel.sends, 1);
	assert_int_equal(kernel.len, 8 + TEXT_LEN);
	assert_memory_equal(kernel.bytes, "GET / HT", 8);
	assert_memory_equal(kernel.bytes + 8, zeros, TEXT_LEN);
	assert_int_equal(kernel.spare, TEXT_LEN);
	assert_int_equal(kernel.sending, 8 + TEXT_LEN);
	assert_int_equal(kernel.flags, MSG_DONTWAIT | MSG_NOSIGNAL);
	assert_int_equal(note.spare, 0);
	assert_int_equal(edit_flush(edit), 0);
}

/* Spare bytes are added only if a head may end in the message. */
static void spare_bytes_go_along_where_a_head_may_end(void **state)
{
	static const struct {
		enum kedge_standing standing;
		uint8_t spare;
	} rows[] = {{KEDGE_BETWEEN, TEXT_LEN},
		    {KEDGE_HEAD, TEXT_LEN},
		    {KEDGE_BODY, 0},
		    {KEDGE_TUNNEL, 0}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		note.standing = (__u8)rows[i].standing;
		kernel.run.standing = rows[i].standing;
		assert_int_equal(send_text("abc"), 3);
		assert_int_equal(kernel.spare, rows[i].spare);
		assert_int_equal(kernel.len, 3 + rows[i].spare);
		assert_int_equal(kernel.sending, kernel.len);
		assert_int_equal(kernel.pieces, rows[i].spare ? 2 : 1);
	}
	assert_int_equal(edit_send(edit, "", 0), 0);
	assert_int_equal(kernel.sends, COUNT(rows));
}

static void a_long_input_goes_in_pieces(void **state)
{
	static char big[5 * KEDGE_SEND_BYTES_MAX / 2];

	kernel.run.standing = KEDGE_BODY;
	assert_int_equal(edit_send(edit, big, sizeof(big)), sizeof(big));
	assert_int_equal(kernel.sends, 3);
	assert_int_equal(kernel.longest, KEDGE_SEND_BYTES_MAX);
}

/*
 * The send buffer that n bytes may need: the shortest requests, each of which grows by the text and
 * by what a Connection line can; and a socket buffer's overhead for each part.
 */
static size_t worst_of(size_t n, size_t text_len)
{
	size_t requests = n / KEDGE_REQUEST_BYTES_MIN + 1;

	return n + requests * (text_len + HTTP1_OPTIONS_MAX / 2) + (requests / 7 + 2) * 2300;
}

/* With a small send buffer, a message at its largest fits the third that poll() promises. */
static void a_small_buffer_makes_small_pieces(void **state)
{
	static char big[KEDGE_SEND_BYTES_MAX];
	const int least = 3 * 64 * 1024;

	up_again(least);
	kernel.run.standing = KEDGE_BODY;
	assert_int_equal(edit_send(edit, big, sizeof(big)), sizeof(big));
	assert_true(worst_of(kernel.longest, TEXT_LEN) <= (size_t)least / 3);
	assert_true(kernel.longest >= 512);
	kernel.sndbuf = least - 1;
	errno = 0;
	assert_null(edit_bpf_new(kedge, NULL, &flow, &stats, NULL));
	assert_int_equal(errno, ENOBUFS);
}

/* A longer text needs more room in the buffer, and more spare bytes. */
static void another_client_has_another_text(void **state)
{
	static char big[KEDGE_SEND_BYTES_MAX];
	const int least = 3 * 64 * 1024;
	struct http1_conf conf = {
		.text_len = 255, .xff_len = 255, .head_bytes_max = KEDGE_HEAD_BYTES_DEFAULT};
	unsigned longest;

	up_again(least);
	kernel.run.standing = KEDGE_BODY;
	assert_int_equal(edit_send(edit, big, sizeof(big)), sizeof(big));
	longest = (unsigned)kernel.longest;
	note.standing = kernel.run.standing = KEDGE_BETWEEN;
	edit_renew(edit, &conf);
	assert_int_equal(note.command, KEDGE_COMMAND_NEXT);
	note.command = KEDGE_COMMAND_HTTP; /* not read yet: the same boundary */
	edit_renew(edit, &conf);
	assert_int_equal(note.command, KEDGE_COMMAND_HTTP);
	kernel.longest = 0;
	assert_int_equal(send_text("GET"), 3);
	assert_int_equal(kernel.spare, 255);
	note.standing = kernel.run.standing = KEDGE_BODY;
	assert_int_equal(edit_send(edit, big, sizeof(big)), sizeof(big));
	assert_true(worst_of(kernel.longest, 255) <= (size_t)least / 3);
	assert_true(kernel.longest <= longest);
}

static void a_socket_that_is_not_tcp_is_refused(void **state)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_null(edit_bpf_new(fd[0], NULL, &flow, &stats, NULL));
	assert_int_equal(errno, EOPNOTSUPP);
	close(fd[0]);
	close(fd[1]);
	assert_null(edit_bpf_new(fd[0], NULL, &flow, &stats, NULL));
	assert_int_equal(errno, EBADF);
	assert_int_equal(flows.dels, 0); /* the flow is still the caller's */
}

static void there_is_room_if_a_socket_gets_the_whole_buffer(void **state)
{
	struct rlimit before, none = {0};

	kernel.sndbuf = 1 << 20;
	assert_true(edit_bpf_has_room());
	kernel.sndbuf = (1 << 20) - 1;
	assert_false(edit_bpf_has_room());
	kernel.sndbuf = 1;
	assert_false(edit_bpf_has_room());
	/* No socket, no room. */
	kernel.sndbuf = 1 << 20;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_false(edit_bpf_has_room());
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* The caller keeps the bytes behind an upgrade request until the answer has come. */
static void bytes_behind_an_upgrade_are_not_taken(void **state)
{
	kernel.run.standing = KEDGE_WAITING;
	kernel.run.withheld = 6;
	assert_int_equal(send_text("upgradebehind"), 13 - 6);
	assert_int_equal(send_text("behind"), 0);
	assert_int_equal(kernel.sends, 1);
	assert_int_equal(edit_resume(edit, true), 0);
	assert_int_equal(flows.resumes, 1);
	assert_true(flows.tunnel);
	flows.resume_answer = -EPERM;
	assert_int_equal(edit_resume(edit, false), -EPERM);
	assert_false(flows.tunnel);
}

static void a_refusal_is_final(void **state)
{
	kernel.run.standing = KEDGE_REFUSED;
	kernel.run.reason = KEDGE_REASON_http_host;
	kernel.run.err = EACCES;
	assert_int_equal(send_text("bad"), -EPROTO);
	assert_reason(note.reason, KEDGE_REASON_http_host);
	assert_int_equal(send_text("more"), -EPROTO);
	assert_int_equal(kernel.sends, 1);
}

/* Complete requests went out, so the send itself had no error. */
static void a_refusal_behind_complete_requests_is_one_too(void **state)
{
	kernel.run.standing = KEDGE_REFUSED;
	kernel.run.reason = KEDGE_REASON_http_host;
	kernel.run.requests = 2;
	assert_int_equal(send_text("a good request, another good one, bad"), -EPROTO);
	assert_int_equal(note.requests, 2);
}

static void a_program_that_fails_is_no_fault_of_the_client(void **state)
{
	kernel.run.standing = KEDGE_REFUSED;
	kernel.run.reason = KEDGE_REASON_edit_failed;
	kernel.run.err = EACCES;
	assert_int_equal(send_text("good"), -EIO);
	assert_reason(note.reason, KEDGE_REASON_edit_failed);
}

/* The application never gets the whole body if the fault is in it, not in a later request. */
static void a_body_with_a_fault_is_cut_off(void **state)
{
	static const struct {
		enum kedge_standing before;
		uint8_t runs;
		bool cut_off;
	} rows[] = {
		{KEDGE_BODY, 1, true},
		{KEDGE_BODY, 2, false}, /* one run up to the boundary, one for what follows */
		{KEDGE_BETWEEN, 1, false},
		{KEDGE_HEAD, 1, false},
	};

	kernel.run.standing = KEDGE_REFUSED;
	kernel.run.reason = KEDGE_REASON_http_chunk;
	for (size_t i = 0; i < COUNT(rows); i++) {
		note.standing = (__u8)rows[i].before;
		kernel.run.runs = rows[i].runs;
		assert_int_equal(send_text("bad"), -EPROTO);
		assert_int_equal(edit->cut_off, rows[i].cut_off);
	}
}

/* Bytes went out that no program saw: nothing may follow. */
static void a_program_that_was_taken_away_ends_the_flow(void **state)
{
	kernel.run.runs = 0;
	assert_int_equal(send_text("GET"), -EIO);
	assert_int_equal(note.standing, KEDGE_REFUSED);
	assert_reason(note.reason, KEDGE_REASON_capability_lost);
	assert_int_equal(send_text("GET"), -EPROTO);
	assert_int_equal(kernel.sends, 1);
	/* For a flow that is not edited, the program never runs the editor. */
	memset(&note, 0, sizeof(note));
	flow.edits = false;
	up_again(0);
	assert_int_equal(send_text("GET"), 3);
}

/* The program has read more than the socket took: the automaton is ahead of the wire. */
static void a_short_send_ends_the_flow(void **state)
{
	kernel.run.short_by = 1;
	assert_int_equal(send_text("GET"), -EIO);
	assert_int_equal(note.standing, KEDGE_REFUSED);
	assert_reason(note.reason, KEDGE_REASON_edit_short_send);
	/* The shortest send takes nothing at all. */
	memset(&note, 0, sizeof(note));
	kernel.run = (struct run){.runs = 1, .err = EAGAIN};
	assert_int_equal(send_text("GET"), -EIO);
	assert_reason(note.reason, KEDGE_REASON_edit_short_send);
}

static void other_errors_of_a_send(void **state)
{
	static const struct {
		int err;
		ssize_t answer;
		enum kedge_reason reason;
	} rows[] = {
		{EPIPE, -EPIPE, KEDGE_REASON_NONE},
		{ECONNRESET, -ECONNRESET, KEDGE_REASON_NONE},
		{EACCES, -EIO, KEDGE_REASON_internal_error},
		{ENOMEM, -EIO, KEDGE_REASON_internal_error},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		memset(&note, 0, sizeof(note));
		kernel.run.err = rows[i].err;
		assert_int_equal(send_text("GET"), rows[i].answer);
		assert_int_equal(note.reason, rows[i].reason);
	}
}

static void a_reset_that_cuts_a_send_short_is_a_reset(void **state)
{
	kernel.run.short_by = 2;
	kernel.run.reset_after = true;
	assert_int_equal(send_text("GET"), -ECONNRESET);
	assert_reason(note.reason, KEDGE_REASON_NONE);
}

/* A full socket before the program ran: nothing happened, and nothing is lost. */
static void a_full_socket_takes_nothing(void **state)
{
	static char big[KEDGE_SEND_BYTES_MAX + 1];

	kernel.run = (struct run){.err = EAGAIN};
	assert_int_equal(send_text("GET"), -EAGAIN);
	assert_int_equal(note.standing, KEDGE_BETWEEN);
	kernel.run = (struct run){.runs = 1};
	assert_int_equal(send_text("GET"), 3);
	/* Full behind the first piece: that one was taken. */
	kernel.run.sends = 3;
	assert_int_equal(edit_send(edit, big, sizeof(big)), KEDGE_SEND_BYTES_MAX);
	assert_int_equal(kernel.sends, 4);
	/* poll() is asked before the kernel is tried again. */
	while (send(kedge, big, sizeof(big), MSG_DONTWAIT) > 0 ||
	       net_wait(kedge, POLLOUT, NET_QUIET_MS))
		;
	assert_int_equal(send_text("GET"), -EAGAIN);
	assert_int_equal(kernel.sends, 4);
}

static size_t drain(void)
{
	static char sink[1 << 16];
	size_t all = 0;
	ssize_t n;

	while ((n = recv(app, sink, sizeof(sink), MSG_DONTWAIT)) > 0)
		all += (size_t)n;
	return all;
}

/*
 * The promise of edit_bpf.c: a send is made only if the kernel takes all of it. The shortest
 * requests grow most. The application reads only now and then.
 */
static void no_send_is_cut_short(void **state)
{
	static char in[KEDGE_SEND_BYTES_MAX];
	const uint32_t requests = sizeof(in) / KEDGE_REQUEST_BYTES_MIN;
	const size_t grown = sizeof(in) + requests * TEXT_LEN;
	size_t sent = 0, heard = 0;

	kernel.for_real = true;
	kernel.run.requests = requests;
	for (unsigned full = 0; full < 5;) {
		ssize_t r = edit_send(edit, in, sizeof(in));

		assert_int_equal(kernel.cut_short, 0);
		if (r > 0) {
			assert_int_equal(r, sizeof(in));
			sent += grown;
			continue;
		}
		assert_int_equal(r, -EAGAIN);
		full++;
		while (!net_wait(kedge, POLLOUT, 0)) {
			net_wait(app, POLLIN, NET_PATIENCE_MS);
			heard += drain();
		}
	}
	assert_true(sent > 5 * grown);
	while (heard < sent) {
		assert_true(net_wait(app, POLLIN, NET_PATIENCE_MS));
		heard += drain();
	}
	assert_int_equal(heard, sent);
}

/* What the text takes counts, too, so that poll() is asked in time. */
static void what_grows_is_charged(void **state)
{
	static char in[KEDGE_SEND_BYTES_MAX];

	kernel.run.requests = sizeof(in) / KEDGE_REQUEST_BYTES_MIN;
	assert_int_equal(edit_send(edit, in, sizeof(in)), sizeof(in));
	while (send(kedge, in, sizeof(in), MSG_DONTWAIT) > 0 ||
	       net_wait(kedge, POLLOUT, NET_QUIET_MS))
		;
	assert_int_equal(edit_send(edit, in, sizeof(in)), -EAGAIN);
	assert_int_equal(kernel.sends, 1);
}

/* A message in several elements would be several segments, so the next one is corked. */
static void scattered_messages_are_corked(void **state)
{
	kernel.run.scattered = true;
	assert_int_equal(send_text("a"), 1);
	assert_false(kernel.flags & MSG_MORE);
	assert_int_equal(kernel.uncorks, 0);
	assert_int_equal(send_text("b"), 1);
	assert_true(kernel.flags & MSG_MORE);
	assert_int_equal(kernel.uncorks, 1);
	kernel.run.scattered = false;
	assert_int_equal(send_text("c"), 1);
	assert_true(kernel.flags & MSG_MORE);
	assert_int_equal(kernel.uncorks, 2);
	assert_int_equal(send_text("d"), 1);
	assert_false(kernel.flags & MSG_MORE);
	assert_int_equal(kernel.uncorks, 2);
	/* A redirected message has no segments. */
	kernel.run.scattered = kernel.run.redirected = true;
	assert_int_equal(send_text("e"), 1);
	assert_int_equal(send_text("f"), 1);
	assert_false(kernel.flags & MSG_MORE);
}

static void the_flow_goes_with_the_editor(void **state)
{
	flow = (struct kbpf_flow){0}; /* it was copied */
	edit_free(edit);
	edit = NULL;
	assert_int_equal(flows.dels, 1);
	assert_int_equal(flows.deleted.cookie, 7);
	edit_free(NULL);
	assert_int_equal(flows.dels, 1);
}

static int tube[2];

/* In a body, with so much in a pipe. */
static void fill_tube(size_t n)
{
	static const char zeros[65536];

	if (!tube[0])
		assert_int_equal(pipe(tube), 0);
	kernel.run.standing = KEDGE_BODY;
	note.standing = KEDGE_BODY;
	assert_int_equal(write(tube[1], zeros, n), n);
}

static void empty_tube(void)
{
	close(tube[0]);
	close(tube[1]);
	tube[0] = 0;
}

static void a_body_from_a_pipe_goes_in_pieces(void **state)
{
	flows.rest = 1 << 20;
	assert_int_equal(edit_body_rest(edit), 0); /* not asked: no body */
	assert_int_equal(edit_splice(edit, -1, 1), -EIO);
	fill_tube(50000);
	assert_int_equal(edit_body_rest(edit), 1 << 20);
	assert_int_equal(edit_splice(edit, tube[0], 50000), 50000);
	assert_int_equal(kernel.sends, 4);
	assert_int_equal(kernel.spliced, 50000);
	assert_int_equal(kernel.sending, 50000 % KEDGE_SEND_BYTES_MAX);
	assert_int_equal(kernel.spare, 0);
	empty_tube();
}

static void a_body_goes_in_larger_pieces(void **state)
{
	static char big[2 * KEDGE_BODY_BYTES_MAX + 5];

	assert_int_equal(edit_body(edit, big, sizeof(big)), -EIO); /* no body */
	kernel.run.standing = KEDGE_BODY;
	note.standing = KEDGE_BODY;
	assert_int_equal(edit_body(edit, big, sizeof(big)), sizeof(big));
	assert_int_equal(kernel.sends, 3);
	assert_int_equal(kernel.longest, KEDGE_BODY_BYTES_MAX);
	assert_int_equal(kernel.sending, 5);
	assert_int_equal(kernel.spare, 0);
	kernel.sends = 0;
	kernel.run.sends = 1;
	assert_int_equal(edit_body(edit, big, sizeof(big)), KEDGE_BODY_BYTES_MAX);
	assert_int_equal(edit_body(edit, big, sizeof(big)), -EAGAIN);
}

/* Each piece has room, until there is none for a whole one. */
static void no_body_is_cut_short(void **state)
{
	static char big[KEDGE_BODY_BYTES_MAX];
	size_t sent = 0;
	ssize_t n;

	kernel.for_real = true;
	kernel.run.standing = KEDGE_BODY;
	note.standing = KEDGE_BODY;
	while ((n = edit_body(edit, big, sizeof(big))) == sizeof(big)) {
		sent += sizeof(big);
		assert_true(sent < 64 << 20);
	}
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(kernel.cut_short, 0);
}

static void splices_that_fail(void **state)
{
	static const struct {
		struct run run;
		ssize_t result;
		enum kedge_reason reason;
	} rows[] = {
		{{.runs = 0}, -EIO, KEDGE_REASON_capability_lost},
		{{.runs = 1, .short_by = 1}, -EIO, KEDGE_REASON_edit_short_send},
		{{.runs = 1, .err = EAGAIN}, -EIO, KEDGE_REASON_edit_short_send},
		{{.runs = 0, .err = EAGAIN}, -EAGAIN, KEDGE_REASON_NONE},
		{{.runs = 0, .err = EPIPE}, -EPIPE, KEDGE_REASON_NONE},
		{{.runs = 1, .err = ECONNRESET}, -ECONNRESET, KEDGE_REASON_NONE},
		{{.runs = 1, .err = EINVAL}, -EIO, KEDGE_REASON_internal_error},
		{{.runs = 1,
		  .standing = KEDGE_REFUSED,
		  .reason = KEDGE_REASON_edit_failed,
		  .err = EACCES},
		 -EIO,
		 KEDGE_REASON_edit_failed},
		{{.runs = 1, .short_by = 1, .reset_after = true}, -ECONNRESET, KEDGE_REASON_NONE},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		fill_tube(100);
		kernel.run = rows[i].run;
		if (!kernel.run.standing)
			kernel.run.standing = KEDGE_BODY;
		note.reason = 0;
		assert_int_equal(edit_splice(edit, tube[0], 100), rows[i].result);
		assert_int_equal(note.reason, rows[i].reason);
		empty_tube();
	}
}

/* Each splice has room at its worst, a page for each byte or not. */
static void no_splice_is_cut_short(void **state)
{
	size_t sent = 0;
	ssize_t n;

	kernel.for_real = true;
	do {
		fill_tube(KEDGE_SEND_BYTES_MAX);
		n = edit_splice(edit, tube[0], KEDGE_SEND_BYTES_MAX);
		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < 64 << 20);
	} while (n == KEDGE_SEND_BYTES_MAX);
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(kernel.cut_short, 0);
	empty_tube();
}

static void no_memory_for_an_editor(void **state)
{
	struct edit *e;

	no_heap = true;
	e = edit_bpf_new(kedge, NULL, &flow, &stats, NULL);
	no_heap = false;
	assert_null(e);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(flows.dels, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		T(a_message_is_sent_unread_with_room_for_the_text),
		T(spare_bytes_go_along_where_a_head_may_end),
		T(a_long_input_goes_in_pieces),
		T(a_small_buffer_makes_small_pieces),
		T(another_client_has_another_text),
		T(a_socket_that_is_not_tcp_is_refused),
		T(there_is_room_if_a_socket_gets_the_whole_buffer),
		T(bytes_behind_an_upgrade_are_not_taken),
		T(a_refusal_is_final),
		T(a_refusal_behind_complete_requests_is_one_too),
		T(a_program_that_fails_is_no_fault_of_the_client),
		T(a_body_with_a_fault_is_cut_off),
		T(a_program_that_was_taken_away_ends_the_flow),
		T(a_short_send_ends_the_flow),
		T(other_errors_of_a_send),
		T(a_reset_that_cuts_a_send_short_is_a_reset),
		T(a_full_socket_takes_nothing),
		T(no_send_is_cut_short),
		T(what_grows_is_charged),
		T(scattered_messages_are_corked),
		T(the_flow_goes_with_the_editor),
		T(a_body_from_a_pipe_goes_in_pieces),
		T(a_body_goes_in_larger_pieces),
		T(no_body_is_cut_short),
		T(splices_that_fail),
		T(no_splice_is_cut_short),
		T(no_memory_for_an_editor),
	};

	return cmocka_run_group_tests_name("edit_bpf", tests, NULL, NULL);
}
