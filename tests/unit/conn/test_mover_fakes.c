/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mover.c against a client leg and an editor that fail where real ones seldom do. The application
 * is a socket pair; the events are the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn/mover.h"
#include "conn/mover_ask.h"

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* What the next call of each kind gives; calls are logged by their first letter. */
static struct {
	const char *in; /* for read; NULL: -EAGAIN, "": the end */
	ssize_t read, write, flush, close;
	ssize_t send, edit_flush, resume;
	size_t write_max;
	char log[64], out[256];
	size_t out_len;
} fake;

static struct kedge_note note;
static struct kedge_stats stats;
static uint8_t buf[256];
static struct metrics_row metrics;
static uint64_t now_us = 1;
static struct mover mover = {.buf = buf,
			     .buf_size = sizeof(buf),
			     .stats = &stats,
			     .metrics = &metrics,
			     .now_us = &now_us};
static struct flow f;
static int app;

static void note_call(char letter)
{
	size_t n = strlen(fake.log);

	assert_true(n + 1 < sizeof(fake.log));
	fake.log[n] = letter;
}

static ssize_t fake_read(struct record *r, void *p, size_t len)
{
	size_t n;

	note_call('r');
	if (fake.read)
		return fake.read;
	if (!fake.in)
		return -EAGAIN;
	n = strlen(fake.in);
	assert_true(n <= len);
	memcpy(p, fake.in, n);
	fake.in = NULL;
	return (ssize_t)n;
}

static ssize_t fake_write(struct record *r, const void *p, size_t len)
{
	note_call('w');
	if (fake.write)
		return fake.write;
	if (fake.write_max && len > fake.write_max)
		len = fake.write_max;
	assert_true(fake.out_len + len < sizeof(fake.out));
	memcpy(fake.out + fake.out_len, p, len);
	fake.out_len += len;
	return (ssize_t)len;
}

static int fake_flush(struct record *r)
{
	note_call('f');
	return (int)fake.flush;
}

static int fake_close(struct record *r)
{
	note_call('c');
	return (int)fake.close;
}

static ssize_t fake_send(struct edit *e, const void *p, size_t len)
{
	note_call('s');
	if (fake.send)
		return fake.send;
	note.requests++;
	return (ssize_t)len;
}

static int fake_edit_flush(struct edit *e)
{
	note_call('e');
	return (int)fake.edit_flush;
}

static int fake_resume(struct edit *e, bool tunnel)
{
	note_call(tunnel ? 'T' : 'H');
	note.standing = tunnel ? KEDGE_TUNNEL : KEDGE_BETWEEN;
	return (int)fake.resume;
}

static const struct record_ops record_ops = {
	.name = "fake",
	.read = fake_read,
	.write = fake_write,
	.flush = fake_flush,
	.close_write = fake_close,
};
static const struct edit_ops edit_ops = {
	.name = "fake",
	.send = fake_send,
	.flush = fake_edit_flush,
	.resume = fake_resume,
};
static struct record record;
static struct edit edit;

static int up(void **state)
{
	int fds[2];

	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&note, 0, sizeof(note));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		return -1;
	app = fds[1];
	record = (struct record){.ops = &record_ops};
	edit = (struct edit){.ops = &edit_ops, .note = &note, .stats = &stats, .fd = fds[0]};
	f = (struct flow){.record = &record, .edit = &edit, .app_fd = fds[0]};
	return 0;
}

static int down(void **state)
{
	(void)state;
	mover_forget(&f);
	close(f.app_fd);
	close(app);
	return 0;
}

/* A turn of the mover, and exactly the calls that it must make. */
static void turn(enum mover_verdict verdict, const char *calls)
{
	memset(fake.log, 0, sizeof(fake.log));
	assert_int_equal(mover_run(&mover, &f), verdict);
	assert_string_equal(fake.log, calls);
}

static void client_event(bool in, bool out)
{
	mover_client_event(&f, (in ? EPOLLIN : 0) | (out ? EPOLLOUT : 0));
}

/* The end is in the event when it is in the socket. */
static void app_event(bool in, bool out)
{
	struct pollfd p = {.fd = f.app_fd, .events = POLLRDHUP};

	poll(&p, 1, 0);
	mover_app_event(&f, (in ? EPOLLIN : 0) | (out ? EPOLLOUT : 0) |
				    (p.revents & POLLRDHUP ? EPOLLRDHUP : 0));
}

static void request(void)
{
	fake.in = "GET";
	client_event(true, false);
	turn(MOVER_WAIT, "rsr");
}

static void answer(void)
{
	assert_int_equal(write(app, ANSWER, strlen(ANSWER)), strlen(ANSWER));
	app_event(true, false);
}

/* I2: after a short read nothing is asked that is known, unless an end was told of. */
static void a_drained_leg_is_read_once(void **state)
{
	(void)state;
	record.drained = true;
	fake.in = "GET";
	client_event(true, false);
	turn(MOVER_WAIT, "rs");
	mover_client_event(&f, EPOLLRDHUP);
	turn(MOVER_WAIT, "r");
	answer();
	turn(MOVER_WAIT, "w");
	assert_false(f.app_in);
}

/* I2: one recv() gives bytes of one way, like a packet: of the others it says nothing. */
static void a_leg_of_both_ways_is_read_to_the_end(void **state)
{
	static __u8 mixed;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(dup2(fds[0], f.app_fd), f.app_fd);
	assert_int_equal(dup2(fds[1], app), app);
	close(fds[0]);
	close(fds[1]);
	f.app_mixed = &mixed;
	request();
	note.requests = 4;
	answer();
	answer();
	turn(MOVER_WAIT, "w");
	mixed = 1;
	answer();
	answer();
	turn(MOVER_WAIT, "www");
}

/* I2 */
static void a_leg_is_read_until_it_has_nothing_more(void **state)
{
	(void)state;
	turn(MOVER_WAIT, "");
	client_event(true, false);
	turn(MOVER_WAIT, "r");
	turn(MOVER_WAIT, "");
	request();
}

/* I1, I2 */
static void a_full_client_is_flushed_before_it_is_written(void **state)
{
	(void)state;
	request();
	answer();
	fake.write = -EAGAIN;
	turn(MOVER_WAIT, "w");
	assert_true(f.client_full);
	assert_int_equal(f.down.len, strlen(ANSWER));
	turn(MOVER_WAIT, ""); /* not tried again before there is room */
	fake.flush = -EAGAIN;
	client_event(false, true);
	turn(MOVER_WAIT, "f");
	fake.flush = fake.write = 0;
	fake.write_max = 30;
	client_event(false, true);
	turn(MOVER_WAIT, "fww");
	assert_null(f.down.data);
	assert_string_equal(fake.out, ANSWER);
}

static void what_a_partial_write_left_is_kept(void **state)
{
	(void)state;
	request();
	answer();
	fake.write_max = 10;
	turn(MOVER_WAIT, "wwww");
	assert_string_equal(fake.out, ANSWER);
}

/* I1, I2 */
static void a_full_application_is_flushed_before_it_is_sent_to(void **state)
{
	(void)state;
	fake.in = "GET";
	fake.send = -EAGAIN;
	client_event(true, false);
	turn(MOVER_WAIT, "rs");
	assert_true(f.app_full && f.client_in);
	assert_int_equal(f.up.len, 3);
	turn(MOVER_WAIT, ""); /* neither sent to nor read from */
	fake.edit_flush = -EAGAIN;
	app_event(false, true);
	turn(MOVER_WAIT, "e");
	fake.edit_flush = fake.send = 0;
	app_event(false, true);
	turn(MOVER_WAIT, "esr");
	assert_null(f.up.data);
}

static void the_end_waits_for_room(void **state)
{
	(void)state;
	request();
	answer();
	shutdown(app, SHUT_WR);
	app_event(true, false);
	fake.close = -EAGAIN;
	turn(MOVER_WAIT, "wc");
	turn(MOVER_WAIT, "");
	fake.close = 0;
	client_event(false, true);
	turn(MOVER_END, "fc");
}

static void the_clients_end_waits_for_room(void **state)
{
	char byte;

	(void)state;
	fake.in = "";
	fake.edit_flush = -EAGAIN;
	client_event(true, false);
	turn(MOVER_WAIT, "re");
	assert_int_equal(recv(app, &byte, 1, 0), -1);
	turn(MOVER_WAIT, "");
	fake.edit_flush = 0;
	app_event(false, true);
	turn(MOVER_WAIT, "ee");
	assert_int_equal(recv(app, &byte, 1, 0), 0);
	app_event(false, true);
	turn(MOVER_WAIT, "e"); /* ended once */
}

static void aborts_with(enum kedge_reason reason, const char *calls)
{
	turn(MOVER_ABORT, calls);
	assert_int_equal(f.reason, reason);
}

static void a_dead_client_leg_says_why(void **state)
{
	(void)state;
	fake.read = -EPROTO;
	record.reason = KEDGE_REASON_record_bad;
	client_event(true, false);
	aborts_with(KEDGE_REASON_record_bad, "r");
}

static void a_dead_client_leg_without_a_reason(void **state)
{
	(void)state;
	fake.read = -ECONNRESET;
	client_event(true, false);
	aborts_with(KEDGE_REASON_client_reset, "r");
}

static void a_client_leg_dies_in_write(void **state)
{
	(void)state;
	request();
	answer();
	fake.write = -EPIPE;
	aborts_with(KEDGE_REASON_client_reset, "w");
}

static void a_client_leg_dies_in_flush(void **state)
{
	(void)state;
	fake.flush = -ECONNRESET;
	client_event(false, true);
	aborts_with(KEDGE_REASON_client_reset, "f");
}

static void a_client_leg_dies_at_its_end(void **state)
{
	(void)state;
	close(app);
	app = dup(f.app_fd);
	fake.close = -EPROTO;
	record.reason = KEDGE_REASON_record_control;
	app_event(true, false);
	aborts_with(KEDGE_REASON_record_control, "c");
}

static void an_editor_that_fails_says_why(void **state)
{
	(void)state;
	fake.in = "GET";
	fake.send = -EIO;
	note.reason = KEDGE_REASON_edit_short_send;
	client_event(true, false);
	aborts_with(KEDGE_REASON_edit_short_send, "rs");
}

static void an_editor_that_fails_without_a_reason(void **state)
{
	(void)state;
	fake.in = "GET";
	fake.send = -EIO;
	client_event(true, false);
	aborts_with(KEDGE_REASON_internal_error, "rs");
}

static void an_editor_that_can_not_resume(void **state)
{
	(void)state;
	request();
	note.standing = KEDGE_WAITING;
	fake.resume = -EINVAL;
	answer();
	aborts_with(KEDGE_REASON_internal_error, "H");
}

/* Found dead by a flush: what it had answered before still goes to the client. */
static void a_dead_application_may_have_answered(void **state)
{
	(void)state;
	request();
	fake.edit_flush = -EPIPE;
	assert_int_equal(write(app, ANSWER, strlen(ANSWER)), strlen(ANSWER));
	app_event(false, true);
	turn(MOVER_WAIT, "ew");
	assert_string_equal(fake.out, ANSWER);
	assert_true(f.app_write_dead);
	client_event(true, false);
	turn(MOVER_WAIT, ""); /* nobody would take it */
	shutdown(app, SHUT_WR);
	app_event(true, false);
	turn(MOVER_END, "c");
}

static void a_refusal_in_a_kept_piece(void **state)
{
	(void)state;
	fake.in = "BAD";
	fake.send = -EAGAIN;
	client_event(true, false);
	turn(MOVER_WAIT, "rs");
	fake.send = -EPROTO;
	note.reason = KEDGE_REASON_http_host;
	app_event(false, true);
	turn(MOVER_REPLY, "es");
	assert_int_equal(f.reason, KEDGE_REASON_http_host);
	assert_null(f.up.data);
}

static void whether_the_client_is_awaited(void **state)
{
	(void)state;
	assert_true(mover_awaits_client(&f));
	f.app_full = true;
	assert_false(mover_awaits_client(&f));
	f.app_full = false;
	f.refused = true;
	assert_false(mover_awaits_client(&f));
	f.refused = false;
	f.client_eof = true;
	assert_false(mover_awaits_client(&f));
	f.client_eof = false;
	note.standing = KEDGE_WAITING;
	assert_false(mover_awaits_client(&f));
	note.standing = KEDGE_BETWEEN;
	note.requests = KEDGE_PIPELINE_MAX;
	assert_true(mover_awaits_client(&f));
	note.requests++;
	assert_false(mover_awaits_client(&f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_drained_leg_is_read_once),
		TEST(a_leg_of_both_ways_is_read_to_the_end),
		TEST(a_leg_is_read_until_it_has_nothing_more),
		TEST(a_full_client_is_flushed_before_it_is_written),
		TEST(what_a_partial_write_left_is_kept),
		TEST(a_full_application_is_flushed_before_it_is_sent_to),
		TEST(the_end_waits_for_room),
		TEST(the_clients_end_waits_for_room),
		TEST(a_dead_client_leg_says_why),
		TEST(a_dead_client_leg_without_a_reason),
		TEST(a_client_leg_dies_in_write),
		TEST(a_client_leg_dies_in_flush),
		TEST(a_client_leg_dies_at_its_end),
		TEST(an_editor_that_fails_says_why),
		TEST(an_editor_that_fails_without_a_reason),
		TEST(an_editor_that_can_not_resume),
		TEST(a_dead_application_may_have_answered),
		TEST(a_refusal_in_a_kept_piece),
		TEST(whether_the_client_is_awaited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
