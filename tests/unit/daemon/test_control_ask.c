/* SPDX-License-Identifier: BSD-2-Clause */
/* control_ask.c: whatever listens at the path, only an answer of kedge is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/control_ask.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

/* Those that are answered are answered long before. */
#define PATIENT_MS 60000

#define ANSWER_BYTES_MAX (1u << 20)
#include "daemon/control_ask.c"

static char dir[] = "/tmp/kedge-ask-XXXXXX", path[64];
static int listener = -1;

/* What the other end does. */
static struct peer {
	const char *text;
	size_t n;
	bool stays;   /* it does not close */
	bool endless; /* it repeats the text */
	bool unread;  /* it leaves the command unread, so that its close is a reset */
	char heard[CONTROL_LINE_MAX + 1];
} peer;

static int up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/kedge-ask-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	listener = control_listen(path);
	peer = (struct peer){0};
	return listener < 0;
}

static int down(void **state)
{
	(void)state;
	close(listener);
	unlink(path);
	return rmdir(dir);
}

/* Of ask_once(), where a test says more than control_try() takes. */
static struct wait wait_now;

/* A second thread, so that the first may wait. */
static void *say(void *arg)
{
	ssize_t n;
	int fd;

	(void)arg;
	if (!net_wait(listener, POLLIN, NET_PATIENCE_MS))
		return NULL;
	fd = accept(listener, NULL, NULL);
	for (size_t len = 0; !peer.unread && !strchr(peer.heard, '\n'); len += (size_t)n)
		if ((n = recv(fd, peer.heard + len, sizeof(peer.heard) - 1 - len, 0)) <= 0)
			break;
	do
		n = send(fd, peer.text, peer.n, MSG_NOSIGNAL);
	while (n > 0 && peer.endless);
	/* Until the client has gone. */
	while (peer.stays && recv(fd, peer.heard, sizeof(peer.heard), 0) > 0)
		;
	close(fd);
	return NULL;
}

static json_t *ask(const char *command, const char *text, unsigned ms, char why[CONTROL_WHY])
{
	pthread_t thread;
	json_t *reply;

	*why = '\0';
	peer.text = text;
	peer.n = text ? strlen(text) : 0;
	memset(peer.heard, 0, sizeof(peer.heard));
	assert_int_equal(pthread_create(&thread, NULL, say, NULL), 0);
	reply = wait_now.ms ? ask_once(path, command, &wait_now, why)
			    : control_try(path, command, ms, why);
	pthread_join(thread, NULL);
	return reply;
}

static void assert_refused(const char *command, const char *text, unsigned ms, const char *expect)
{
	char why[CONTROL_WHY];

	assert_null(ask(command, text, ms, why));
	if (!strstr(why, expect) || !strstr(why, path))
		fail_msg("%s\n%s\nis answered with: %s", command, text ? text : "", why);
}

#define STATUS "{\"version\": \"1\", \"pid\": 9}"

static void what_kedge_answers_is_taken(void **state)
{
	static const struct {
		const char *command, *answer;
	} cases[] = {
		{"status", STATUS},
		{"reload", "{\"ok\": true, \"generation\": 2}"},
		{"reload", "{\"ok\": false, \"generation\": 2, \"lines\": [\"l\"]}"},
		{"reload", "{\"ok\": false, \"error\": \"draining\"}"},
		{"reload", "{\"error\": \"unknown command\"}"},
		{"server", "{\"ok\": true, \"applications\": []}"},
		{"server a:1 down", "{\"ok\": true, \"applications\": [], \"lines\": []}"},
		{"server a:1 down", "{\"ok\": false, \"error\": \"there is no server a:1\"}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *want = json_loads(cases[i].answer, 0, NULL), *got;
		char why[CONTROL_WHY], line[64];

		got = ask(cases[i].command, cases[i].answer, PATIENT_MS, why);
		assert_true(json_equal(got, want));
		assert_string_equal(why, "");
		snprintf(line, sizeof(line), "%s\n", cases[i].command);
		assert_string_equal(peer.heard, line);
		json_decref(got);
		json_decref(want);
	}
}

static void another_programs_answer(void **state)
{
	static const struct {
		const char *answer, *why;
	} cases[] = {
		{"", "closed without an answer"},
		{"<!DOCTYPE html>\n<html></html>", "\"<!DOCTYPE html>\\x0A<html></html>\""},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "\"HTTP/1.1 400 Bad Request\\x0D\\x0A"},
		{"\033[2J\"x", "\"\\x1B[2J\\x22x\""},
		{"{\"version\": \"1\", \"pi", "breaks off after 20 bytes"},
		{STATUS "{}", "begins with \"{\\x22version"},
		{"{}", "begins with \"{}\""},
		{"[1]", "begins with \"[1]\""},
		{"null", "begins with \"null\""},
		{"{\"error\": \"unknown command\"}", "{\\x22error\\x22: \\x22unknown command"},
		{"{\"version\": 1, \"pid\": 9}", "no answer of kedge to \"status\""},
		{"{\"version\": \"1\", \"pid\": \"9\"}", "no answer of kedge to \"status\""},
		{"{\"ok\": true, \"applications\": []}", "no answer of kedge to \"status\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused("status", cases[i].answer, PATIENT_MS, cases[i].why);
}

static void the_answer_to_another_command(void **state)
{
	static const char *const answers[] = {
		STATUS,
		"{}",
		"[]",
		"{\"ok\": 1, \"generation\": 2}",
		"{\"ok\": true}",
		"{\"ok\": false}",
		"{\"ok\": false, \"lines\": []}",
		"{\"error\": 5}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		assert_refused("reload", answers[i], PATIENT_MS, "no answer of kedge to");
		assert_refused("server", answers[i], PATIENT_MS, "no answer of kedge to");
		assert_refused("server a:1 up", answers[i], PATIENT_MS, "to \"server a:1 up\"");
	}
}

static void bytes_that_are_no_text(void **state)
{
	char why[CONTROL_WHY];
	json_t *reply = ask("status", "\xff\xfe\x01", PATIENT_MS, why);

	(void)state;
	assert_null(reply);
	assert_non_null(strstr(why, "begins with \"\\xFF\\xFE\\x01\""));
}

static void silence(void **state)
{
	(void)state;
	peer.stays = true;
	assert_refused("status", "", 50, "no answer within");
}

/* Whoever waits at a terminal learns for what before all the time is over. */
static void silence_is_noticed_early(void **state)
{
	static const struct wait waits[] = {{.ms = 60, .notice_ms = 10},
					    {.ms = 10, .notice_ms = 0}};
	char why[CONTROL_WHY], expect[192];

	(void)state;
	peer.stays = true;
	for (size_t i = 0; i < 2; i++) {
		wait_now = waits[i];
		heard_begin();
		assert_null(ask("status", "", 0, why));
		snprintf(
			expect, sizeof(expect),
			"warning: control socket %s: no answer yet: is that kedge stopped? Waiting "
			"up to 0 s; Ctrl-C gives up\n",
			path);
		assert_string_equal(heard, i ? "" : expect);
		heard_end();
		assert_non_null(strstr(why, "no answer within"));
	}
	wait_now = (struct wait){0};
}

static void an_answer_in_time_has_no_notice(void **state)
{
	char why[CONTROL_WHY];
	json_t *reply;

	(void)state;
	wait_now = (struct wait){.ms = PATIENT_MS, .notice_ms = PATIENT_MS};
	heard_begin();
	reply = ask("status", STATUS, 0, why);
	assert_non_null(reply);
	assert_string_equal(heard, "");
	heard_end();
	json_decref(reply);
	wait_now = (struct wait){0};
}

/* Each reading alone would be in time. */
static void a_part_and_silence(void **state)
{
	(void)state;
	peer.stays = true;
	assert_refused("status", STATUS, 50, "not complete within 0 s (26 bytes so far)");
}

static void no_end(void **state)
{
	char block[4096];

	(void)state;
	memset(block, ' ', sizeof(block) - 1);
	block[sizeof(block) - 1] = '\0';
	peer.endless = true;
	assert_refused("status", block, PATIENT_MS, "longer than any of kedge's (1048576 bytes)");
}

static void a_reset(void **state)
{
	(void)state;
	peer.unread = true;
	assert_refused("status", "", PATIENT_MS, "closed without an answer");
	assert_refused("status", "{\"a\"", PATIENT_MS, "4 bytes");
}

/* It may be as large as a large configuration makes it. */
static void a_large_answer(void **state)
{
	static char text[600000];
	char why[CONTROL_WHY];
	json_t *reply;

	(void)state;
	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, STATUS, strlen(STATUS));
	reply = ask("status", text, PATIENT_MS, why);
	assert_non_null(reply);
	json_decref(reply);
}

static void nobody_listens(void **state)
{
	char why[CONTROL_WHY];

	(void)state;
	assert_null(control_try("/nowhere/socket", "status", 100, why));
	assert_string_equal(why, "control socket /nowhere/socket: no kedge answers (is it running? "
				 "--control PATH; without root, kedge run needs it, too): No such "
				 "file or directory");
	assert_null(control_ask("/nowhere/socket", "status"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_kedge_answers_is_taken),
		TEST(another_programs_answer),
		TEST(the_answer_to_another_command),
		TEST(bytes_that_are_no_text),
		TEST(silence),
		TEST(silence_is_noticed_early),
		TEST(an_answer_in_time_has_no_notice),
		TEST(a_part_and_silence),
		TEST(no_end),
		TEST(a_reset),
		TEST(a_large_answer),
		TEST(nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
