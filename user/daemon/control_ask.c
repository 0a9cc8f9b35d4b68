/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's end of the control socket. See control_ask.h. */
#include "daemon/control_ask.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/printable.h"
#include "daemon/control.h"

/* Far more than the largest configuration gives. */
#ifndef ANSWER_BYTES_MAX
#define ANSWER_BYTES_MAX (64u << 20)
#endif
#define ANSWER_BYTES_FIRST 65536u

/* After so long without an answer, control_ask() says that it waits. */
#define NOTICE_MS 2000

/* So much of a strange answer is in the message. */
#define QUOTED_BYTES 32

struct answer {
	char *text;
	size_t len, room;
};

/* --- messages --------------------------------------------------------------------------------- */

/* Who may ask. */
static void owner_text(char buf[64], const char *path)
{
	struct passwd *owner;
	struct stat st;

	snprintf(buf, 64, "another user");
	if (stat(path, &st) < 0)
		return;
	owner = getpwuid(st.st_uid);
	if (owner)
		snprintf(buf, 64, "%.48s", owner->pw_name);
	else
		snprintf(buf, 64, "user %u", st.st_uid);
}

static void why_no_socket(char why[CONTROL_WHY], const char *path, int err)
{
	char owner[64];

	if (err != EACCES && err != EPERM) {
		snprintf(why, CONTROL_WHY,
			 "control socket %.200s: no kedge answers (is it running? --control "
			 "PATH; without root, kedge run needs it, too): %s",
			 path, strerror(err));
		return;
	}
	owner_text(owner, path);
	snprintf(why, CONTROL_WHY,
		 "control socket %.200s: permission denied: it belongs to %s: ask as that user, or "
		 "as root (sudo)",
		 path, owner);
}

static void why_late(char why[CONTROL_WHY], const char *path, unsigned ms, size_t len)
{
	if (len)
		snprintf(why, CONTROL_WHY,
			 "control socket %.200s: the answer is not complete within %u s (%zu bytes "
			 "so far): is kedge listening there (--control PATH), or overloaded?",
			 path, ms / 1000, len);
	else
		snprintf(why, CONTROL_WHY,
			 "control socket %.200s: no answer within %u s: is that kedge stopped "
			 "(kill -CONT), or hung?",
			 path, ms / 1000);
}

static void why_too_long(char why[CONTROL_WHY], const char *path)
{
	snprintf(
		why, CONTROL_WHY,
		"control socket %.200s: the answer is longer than any of kedge's (%u bytes): it is "
		"another program's socket: give kedge's (--control PATH)",
		path, ANSWER_BYTES_MAX);
}

static void why_strange(char why[CONTROL_WHY], const char *path, const char *command,
			const struct answer *a)
{
	char begin[QUOTED_BYTES + 1], quoted[4 * QUOTED_BYTES + 1 + 4];

	snprintf(begin, sizeof(begin), "%.*s", (int)(a->len < QUOTED_BYTES ? a->len : QUOTED_BYTES),
		 a->text);
	snprintf(why, CONTROL_WHY,
		 "control socket %.200s: this is no answer of kedge to \"%.40s\", it begins with "
		 "\"%s\": is it another program's socket (--control PATH), or another version?",
		 path, command, printable(quoted, sizeof(quoted), begin));
}

static void why_cut(char why[CONTROL_WHY], const char *path, size_t len)
{
	if (len)
		snprintf(why, CONTROL_WHY,
			 "control socket %.200s: the answer breaks off after %zu bytes: ask again; "
			 "if it stays so, is kedge listening there (--control PATH)?",
			 path, len);
	else
		snprintf(
			why, CONTROL_WHY,
			"control socket %.200s: closed without an answer: did kedge exit, or is it "
			"another program's socket (--control PATH)?",
			path);
}

/* --- what kedge says -------------------------------------------------------------------------- */

static bool is_answer(const char *command, const json_t *answer)
{
	const bool refused = json_is_false(json_object_get(answer, "ok"));

	/* A status is never refused: without one there is nothing to show. */
	if (!strcmp(command, "status"))
		return json_is_integer(json_object_get(answer, "pid")) &&
		       json_is_string(json_object_get(answer, "version"));
	if (json_is_string(json_object_get(answer, "error")))
		return true;
	if (refused)
		return json_array_size(json_object_get(answer, "lines")) > 0;
	if (!json_is_true(json_object_get(answer, "ok")))
		return false;
	return !strcmp(command, "reload") ? json_is_integer(json_object_get(answer, "generation"))
					  : json_is_array(json_object_get(answer, "applications"));
}

/* --- one question ----------------------------------------------------------------------------- */

static int grow(struct answer *a)
{
	size_t room = a->room ? 2 * a->room : ANSWER_BYTES_FIRST;
	char *text;

	if (a->len < a->room)
		return 0;
	if (room > ANSWER_BYTES_MAX)
		return -EFBIG;
	text = realloc(a->text, room);
	if (!text)
		return -ENOMEM;
	a->text = text;
	a->room = room;
	return 0;
}

/* 1: something came. 0: nothing in time, or no time is left. -errno. */
static int more_within(int fd, uint64_t until)
{
	struct pollfd more = {.fd = fd, .events = POLLIN};
	int64_t left = (int64_t)(until - monotonic_ms());
	int n = poll(&more, 1, left > 0 ? (int)left : 0);

	if (n < 0)
		return -errno;
	/* Where bytes never end, poll(2) is always ready. */
	return n && left > 0;
}

/* Reads to the end. 0, -ETIME, -EFBIG, or another -errno. */
static int hear(struct answer *a, int fd, uint64_t until)
{
	for (;;) {
		int err = grow(a), n;
		ssize_t r;

		if (err)
			return err;
		n = more_within(fd, until);
		if (n <= 0)
			return n ? n : -ETIME;
		r = recv(fd, a->text + a->len, a->room - a->len, MSG_DONTWAIT);
		if (!r)
			return 0;
		if (r < 0 && errno != EAGAIN)
			return -errno;
		a->len += r > 0 ? (size_t)r : 0;
	}
}

static json_t *understand(const char *path, const char *command, const struct answer *a,
			  char why[CONTROL_WHY])
{
	json_error_t error;
	json_t *reply = json_loadb(a->text, a->len, 0, &error);

	if (reply && is_answer(command, reply))
		return reply;
	if (!reply && json_error_code(&error) == json_error_premature_end_of_input)
		why_cut(why, path, a->len);
	else
		why_strange(why, path, command, a);
	json_decref(reply);
	return NULL;
}

struct wait {
	unsigned ms;        /* for the whole answer */
	unsigned notice_ms; /* after so long without a byte, a line says so; 0: none does */
};

/* A wait of half a minute without a word looks like a hang. */
static void notice(const char *path, int fd, const struct wait *wait)
{
	if (!wait->notice_ms || more_within(fd, monotonic_ms() + wait->notice_ms))
		return;
	log_warn("control socket %s: no answer yet: is that kedge stopped? Waiting up to %u s; "
		 "Ctrl-C gives up",
		 path, wait->ms / 1000);
}

static json_t *ask_once(const char *path, const char *command, const struct wait *wait,
			char why[CONTROL_WHY])
{
	const unsigned ms = wait->ms;
	_cleanup_(close_fdp)
	int fd = control_dial(path, ms);
	uint64_t until;
	char line[CONTROL_LINE_MAX + 1];
	struct answer a = {0};
	json_t *reply = NULL;
	int n, err;

	if (fd < 0) {
		why_no_socket(why, path, -fd);
		return NULL;
	}
	n = snprintf(line, sizeof(line), "%s\n", command);
	/* A new socket has room for a line. If the other end is closed, hear() finds out. */
	send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	until = monotonic_ms() + ms;
	notice(path, fd, wait);
	err = hear(&a, fd, until);
	if (err == -ETIME)
		why_late(why, path, ms, a.len);
	else if (err == -EFBIG)
		why_too_long(why, path);
	else if (err == -ECONNRESET || err == -EPIPE)
		why_cut(why, path, a.len);
	else if (err)
		snprintf(why, CONTROL_WHY, "control socket %.200s: %s", path, strerror(-err));
	else
		reply = understand(path, command, &a, why);
	free(a.text);
	return reply;
}

json_t *control_try(const char *path, const char *command, unsigned ms, char why[CONTROL_WHY])
{
	return ask_once(path, command, &(struct wait){.ms = ms}, why);
}

json_t *control_ask(const char *path, const char *command)
{
	const struct wait wait = {.ms = CONTROL_ANSWER_MS, .notice_ms = NOTICE_MS};
	char why[CONTROL_WHY];
	json_t *reply = ask_once(path, command, &wait, why);

	if (!reply)
		log_error("%s", why);
	return reply;
}
