/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies that go by pipes, over real TCP: every byte right, none beyond the body, all ends. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn/mover_step.h"
#include "tests/lib/net.h"
#include "tests/unit/conn/mover_rig.h"
#include "tests/lib/assert_reason.h"

#define LEN  "1048576"
#define SIZE 1048576u

#define PUT      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " LEN "\r\n"
#define PUT_SEEN PUT RIG_XFF "\r\n"
#define OK_LONG  OK "Content-Length: " LEN "\r\n\r\n"

static uint8_t bytes[SIZE + 256], got[SIZE + 256];

static int up_of(size_t buf, int socket_bufs)
{
	signal(SIGPIPE, SIG_IGN);
	rig_up(&r, buf, socket_bufs);
	r.m.pipes.max = 4;
	r.f.splices = true;
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	return 0;
}

static int up_splices(void **state)
{
	(void)state;
	return up_of(65536, 0);
}

static int up_narrow(void **state)
{
	(void)state;
	return up_of(65536, 8192);
}

static int down_splices(void **state)
{
	(void)state;
	mover_forget(&r.f);
	pipes_fini(&r.m.pipes);
	assert_int_equal(r.m.pipes.open, 0);
	rig_down(&r);
	return 0;
}

/* Sends n bytes from one far end, and expects the first `want` of them at the other. */
static void carry(int from, int to, size_t n, size_t want)
{
	size_t sent = 0, came = 0;
	uint64_t until = net_now_ms() + NET_PATIENCE_MS;

	memset(got, 0, sizeof(got));
	while ((sent < n || came < want) && net_now_ms() < until) {
		ssize_t s = sent < n ? send(from, bytes + sent, n - sent, MSG_NOSIGNAL) : 0;
		ssize_t g = recv(to, got + came, sizeof(got) - came, 0);

		sent += s > 0 ? (size_t)s : 0;
		came += g > 0 ? (size_t)g : 0;
		if (!rig_turn(&r, 0) && s <= 0 && g <= 0)
			net_wait(to, POLLIN, 1);
	}
	assert_int_equal(sent, n);
	assert_int_equal(came, want);
	assert_memory_equal(got, bytes, want);
}

static void begin_up(void)
{
	rig_say(&r, r.client, PUT "\r\n");
	rig_hear(&r, r.app, PUT_SEEN);
}

static void begin_down(void)
{
	rig_say(&r, r.client, GET);
	rig_hear(&r, r.app, SEEN);
	rig_say(&r, r.app, OK_LONG);
	rig_hear(&r, r.client, OK_LONG);
}

static void an_upload(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		begin_up();
		carry(r.client, r.app, SIZE, SIZE);
		assert_int_equal(r.stats.splice_up_bytes, (i + 1) * (uint64_t)SIZE);
		assert_int_equal(r.f.up_rest, 0);
		rig_say(&r, r.app, OK_HI);
		rig_hear(&r, r.client, OK_HI);
		assert_true(mover_idle(&r.f));
	}
	assert_int_equal(r.stats.bytes_up, 3 * (uint64_t)(SIZE + strlen(PUT "\r\n")));
	assert_int_equal(r.stats.splice_no_pipe, 0);
	assert_int_equal(r.m.pipes.open, 1);
}

static void a_download(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		begin_down();
		carry(r.app, r.client, SIZE, SIZE);
		assert_int_equal(r.stats.splice_down_bytes, (i + 1) * (uint64_t)SIZE);
		assert_true(mover_idle(&r.f));
	}
	assert_int_equal(r.stats.bytes_down, 3 * (uint64_t)(SIZE + strlen(OK_LONG)));
	assert_int_equal(r.stats.responses, 3);
	assert_int_equal(histogram_count(&r.metrics.request), 3);
	assert_int_equal(r.m.pipes.open, 1);
}

/* Not one byte of the next request is spliced: it gets its line. */
static void a_request_right_behind_a_body(void **state)
{
	(void)state;
	begin_up();
	memcpy(bytes + SIZE, GET, strlen(GET));
	rig_send(&r, r.client, bytes, SIZE / 2);
	rig_recv(&r, r.app, got, SIZE / 2);
	/* The last byte of the body and the request come in one segment. */
	rig_send(&r, r.client, bytes + SIZE / 2, SIZE / 2 - 1);
	rig_recv(&r, r.app, got, SIZE / 2 - 1);
	rig_send(&r, r.client, bytes + SIZE - 1, 1 + strlen(GET));
	rig_recv(&r, r.app, got, 1);
	assert_int_equal(got[0], bytes[SIZE - 1]);
	rig_hear(&r, r.app, SEEN);
	assert_int_equal(r.stats.splice_up_bytes, SIZE);
	assert_int_equal(r.stats.requests_user, 2);
}

/* An answer that is longer than it says. */
static void bytes_behind_an_answer(void **state)
{
	(void)state;
	begin_down();
	memcpy(bytes + SIZE, OK_HI, strlen(OK_HI));
	carry(r.app, r.client, SIZE + strlen(OK_HI), SIZE);
	assert_int_equal(rig_end(&r), MOVER_END);
	assert_reason(r.f.reason, KEDGE_REASON_app_unasked);
	assert_int_equal(r.stats.splice_down_bytes, SIZE);
	rig_hear_end(&r, r.client);
}

/* Two answers in a row: the second begins where the first ends. */
static void an_answer_right_behind_another(void **state)
{
	(void)state;
	rig_say(&r, r.client, GET GET);
	rig_hear(&r, r.app, SEEN SEEN);
	rig_say(&r, r.app, OK_LONG);
	rig_hear(&r, r.client, OK_LONG);
	memcpy(bytes + SIZE, OK_HI, strlen(OK_HI));
	carry(r.app, r.client, SIZE + strlen(OK_HI), SIZE + strlen(OK_HI));
	assert_int_equal(r.stats.splice_down_bytes, SIZE);
	assert_true(mover_idle(&r.f));
}

static void a_small_body_is_copied(void **state)
{
	static const char put[] = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 65535\r\n";

	(void)state;
	rig_say(&r, r.client, put);
	rig_say(&r, r.client, "\r\n");
	rig_hear(&r, r.app, put);
	rig_hear(&r, r.app, RIG_XFF "\r\n");
	carry(r.client, r.app, MOVER_SPLICE_LEAST - 1, MOVER_SPLICE_LEAST - 1);
	rig_say(&r, r.app, OK "Content-Length: 65535\r\n\r\n");
	rig_hear(&r, r.client, OK "Content-Length: 65535\r\n\r\n");
	carry(r.app, r.client, MOVER_SPLICE_LEAST - 1, MOVER_SPLICE_LEAST - 1);
	assert_int_equal(r.stats.splice_up_bytes + r.stats.splice_down_bytes, 0);
	assert_true(mover_idle(&r.f));
}

static void chunks_are_copied(void **state)
{
	static const char put[] = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
	static const char ok[] = OK "Transfer-Encoding: chunked\r\n\r\n100000\r\n";

	(void)state;
	rig_say(&r, r.client, put);
	rig_say(&r, r.client, "\r\n100000\r\n");
	rig_hear(&r, r.app, put);
	rig_hear(&r, r.app, RIG_XFF "\r\n100000\r\n");
	carry(r.client, r.app, SIZE, SIZE);
	rig_say(&r, r.client, "\r\n0\r\n\r\n");
	rig_hear(&r, r.app, "\r\n0\r\n\r\n");
	rig_say(&r, r.app, ok);
	rig_hear(&r, r.client, ok);
	carry(r.app, r.client, SIZE, SIZE);
	rig_say(&r, r.app, "\r\n0\r\n\r\n");
	rig_hear(&r, r.client, "\r\n0\r\n\r\n");
	assert_int_equal(r.stats.splice_up_bytes + r.stats.splice_down_bytes, 0);
	assert_true(mover_idle(&r.f));
}

static void not_where_it_is_off(void **state)
{
	(void)state;
	r.f.splices = false;
	begin_up();
	carry(r.client, r.app, SIZE, SIZE);
	rig_say(&r, r.app, OK_LONG);
	rig_hear(&r, r.client, OK_LONG);
	carry(r.app, r.client, SIZE, SIZE);
	assert_int_equal(r.stats.splice_up_bytes + r.stats.splice_down_bytes, 0);
	assert_int_equal(r.m.pipes.open, 0);
}

/* The body goes on by copies, and by splices again. */
static void without_a_pipe_bytes_are_copied(void **state)
{
	struct pipe *mine;

	(void)state;
	r.m.pipes.max = 1;
	mine = pipes_take(&r.m.pipes);
	begin_up();
	rig_send(&r, r.client, bytes, 100000);
	rig_recv(&r, r.app, got, 100000);
	assert_memory_equal(got, bytes, 100000);
	assert_true(r.stats.splice_no_pipe > 0);
	assert_int_equal(r.stats.splice_up_bytes, 0);
	assert_int_equal(r.f.up_rest, SIZE - 100000);
	pipe_give(mine);
	rig_send(&r, r.client, bytes + 100000, SIZE - 100000);
	rig_recv(&r, r.app, got, SIZE - 100000);
	assert_memory_equal(got, bytes + 100000, SIZE - 100000);
	assert_int_equal(r.stats.splice_up_bytes, SIZE - 100000);
	mine = pipes_take(&r.m.pipes);
	rig_say(&r, r.app, OK_LONG);
	rig_hear(&r, r.client, OK_LONG);
	carry(r.app, r.client, SIZE, SIZE);
	assert_int_equal(r.stats.splice_down_bytes, 0);
	assert_true(mover_idle(&r.f));
	pipe_give(mine);
}

/* splice(2) would wait at the mark for ever. */
static void behind_urgent_data_bytes_are_copied(void **state)
{
	(void)state;
	begin_up();
	rig_send(&r, r.client, bytes, 1000);
	rig_recv(&r, r.app, got, 1000);
	assert_int_equal(r.stats.splice_up_bytes, 1000);
	assert_int_equal(send(r.client, "!", 1, MSG_OOB), 1);
	mover_client_event(&r.f, EPOLLPRI | EPOLLIN);
	rig_send(&r, r.client, bytes + 1000, SIZE - 1000);
	rig_recv(&r, r.app, got, SIZE - 1000);
	assert_memory_equal(got, bytes + 1000, SIZE - 1000);
	assert_int_equal(r.stats.splice_up_bytes, 1000);
}

/* --- back-pressure, I1 ------------------------------------------------------------------------ */

/* Sends from a far end what goes without anybody reading; how much that was. */
static size_t stuff(int far)
{
	size_t at = 0;

	for (int quiet = 0; quiet < 3 && at < SIZE;) {
		ssize_t n = send(far, bytes + at, SIZE - at, MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
		quiet = n > 0 || rig_turn(&r, NET_QUIET_MS) ? 0 : quiet + 1;
	}
	return at;
}

static void finish(int from, int to, size_t at)
{
	size_t came = 0;

	while (came < SIZE) {
		ssize_t s = at < SIZE ? send(from, bytes + at, SIZE - at, MSG_NOSIGNAL) : 0;
		ssize_t g = recv(to, got + came, came + 4096 < SIZE ? 4096 : SIZE - came, 0);

		at += s > 0 ? (size_t)s : 0;
		came += g > 0 ? (size_t)g : 0;
		if (!rig_turn(&r, 0) && s <= 0 && g <= 0)
			net_wait(to, POLLIN, 1);
	}
	assert_memory_equal(got, bytes, SIZE);
}

static void an_application_that_stalls(void **state)
{
	size_t sent;

	(void)state;
	begin_up();
	sent = stuff(r.client);
	assert_true(sent < SIZE);
	assert_non_null(r.f.up.pipe);
	assert_null(r.f.up.data);
	assert_true(r.f.leg->full);
	assert_int_equal(r.verdict, MOVER_WAIT);
	assert_false(mover_idle(&r.f) || mover_awaits_client(&r.f));
	finish(r.client, r.app, sent);
	assert_null(r.f.up.pipe);
	assert_int_equal(r.stats.splice_up_bytes, SIZE);
}

static void a_client_that_stalls(void **state)
{
	size_t sent;

	(void)state;
	begin_down();
	sent = stuff(r.app);
	assert_true(sent < SIZE);
	assert_non_null(r.f.down.pipe);
	assert_null(r.f.down.data);
	assert_true(r.f.client_full);
	assert_int_equal(r.verdict, MOVER_WAIT);
	assert_int_equal(mover_may_say(&r.f), MOVER_SAY_RESET);
	assert_false(mover_served(&r.f) || mover_awaits_answer(&r.f));
	finish(r.app, r.client, sent);
	assert_null(r.f.down.pipe);
	assert_true(mover_idle(&r.f));
}

/* --- ends ------------------------------------------------------------------------------------- */

static void the_client_ends_in_the_body(void **state)
{
	(void)state;
	begin_up();
	rig_send(&r, r.client, bytes, SIZE / 2);
	rig_recv(&r, r.app, got, SIZE / 2);
	assert_false(mover_body_unasked(&r.f)); /* it has begun */
	shutdown(r.client, SHUT_WR);
	assert_int_equal(rig_end(&r), MOVER_ABORT);
	assert_reason(r.f.reason, KEDGE_REASON_client_truncated);
}

static void the_client_resets_in_the_body(void **state)
{
	(void)state;
	begin_up();
	rig_send(&r, r.client, bytes, SIZE / 2);
	rig_recv(&r, r.app, got, SIZE / 2);
	net_close_reset(r.client);
	rig_close(&r, &r.client);
	assert_int_equal(rig_end(&r), MOVER_ABORT);
	assert_reason(r.f.reason, KEDGE_REASON_client_reset);
}

/* A record layer that refuses what it has already put into the pipe. */
static ssize_t refusing_splice(struct record *record, int pipe_fd, size_t len)
{
	(void)len;
	record->reason = KEDGE_REASON_record_flood;
	assert_int_equal(write(pipe_fd, "secret", 6), 6);
	return -EPROTO;
}

/* The next flow would get these bytes. */
static void a_pipe_that_failed_is_not_used_again(void **state)
{
	const struct record_ops *before = r.f.record->ops;
	struct record_ops ops = *before;

	(void)state;
	begin_up();
	ops.splice_in = refusing_splice;
	r.f.record->ops = &ops;
	rig_send(&r, r.client, bytes, 1000);
	assert_int_equal(rig_end(&r), MOVER_ABORT);
	assert_reason(r.f.reason, KEDGE_REASON_record_flood);
	assert_int_equal(r.m.pipes.open, 0);
	r.f.record->ops = before;
}

/* With bytes in a pipe, which nobody gets. */
static void the_client_resets_while_it_stalls(void **state)
{
	(void)state;
	begin_down();
	stuff(r.app);
	assert_non_null(r.f.down.pipe);
	net_close_reset(r.client);
	rig_close(&r, &r.client);
	assert_int_equal(rig_end(&r), MOVER_ABORT);
	assert_reason(r.f.reason, KEDGE_REASON_client_reset);
	mover_forget(&r.f);
	assert_int_equal(r.m.pipes.open, 0);
}

/* What is in the pipe is dropped with the rest of the body. The client is told. */
static void the_application_resets_while_it_stalls(void **state)
{
	(void)state;
	begin_up();
	stuff(r.client);
	assert_non_null(r.f.up.pipe);
	net_close_reset(r.app);
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_REPLY);
	assert_reason(r.f.reason, KEDGE_REASON_app_gone);
	assert_null(r.f.up.pipe);
	assert_int_equal(r.m.pipes.open, 0);
}

/* It answers before it has the body, and takes no more of it. */
static void the_application_answers_early_and_closes(void **state)
{
	(void)state;
	begin_up();
	rig_send(&r, r.client, bytes, SIZE / 2);
	rig_recv(&r, r.app, got, SIZE / 2);
	rig_say(&r, r.app, OK_HI);
	rig_close(&r, &r.app);
	rig_hear(&r, r.client, OK_HI);
	assert_int_equal(rig_end(&r), MOVER_END);
}

static void the_application_ends_in_its_answer(void **state)
{
	(void)state;
	begin_down();
	carry(r.app, r.client, SIZE / 2, SIZE / 2);
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_END);
	assert_reason(r.f.reason, KEDGE_REASON_app_reset);
	rig_hear_end(&r, r.client);
}

static void the_application_resets_in_its_answer(void **state)
{
	(void)state;
	begin_down();
	carry(r.app, r.client, SIZE / 2, SIZE / 2);
	net_close_reset(r.app);
	rig_close(&r, &r.app);
	assert_int_equal(rig_end(&r), MOVER_ABORT);
	assert_reason(r.f.reason, KEDGE_REASON_app_reset);
}

int main(void)
{
#define TEST(f)   cmocka_unit_test_setup_teardown(f, up_splices, down_splices)
#define NARROW(f) cmocka_unit_test_setup_teardown(f, up_narrow, down_splices)
	const struct CMUnitTest tests[] = {
		TEST(an_upload),
		TEST(a_download),
		TEST(a_request_right_behind_a_body),
		TEST(bytes_behind_an_answer),
		TEST(an_answer_right_behind_another),
		TEST(a_small_body_is_copied),
		TEST(chunks_are_copied),
		TEST(not_where_it_is_off),
		TEST(without_a_pipe_bytes_are_copied),
		TEST(behind_urgent_data_bytes_are_copied),
		NARROW(an_upload),
		NARROW(a_download),
		NARROW(an_application_that_stalls),
		NARROW(a_client_that_stalls),
		TEST(the_client_ends_in_the_body),
		TEST(the_client_resets_in_the_body),
		TEST(a_pipe_that_failed_is_not_used_again),
		NARROW(the_client_resets_while_it_stalls),
		NARROW(the_application_resets_while_it_stalls),
		TEST(the_application_answers_early_and_closes),
		TEST(the_application_ends_in_its_answer),
		TEST(the_application_resets_in_its_answer),
	};

	return cmocka_run_group_tests_name("mover, spliced", tests, NULL, NULL);
}
