/* SPDX-License-Identifier: BSD-2-Clause */
/* user/http/edit_user.c over a socket pair: the same bytes, however many the socket takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/edit_user.h"
#include "tests/lib/http1_corpus.h"
#include "tests/lib/no_heap.h"
#include "tests/lib/assert_reason.h"

#define OURS    "X-Forwarded-For: 198.51.100.22\r\n"
#define GET     "GET / HTTP/1.1\r\nHost: a\r\n"
#define UPGRADE "Connection: upgrade\r\nUpgrade: x\r\n"

/* kedge's end, the application's end, and the bytes that it has read. */
struct leg {
	int fd[2];
	struct edit *edit;
	struct kedge_stats stats;
	struct http1_bytes out;
};

static int setup(void **state)
{
	struct leg *l = calloc(1, sizeof(*l));
	struct http1_conf conf;

	assert_non_null(l);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, l->fd), 0);
	http1_case_conf(&conf, HTTP1_XFF_APPEND, 0);
	l->edit = edit_user_new(l->fd[0], &conf, &l->stats, NULL);
	assert_non_null(l->edit);
	memset(&conf, 0, sizeof(conf)); /* it was copied */
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct leg *l = *state;

	edit_free(l->edit);
	edit_free(NULL);
	close(l->fd[0]);
	close(l->fd[1]);
	free(l->out.data);
	free(l);
	return 0;
}

static ssize_t send_text(struct leg *l, const char *text)
{
	return edit_send(l->edit, text, strlen(text));
}

/* Reads what is there, at most n bytes. */
static void drain(struct leg *l, size_t n)
{
	char buf[65536];
	ssize_t r;

	while (n && (r = read(l->fd[1], buf, n < sizeof(buf) ? n : sizeof(buf))) > 0) {
		http1_bytes_add(&l->out, buf, (size_t)r);
		n -= (size_t)r;
	}
}

static void assert_out(struct leg *l, const char *want)
{
	drain(l, SIZE_MAX);
	assert_int_equal(l->out.len, strlen(want));
	assert_memory_equal(l->out.data, want, l->out.len);
}

/* A socket that takes little at a time. */
static void make_narrow(struct leg *l)
{
	int size = 1;

	assert_int_equal(setsockopt(l->fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

/* Writes past the editor until the socket is full. Returns how many bytes. */
static size_t fill(struct leg *l)
{
	char buf[4096];
	size_t n = 0;
	ssize_t r;

	memset(buf, '.', sizeof(buf));
	while ((r = write(l->fd[0], buf, sizeof(buf))) > 0)
		n += (size_t)r;
	assert_int_equal(errno, EAGAIN);
	while ((r = write(l->fd[0], buf, 1)) > 0)
		n++;
	return n;
}

static void one_request(void **state)
{
	struct leg *l = *state;

	assert_string_equal(l->edit->ops->name, "user");
	assert_int_equal(send_text(l, GET "\r"), strlen(GET "\r"));
	assert_int_equal(l->edit->note->standing, KEDGE_HEAD);
	assert_out(l, GET);
	assert_int_equal(send_text(l, "\n"), 1);
	assert_out(l, GET OURS "\r\n");
	assert_int_equal(l->edit->note->standing, KEDGE_BETWEEN);
	assert_int_equal(l->edit->note->requests, 1);
	assert_int_equal(l->stats.requests_user, 1);
	assert_int_equal(edit_flush(l->edit), 0);
	assert_int_equal(edit_send(l->edit, "", 0), 0);
}

/* All that was read is held: nothing to send yet. */
static void all_held(void **state)
{
	struct leg *l = *state;

	assert_int_equal(send_text(l, "\r"), 1);
	assert_int_equal(send_text(l, "\n" GET "\r\n"), strlen("\n" GET "\r\n"));
	assert_out(l, GET OURS "\r\n");
}

static void another_client(void **state)
{
	struct leg *l = *state;
	struct http1_conf conf;

	send_text(l, GET "Connection: close, x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
	http1_case_conf(&conf, HTTP1_XFF_REPLACE, 0);
	memcpy(conf.text + HTTP1_PREFIX_LEN, "203.0.113.199", strlen("203.0.113.199"));
	drain(l, SIZE_MAX);
	l->out.len = 0;
	edit_renew(l->edit, &conf);
	memset(&conf, 0, sizeof(conf)); /* it was copied */
	assert_int_equal(l->edit->note->requests, 1);
	send_text(l, GET "\r\n");
	assert_out(l, GET "X-Forwarded-For: 203.0.113.199\r\n\r\n");
	assert_int_equal(l->edit->note->requests, 2);
	assert_int_equal(l->edit->note->last, 1); /* of the first one */
}

static void head_bits(void **state)
{
	struct leg *l = *state;

	send_text(l,
		  GET "\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET "\r\nHEAD / HTTP/1.0\r\n\r\n");
	assert_int_equal(l->edit->note->requests, 4);
	assert_int_equal(l->edit->note->head_bits[0], 0xa);
}

/* Nothing is lost, doubled or sent in another order when the socket is full again and again. */
static void narrow_socket(void **state)
{
	struct leg *l = *state;
	static const char in[] = GET "X-Forwarded-For: 1\r\n\r\n"
				     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n"
				     "01234567890123456789";
	static const char want[] =
		GET "X-Forwarded-For: 1, 198.51.100.22\r\n\r\n"
		    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n" OURS "\r\n"
		    "01234567890123456789";
	const size_t one = sizeof(in) - 1, rounds = 2000;
	struct http1_bytes all = {0};
	size_t sent = 0;
	unsigned full = 0, short_sends = 0;

	make_narrow(l);
	for (size_t i = 0; i < rounds; i++)
		http1_bytes_add(&all, in, one);
	while (sent < all.len) {
		size_t n = all.len - sent < 16384 ? all.len - sent : 16384;
		ssize_t r = edit_send(l->edit, all.data + sent, n);

		if (r == -EAGAIN) {
			assert_int_equal(edit_flush(l->edit), -EAGAIN);
			drain(l, 1 + full++ * 7 % 5000);
			continue;
		}
		assert_true(r > 0);
		short_sends += (size_t)r < n;
		sent += (size_t)r;
	}
	while (edit_flush(l->edit) == -EAGAIN)
		drain(l, 999);
	drain(l, SIZE_MAX);
	assert_true(full > 10);
	assert_true(short_sends > 5);
	assert_int_equal(l->edit->note->requests, 2 * rounds);
	assert_int_equal(l->stats.requests_user, 2 * rounds);
	assert_int_equal(l->out.len, rounds * (sizeof(want) - 1));
	for (size_t i = 0; i < rounds; i++)
		assert_memory_equal(l->out.data + i * (sizeof(want) - 1), want, sizeof(want) - 1);
	free(all.data);
}

static void full_from_the_start(void **state)
{
	struct leg *l = *state;
	size_t n = fill(l);

	/* Taken and kept, since the automaton has read it. */
	assert_int_equal(send_text(l, GET "\r\n"), strlen(GET "\r\n"));
	assert_int_equal(send_text(l, GET "\r\n"), -EAGAIN);
	assert_int_equal(l->edit->note->requests, 1);
	assert_true(l->edit->holds);
	drain(l, n);
	assert_int_equal(edit_flush(l->edit), 0);
	assert_false(l->edit->holds);
	l->out.len = 0;
	assert_out(l, GET OURS "\r\n");
}

static void refused(void **state)
{
	struct leg *l = *state;

	assert_int_equal(send_text(l, GET "\r\n" GET "A : b\r\n\r\n"), -EPROTO);
	assert_int_equal(l->edit->note->standing, KEDGE_REFUSED);
	assert_reason(l->edit->note->reason, KEDGE_REASON_http_field_name);
	assert_int_equal(l->edit->note->requests, 1);
	assert_int_equal(l->stats.requests_user, 1);
	assert_int_equal(send_text(l, GET "\r\n"), -EPROTO);
	assert_out(l, GET OURS "\r\n");
}

/* Bytes before the fault go out first. Only then the mover sees the refusal. */
/* The fault is in a body only if no request has ended since, and none was begun. */
static void a_body_with_a_fault_is_cut_off(void **state)
{
	static const char post[] =
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n";
	struct leg *l = *state;

	assert_int_equal(send_text(l, post), strlen(post));
	assert_int_equal(send_text(l, "a\r\n0\r\n\r\n"), 8);
	assert_false(l->edit->cut_off);
	assert_int_equal(send_text(l, post), strlen(post));
	assert_int_equal(send_text(l, "ab"), -EPROTO);
	assert_true(l->edit->cut_off);
}

static void a_fault_behind_a_body_cuts_nothing_off(void **state)
{
	static const char post[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na";
	struct leg *l = *state;

	assert_int_equal(send_text(l, post), strlen(post));
	assert_int_equal(send_text(l, "b\n"), -EPROTO);
	assert_false(l->edit->cut_off);
}

static void refused_while_full(void **state)
{
	struct leg *l = *state;
	size_t n = fill(l);

	assert_int_equal(send_text(l, GET "\r\n" GET "A : b\r\n\r\n"), strlen(GET "\r\n"));
	assert_int_not_equal(l->edit->note->standing, KEDGE_REFUSED);
	assert_int_equal(send_text(l, GET "A : b\r\n\r\n"), -EAGAIN);
	drain(l, n);
	assert_int_equal(send_text(l, GET "A : b\r\n\r\n"), -EPROTO);
	assert_int_equal(l->edit->note->standing, KEDGE_REFUSED);
	assert_int_equal(l->edit->note->requests, 1);
	l->out.len = 0;
	assert_out(l, GET OURS "\r\n");
}

static void upgrade_to_tunnel(void **state)
{
	struct leg *l = *state;

	assert_int_equal(send_text(l, GET UPGRADE "\r\n\x81\x02hi"), strlen(GET UPGRADE "\r\n"));
	assert_int_equal(l->edit->note->standing, KEDGE_WAITING);
	assert_int_equal(send_text(l, "\x81\x02hi"), 0);
	assert_out(l, GET UPGRADE OURS "\r\n");
	assert_int_equal(edit_resume(l->edit, true), 0);
	assert_int_equal(l->edit->note->standing, KEDGE_TUNNEL);
	l->out.len = 0;
	assert_int_equal(send_text(l, "\x81\x02hi\r\n\r\n"), 8);
	assert_out(l, "\x81\x02hi\r\n\r\n");
}

static void upgrade_declined(void **state)
{
	struct leg *l = *state;

	send_text(l, GET UPGRADE "\r\n");
	assert_int_equal(edit_resume(l->edit, false), 0);
	assert_int_equal(l->edit->note->standing, KEDGE_BETWEEN);
	assert_int_equal(send_text(l, GET "\r\n"), strlen(GET "\r\n"));
	assert_out(l, GET UPGRADE OURS "\r\n" GET OURS "\r\n");
}

static void application_gone(void **state)
{
	struct leg *l = *state;

	close(l->fd[1]);
	l->fd[1] = -1;
	assert_int_equal(send_text(l, GET "\r\n"), -EPIPE); /* and no SIGPIPE */
}

static void application_gone_with_a_rest(void **state)
{
	struct leg *l = *state;

	fill(l);
	send_text(l, GET "\r\n");
	close(l->fd[1]);
	l->fd[1] = -1;
	assert_int_equal(edit_flush(l->edit), -EPIPE);
}

/* For the mover, other errors of the socket are like a reset. */
static void other_errors(void **state)
{
	struct leg *l = *state;
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, l->fd[0]), l->fd[0]);
	close(fd);
	assert_int_equal(send_text(l, GET "\r\n"), -ECONNRESET);
}

static void no_memory_for_an_editor(void **state)
{
	struct leg *l = *state;
	struct http1_conf conf;
	struct edit *e;

	http1_case_conf(&conf, HTTP1_XFF_APPEND, 0);
	no_heap = true;
	e = edit_user_new(l->fd[0], &conf, &l->stats, NULL);
	no_heap = false;
	assert_null(e);
}

/* The automaton has read bytes that cannot be kept: the flow must end. */
static void no_memory_for_the_rest(void **state)
{
	struct leg *l = *state;
	ssize_t r;

	fill(l);
	no_heap = true;
	r = send_text(l, GET "\r\n");
	no_heap = false;
	assert_int_equal(r, -EIO);
	assert_reason(l->edit->note->reason, KEDGE_REASON_no_memory);
}

#define PUT_10 "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n"

/* Of a body, and no byte more. The automaton goes on behind it. */
static void a_body_from_a_pipe(void **state)
{
	struct leg *l = *state;
	int tube[2];

	assert_int_equal(pipe2(tube, O_NONBLOCK), 0);
	assert_int_equal(edit_body_rest(l->edit), 0);
	assert_int_equal(edit_splice(l->edit, tube[0], 1), -EIO);
	assert_int_equal(send_text(l, PUT_10 "\r\n01"), strlen(PUT_10) + 4);
	assert_int_equal(edit_body_rest(l->edit), 8);
	assert_int_equal(write(tube[1], "23456789GET", 11), 11);
	assert_int_equal(edit_splice(l->edit, tube[0], 9), -EIO);
	assert_int_equal(edit_splice(l->edit, tube[0], 5), 5);
	assert_int_equal(l->edit->note->standing, KEDGE_BODY);
	assert_int_equal(edit_body_rest(l->edit), 3);
	assert_int_equal(edit_splice(l->edit, tube[0], 3), 3);
	assert_int_equal(l->edit->note->standing, KEDGE_BETWEEN);
	assert_int_equal(edit_splice(l->edit, tube[0], 3), -EIO);
	assert_int_equal(send_text(l, GET "\r\n"), strlen(GET) + 2);
	assert_out(l, PUT_10 OURS "\r\n0123456789" GET OURS "\r\n");
	close(tube[0]);
	close(tube[1]);
}

/* What is kept goes first. */
static void a_pipe_waits_for_the_rest(void **state)
{
	struct leg *l = *state;
	char big[65536];
	int tube[2];
	ssize_t taken;

	assert_int_equal(pipe2(tube, O_NONBLOCK), 0);
	memset(big, 'x', sizeof(big));
	assert_true(send_text(l, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n") >
		    0);
	do
		taken = edit_send(l->edit, big, sizeof(big));
	while (taken == sizeof(big) && !l->edit->holds);
	assert_int_equal(write(tube[1], "last", 4), 4);
	assert_int_equal(edit_splice(l->edit, tube[0], 4), -EAGAIN);
	for (int i = 0; i < 100 && l->edit->holds; i++) {
		drain(l, SIZE_MAX);
		edit_flush(l->edit);
	}
	assert_int_equal(edit_splice(l->edit, tube[0], 4), 4);
	drain(l, SIZE_MAX);
	assert_memory_equal(l->out.data + l->out.len - 5, "xlast", 5);
	close(tube[0]);
	close(tube[1]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_request),
		T(all_held),
		T(another_client),
		T(head_bits),
		T(narrow_socket),
		T(full_from_the_start),
		T(refused),
		T(a_body_with_a_fault_is_cut_off),
		T(a_fault_behind_a_body_cuts_nothing_off),
		T(refused_while_full),
		T(upgrade_to_tunnel),
		T(upgrade_declined),
		T(application_gone),
		T(application_gone_with_a_rest),
		T(other_errors),
		T(no_memory_for_an_editor),
		T(no_memory_for_the_rest),
		T(a_body_from_a_pipe),
		T(a_pipe_waits_for_the_rest),
	};

	return cmocka_run_group_tests_name("edit_user", tests, NULL, NULL);
}
