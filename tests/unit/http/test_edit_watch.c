/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/http/edit_watch.c: it shows the requests that the inner editor passes on, for the whole
 * corpus and however it is cut. The inner editor is edit_user.c over a socket pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/edit_user.h"
#include "http/edit_watch.h"
#include "tests/lib/http1_corpus.h"
#include "tests/lib/no_heap.h"

static struct http1_case *cases;
static size_t cases_count;

/* What was shown. */
static struct {
	unsigned count;
	struct http1_bytes heads; /* one after the other */
	char last_line[512];
} shown;

static void show(void *arg, const char *head, size_t len)
{
	const char *lf = memchr(head, '\n', len);
	size_t line = lf ? (size_t)(lf - head) : len;

	(void)arg;
	shown.count++;
	http1_bytes_add(&shown.heads, head, len);
	if (line && head[line - 1] == '\r')
		line--;
	snprintf(shown.last_line, sizeof(shown.last_line), "%.*s", (int)line, head);
}

static void shown_forget(void)
{
	free(shown.heads.data);
	memset(&shown, 0, sizeof(shown));
}

static int load(void **state)
{
	cases = http1_corpus_load(http1_corpus_dir(), &cases_count);
	return cases_count > 100 ? 0 : -1;
}

static int unload(void **state)
{
	http1_corpus_free(cases, cases_count);
	return 0;
}

static struct kedge_stats stats;
static int pair[2];

static struct edit *edit_begin(const struct http1_conf *conf)
{
	struct edit *inner, *e;
	int size = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	inner = edit_user_new(pair[0], conf, &stats, NULL);
	e = edit_watch_new(inner, conf, show, NULL, NULL);
	assert_non_null(e);
	assert_ptr_equal(e->note, inner->note);
	shown_forget();
	return e;
}

static void edit_end(struct edit *e)
{
	edit_free(e);
	close(pair[0]);
	close(pair[1]);
}

/* Sends in pieces; the error, or 0. */
static int send_in_pieces(struct edit *e, const struct http1_bytes *in, size_t first, size_t then)
{
	size_t at = 0, piece = first;
	char sink[65536];

	while (at < in->len) {
		size_t n = piece < in->len - at ? piece : in->len - at;
		ssize_t r = edit_send(e, in->data + at, n);

		while (recv(pair[1], sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
		if (r < 0)
			return (int)r;
		if (e->note->standing == KEDGE_WAITING)
			return 0;
		at += (size_t)r;
		piece = then;
	}
	return 0;
}

static void run_case(const struct http1_case *c, size_t first, size_t then)
{
	struct edit *e = edit_begin(&c->conf);
	unsigned passed, more;
	int r = send_in_pieces(e, &c->input[0], first, then);

	if (r == 0 && c->inputs > 1) {
		assert_int_equal(edit_resume(e, c->tunnel), 0);
		r = send_in_pieces(e, &c->input[1], first, then);
	}
	/*
	 * A refused request is shown, too. If its head had gone on before the fault, it is one of
	 * those that passed. An incomplete head is shown at the end.
	 */
	passed = e->note->requests;
	more = shown.count - passed;
	if (more > (r == -EPROTO) || (r == 0 && passed != c->requests))
		fail_msg("%s, cut at %zu, then %zu: %u shown, %u passed, %u expected", c->name,
			 first, then, shown.count, passed, c->requests);
	more += r == 0 && e->note->standing == KEDGE_HEAD;
	edit_end(e);
	if (shown.count != passed + more)
		fail_msg("%s, cut at %zu, then %zu: %u shown in the end", c->name, first, then,
			 shown.count);
}

static void what_the_editor_passes_is_shown(void **state)
{
	(void)state;
	for (size_t i = 0; i < cases_count; i++) {
		run_case(&cases[i], SIZE_MAX, SIZE_MAX);
		run_case(&cases[i], 1, 1);
		run_case(&cases[i], 7, 7);
	}
	shown_forget();
}

static void the_same_is_shown_however_it_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < cases_count; i++)
		if (cases[i].input[0].len < 250)
			for (size_t cut = 1; cut < cases[i].input[0].len; cut++)
				run_case(&cases[i], cut, SIZE_MAX);
	shown_forget();
}

static void conf_set(struct http1_conf *conf)
{
	http1_case_conf(conf, HTTP1_XFF_APPEND, 0);
}

static void say(struct edit *e, const char *text)
{
	assert_int_equal(edit_send(e, text, strlen(text)), strlen(text));
}

#define HEAD_A "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD_B "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"

static void heads_are_shown_whole_and_bodies_not(void **state)
{
	struct http1_conf conf;
	struct edit *e;

	(void)state;
	conf_set(&conf);
	e = edit_begin(&conf);
	say(e, HEAD_A HEAD_B "body\r\n" HEAD_A "GET /c HT");
	say(e, "TP/1.1\r\nHost: a\r");
	say(e, "\n\r\n");
	assert_int_equal(shown.count, 4);
	assert_memory_equal(shown.heads.data,
			    HEAD_A HEAD_B HEAD_A "GET /c HTTP/1.1\r\nHost: a\r\n\r\n",
			    shown.heads.len);
	edit_end(e);
	assert_int_equal(shown.count, 4);
	shown_forget();
}

/* It goes, and the inner one stays, for another client who is watched or not. */
static void who_watches_may_leave(void **state)
{
	struct http1_conf conf;
	struct edit *e, *inner;
	int fd[2];

	(void)state;
	conf_set(&conf);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	inner = edit_user_new(fd[0], &conf, &stats, NULL);
	e = edit_watch_new(inner, &conf, show, NULL, NULL);
	say(e, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(shown.count, 1);
	assert_ptr_equal(edit_watch_leave(e), inner);
	assert_ptr_equal(edit_watch_leave(inner), inner);
	say(inner, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(shown.count, 1);
	edit_renew(inner, &conf);
	e = edit_watch_new(inner, &conf, show, NULL, NULL);
	say(e, "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(shown.count, 2);
	assert_int_equal(e->note->requests, 3);
	edit_free(e);
	shown_forget();
	close(fd[0]);
	close(fd[1]);
}

static void of_a_refused_head_the_first_line_is_shown(void **state)
{
	struct http1_conf conf;
	struct edit *e;

	(void)state;
	conf_set(&conf);
	e = edit_begin(&conf);
	assert_int_equal(edit_send(e, HEAD_A "GET /x HTTP/1.1\r\nHost : a\r\n\r\n", 57), -EPROTO);
	assert_int_equal(shown.count, 2);
	assert_string_equal(shown.last_line, "GET /x HTTP/1.1");
	assert_int_equal(edit_send(e, HEAD_A, strlen(HEAD_A)), -EPROTO);
	edit_end(e);
	assert_int_equal(shown.count, 2);
	/* Bytes that are no request at all, as far as they came. */
	e = edit_begin(&conf);
	assert_int_equal(edit_send(e, "\x16\x03\x01 hello", 9), -EPROTO);
	assert_string_equal(shown.last_line, "\x16\x03\x01 hello");
	edit_end(e);
	shown_forget();
}

static void a_head_that_never_ended_is_shown_at_the_end(void **state)
{
	struct http1_conf conf;
	struct edit *e;

	(void)state;
	conf_set(&conf);
	e = edit_begin(&conf);
	say(e, HEAD_A "GET /slow HTTP/1.1\r\nHo");
	assert_int_equal(shown.count, 1);
	edit_end(e);
	assert_int_equal(shown.count, 2);
	assert_string_equal(shown.last_line, "GET /slow HTTP/1.1");
	shown_forget();
}

static struct kedge_note fake_note;

/* Takes five bytes, and nothing every other time, like a full socket. */
static ssize_t fake_send(struct edit *e, const void *buf, size_t len)
{
	if (++fake_note.runs % 2)
		return -EAGAIN;
	return len < 5 ? (ssize_t)len : 5;
}

/* And counts the heads in them. */
static void show_counted(void *arg, const char *head, size_t len)
{
	fake_note.requests++;
	show(arg, head, len);
}

static void fake_free(struct edit *e)
{
}

static void only_what_was_taken_is_read(void **state)
{
	static const struct edit_ops ops = {.send = fake_send, .free = fake_free};
	static const char all[] = HEAD_B "body" HEAD_A;
	struct edit inner = {.ops = &ops, .note = &fake_note};
	struct http1_conf conf;
	struct edit *e;

	(void)state;
	conf_set(&conf);
	e = edit_watch_new(&inner, &conf, show_counted, NULL, NULL);
	assert_non_null(e);
	shown_forget();
	for (size_t at = 0; at < strlen(all);) {
		ssize_t r = edit_send(e, all + at, strlen(all) - at);

		assert_true(r == -EAGAIN || r > 0);
		at += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(shown.count, 2);
	assert_int_equal(shown.heads.len, strlen(HEAD_B HEAD_A));
	assert_memory_equal(shown.heads.data, HEAD_B HEAD_A, shown.heads.len);
	edit_free(e);
	assert_int_equal(shown.count, 2);
	shown_forget();
}

/* Without an inner editor, or without memory, there is none. The inner one stays the caller's. */
static void no_editor_without_memory(void **state)
{
	static const struct edit_ops ops = {.send = fake_send, .free = fake_free};
	struct edit inner = {.ops = &ops, .note = &fake_note}, *e;
	struct http1_conf conf;

	(void)state;
	conf_set(&conf);
	assert_null(edit_watch_new(NULL, &conf, show, NULL, NULL));
	no_heap = true;
	e = edit_watch_new(&inner, &conf, show, NULL, NULL);
	no_heap = false;
	assert_null(e);
	assert_ptr_equal(inner.ops, &ops);
}

/* Bytes pass even if their head cannot be kept. Then less of it is shown. */
static void without_memory_less_is_shown(void **state)
{
	struct http1_conf conf;
	struct edit *e;
	ssize_t r;

	(void)state;
	conf_set(&conf);
	e = edit_begin(&conf);
	no_heap = true;
	r = edit_send(e, "GET /a HTTP/1.1\r\nHo", 19);
	no_heap = false;
	assert_int_equal(r, 19);
	say(e, "st: a\r\n\r\n" HEAD_B "body");
	assert_int_equal(e->note->requests, 2);
	assert_int_equal(shown.count, 2);
	assert_memory_equal(shown.heads.data, "st: a\r\n\r\n" HEAD_B, shown.heads.len);
	/* A head whose end cannot be kept. */
	shown_forget();
	say(e, "GET /a HTTP/1.1\r\n");
	no_heap = true;
	r = edit_send(e, "Host: a-name-that-needs-more-room-than-there-is\r\n", 49);
	no_heap = false;
	assert_int_equal(r, 49);
	say(e, "\r\n");
	assert_int_equal(shown.count, 1);
	assert_string_equal(shown.last_line, "GET /a HTTP/1.1");
	edit_end(e);
	assert_int_equal(shown.count, 1);
	shown_forget();
}

/* What is asked of it, the inner editor is asked. */
static int asked_flush, asked_resume;

static int fake_flush(struct edit *e)
{
	asked_flush++;
	e->holds = true;
	return -EAGAIN;
}

static int fake_resume(struct edit *e, bool tunnel)
{
	asked_resume += tunnel ? 10 : 1;
	return -EPERM;
}

static ssize_t fake_fault(struct edit *e, const void *buf, size_t len)
{
	e->cut_off = true;
	e->holds = false;
	return -EPROTO;
}

static void the_inner_editor_answers(void **state)
{
	static const struct edit_ops ops = {
		.send = fake_fault, .flush = fake_flush, .resume = fake_resume, .free = fake_free};
	struct edit inner = {.ops = &ops, .note = &fake_note};
	struct http1_conf conf;
	struct edit *e;

	(void)state;
	conf_set(&conf);
	e = edit_watch_new(&inner, &conf, show, NULL, NULL);
	assert_non_null(e);
	assert_int_equal(edit_flush(e), -EAGAIN);
	assert_int_equal(asked_flush, 1);
	assert_true(e->holds);
	assert_int_equal(edit_resume(e, true), -EPERM);
	assert_int_equal(edit_resume(e, false), -EPERM);
	assert_int_equal(asked_resume, 11);
	assert_int_equal(edit_send(e, HEAD_A, strlen(HEAD_A)), -EPROTO);
	assert_true(e->cut_off && !e->holds);
	edit_free(e);
	shown_forget();
}

#define PUT_10 "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n"

/* Both automata go on behind it. */
static void a_body_from_a_pipe(void **state)
{
	static const char get[] = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
	struct http1_conf conf;
	struct edit *e;
	int tube[2];

	http1_case_conf(&conf, HTTP1_XFF_APPEND, 0);
	e = edit_begin(&conf);
	assert_int_equal(pipe(tube), 0);
	assert_int_equal(edit_send(e, PUT_10 "\r\n01", strlen(PUT_10) + 4), strlen(PUT_10) + 4);
	assert_int_equal(edit_body_rest(e), 8);
	assert_int_equal(edit_body(e, "23", 2), 2);
	assert_int_equal(edit_body_rest(e), 6);
	assert_int_equal(write(tube[1], "456789", 6), 6);
	assert_int_equal(edit_splice(e, tube[0], 7), -EIO);
	assert_int_equal(edit_splice(e, tube[0], 6), 6);
	assert_int_equal(edit_body_rest(e), 0);
	assert_int_equal(e->note->standing, KEDGE_BETWEEN);
	assert_int_equal(edit_send(e, get, strlen(get)), strlen(get));
	assert_int_equal(shown.count, 2);
	assert_string_equal(shown.last_line, "GET /next HTTP/1.1");
	close(tube[0]);
	close(tube[1]);
	edit_end(e);
	shown_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_editor_passes_is_shown),
		cmocka_unit_test(the_same_is_shown_however_it_is_cut),
		cmocka_unit_test(heads_are_shown_whole_and_bodies_not),
		cmocka_unit_test(who_watches_may_leave),
		cmocka_unit_test(of_a_refused_head_the_first_line_is_shown),
		cmocka_unit_test(a_head_that_never_ended_is_shown_at_the_end),
		cmocka_unit_test(only_what_was_taken_is_read),
		cmocka_unit_test(no_editor_without_memory),
		cmocka_unit_test(without_memory_less_is_shown),
		cmocka_unit_test(the_inner_editor_answers),
		cmocka_unit_test(a_body_from_a_pipe),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
