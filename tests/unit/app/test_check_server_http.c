/* SPDX-License-Identifier: BSD-2-Clause */
/* check_server.c: which answers by HTTP are good, and which are not. */
#include "check_rig.h"

/* --- what is good -------------------------------------------------------------------------- */

static void the_first_good_one_is_enough(void **state)
{
	(void)state;
	text_now = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	far.script = answer_and_close;
	begin_checks();
	run_until(is_good);
	assert_int_equal(far.accepted, 1);
	assert_string_equal(heard, "info: application web: server app:1 is up: a check was good\n");
	assert_string_equal(
		request, "GET /healthz HTTP/1.1\r\nHost: app:1\r\nUser-Agent: kedge/" KEDGE_VERSION
			 " check\r\nConnection: close\r\n\r\n");
	/* It goes on, and says nothing more. */
	checks_more(3);
	assert_int_equal(heard_lines, 1);
	assert_true(is_good());
}

#define INTERIM "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

static void answers_of_many_kinds_are_good(void **state)
{
	static char huge[12000] = "HTTP/1.1 200 OK\r\nX: ";
	static const char *const all[] = {
		"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 399 x\r\n\r\n", "HTTP/1.1 204\r\n\r\n",
		INTERIM INTERIM "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", huge};

	(void)state;
	memset(huge + strlen(huge), 'x', sizeof(huge) - strlen(huge) - 1);
	far.script = answer_and_close;
	begin_checks();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		text_now = all[i];
		server->health = SERVER_UNCHECKED;
		checks_more(1);
		if (!is_good())
			fail_msg("answer %zu: %s", i, heard);
	}
}

static void so_does_one_by_http(void **state)
{
	(void)state;
	app.send_proxy = SEND_PROXY_V1;
	text_now = "HTTP/1.1 200 OK\r\n\r\n";
	far.script = answer_and_close;
	begin_checks();
	run_until(is_good);
	assert_int_equal(strncmp(request, "PROXY UNKNOWN\r\nGET /healthz ", 28), 0);
}

static void answer_and_keep(int fd)
{
	keep(fd);
	say(fd, text_now);
}

/* The server does not close; the next check begins all the same. */
static void a_connection_that_stays_open_is_cut_when_the_next_is_due(void **state)
{
	(void)state;
	app.check_every_ms = 500;
	text_now = "HTTP/1.1 200 OK\r\n\r\nmore";
	far.script = answer_and_keep;
	begin_checks();
	checks_more(1);
	assert_true(is_good());
	checks_more(3);
	assert_true(is_good());
	assert_true(clock_ms - checked->began_ms <= 500 + 2 * LOOP_TICK_MS);
}

static void answer_and_forget(int fd)
{
	say(fd, text_now);
	close(fd); /* a reset, if the request was there */
}

/* A server may answer before it has read the request (RFC 9112, section 9.3): its status counts. */
static void an_answer_before_the_request_counts(void **state)
{
	static const struct {
		const char *text;
		enum server_health health;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\n", SERVER_GOOD},
		{"HTTP/1.1 503 No\r\n\r\n", SERVER_BAD},
		{"220 smtp.example ESMTP\r\n", SERVER_BAD},
	};
	script_fn *const scripts[] = {answer_and_keep, answer_and_forget};

	(void)state;
	app.check_rise = app.check_fall = 1;
	begin_checks();
	for (size_t i = 0; i < 6; i++) {
		text_now = cases[i / 2].text;
		far.script = scripts[i % 2];
		server->health = SERVER_UNCHECKED;
		checks_more(1);
		assert_int_equal(health(), cases[i / 2].health);
	}
}

static uint64_t sent_bytes;

static void pour(struct watch *watch, uint32_t events)
{
	static char many[8192];
	ssize_t n;

	(void)watch;
	(void)events;
	while ((n = send(later_fd, many, sizeof(many), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		sent_bytes += (uint64_t)n;
	if (n < 0 && errno != EAGAIN)
		loop_del(&loop, later_fd);
}

static void answer_and_pour(int fd)
{
	later_watch.ready = pour;
	later_fd = fd;
	keep(fd);
	say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(loop_add(&loop, fd, &later_watch, EPOLLOUT), 0);
}

/* A body without an end costs no more than the bound. */
static void a_body_is_not_read_beyond_the_bound(void **state)
{
	(void)state;
	far.script = answer_and_pour;
	begin_checks();
	checks_more(1);
	assert_true(is_good());
	assert_true(checked->got <= CHECK_ANSWER_MAX);
	assert_true(sent_bytes > CHECK_ANSWER_MAX);
}

/* --- what is bad ------------------------------------------------------------------------------ */

static struct timer drip_timer;
static size_t dripped;

/* One byte a second, for ever. */
static void drip(struct timer *timer)
{
	send(later_fd, &"HTTP/1.1 200 OK\r\n"[dripped++ % 14], 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	loop_timer_set(&loop, timer, 1000);
}

static void drip_slowly(int fd)
{
	keep(fd);
	later_fd = fd;
	dripped = 0;
	drip_timer.expired = drip;
	loop_timer_set(&loop, &drip_timer, 10);
}

static void nobody_answers(void **state)
{
	(void)state;
	far.script = say_nothing;
	falls_with("no answer within 2000 ms");
	assert_int_equal(far.accepted, 3);
}

static void the_status_line_drips(void **state)
{
	(void)state;
	far.script = drip_slowly;
	falls_with("no answer within 2000 ms");
	loop_timer_stop(&loop, &drip_timer);
}

static void the_server_closes_without_an_answer(void **state)
{
	(void)state;
	text_now = NULL;
	far.script = answer_and_close;
	falls_with("it closed the connection without an answer");
}

/* Whether it hears of the FIN or of the reset first is the kernel's choice. */
static void the_server_closes_at_once(void **state)
{
	(void)state;
	far.script = close_at_once;
	begin_checks();
	run_until(is_bad);
}

static void the_answer_is_cut(void **state)
{
	(void)state;
	text_now = "HTTP/1.1 200 OK";
	far.script = answer_and_close;
	falls_with("it closed the connection within the head of its answer");
}

static void it_is_garbage(void **state)
{
	(void)state;
	text_now = "SSH-2.0-OpenSSH_9.2\r\n";
	far.script = answer_and_close;
	falls_with("it does not answer with HTTP/1.1");
}

static void the_status_is_another(void **state)
{
	(void)state;
	text_now = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
	far.script = answer_and_close;
	falls_with("503 where 200-399 was expected");
}

static void not_even_a_good_one_if_another_is_expected(void **state)
{
	(void)state;
	app.check_status = (struct conf_range){204, 204};
	text_now = "HTTP/1.1 200 OK\r\n\r\n";
	far.script = answer_and_close;
	falls_with("200 where 204 was expected");
}

static void interim_responses_storm(void **state)
{
	static char storm[40 * sizeof(INTERIM)];

	(void)state;
	storm[0] = '\0';
	for (int i = 0; i < 40; i++)
		strcat(storm, INTERIM);
	text_now = storm;
	far.script = answer_and_close;
	falls_with("more than 32 interim responses");
}

static void a_head_never_ends(void **state)
{
	static char huge[2 * CHECK_ANSWER_MAX];

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	memcpy(huge, "HTTP/1.1 200 ", 13);
	text_now = huge;
	far.script = answer_and_close;
	falls_with("no status in the first 16384 bytes of its answer");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_good_one_is_enough),
		TEST(answers_of_many_kinds_are_good),
		TEST(so_does_one_by_http),
		TEST(a_connection_that_stays_open_is_cut_when_the_next_is_due),
		TEST(an_answer_before_the_request_counts),
		TEST(a_body_is_not_read_beyond_the_bound),
		TEST(nobody_answers),
		TEST(the_status_line_drips),
		TEST(the_server_closes_without_an_answer),
		TEST(the_server_closes_at_once),
		TEST(the_answer_is_cut),
		TEST(it_is_garbage),
		TEST(the_status_is_another),
		TEST(not_even_a_good_one_if_another_is_expected),
		TEST(interim_responses_storm),
		TEST(a_head_never_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
