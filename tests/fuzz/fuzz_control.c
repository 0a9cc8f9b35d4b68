/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on user/daemon/control.c and control_ask.c, the two ends of the control socket. Beside
 * memory errors it looks for a line that is answered although it is none, or not answered although
 * it is one, for an answer that is no JSON object, and for a client that takes another answer than
 * was given. The first byte chooses the end that hears the rest.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/control_ask.h"
#include "daemon/status_text.h"
#include "daemon/top_view.h"
#include "invariant.h"

#define ANSWER_BYTES_MAX 4096

static char dir[] = "/tmp/kedge-fuzz-control-XXXXXX", path[64];
static int listener = -1;

struct heard {
	unsigned times;
	char line[CONTROL_LINE_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void remove_socket(void)
{
	unlink(path);
	rmdir(dir);
}

static void listen_once(void)
{
	if (listener >= 0)
		return;
	INVARIANT(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	atexit(remove_socket);
	listener = control_listen(path);
	INVARIANT(listener >= 0);
}

static int dial(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, path);
	INVARIANT(connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
	return fd;
}

/* What comes back is the command itself, where JSON can have it. */
static json_t *answer(const char *command, void *arg)
{
	struct heard *heard = arg;

	heard->times++;
	strcpy(heard->line, command);
	return *command == 's' ? json_pack("{s:o*}", "heard", json_string(command)) : NULL;
}

static void check_answer(int fd)
{
	char got[ANSWER_BYTES_MAX];
	size_t len = 0;
	json_t *reply;
	ssize_t r;

	while ((r = recv(fd, got + len, sizeof(got) - len, MSG_DONTWAIT)) > 0)
		len += (size_t)r;
	/* It has closed; that is a reset where it has left bytes unread. */
	INVARIANT(r == 0 || errno == ECONNRESET);
	reply = json_loadb(got, len, 0, NULL);
	INVARIANT(json_is_object(reply));
	json_decref(reply);
}

static void to_the_daemon(const uint8_t *bytes, size_t n)
{
	size_t most = n < CONTROL_LINE_MAX ? n : CONTROL_LINE_MAX;
	const uint8_t *newline = n ? memchr(bytes, '\n', most) : NULL;
	struct heard heard = {0};
	int fd = dial();
	char byte;

	INVARIANT(send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n);
	shutdown(fd, SHUT_WR);
	control_serve(listener, answer, &heard);
	INVARIANT(heard.times == (newline ? 1 : 0));
	if (newline) {
		size_t len = strnlen((const char *)bytes, (size_t)(newline - bytes));

		INVARIANT(strlen(heard.line) == len && !memcmp(heard.line, bytes, len));
		check_answer(fd);
	} else {
		INVARIANT(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
	}
	close(fd);
}

struct saying {
	const uint8_t *bytes;
	size_t n;
};

static void *say(void *arg)
{
	const struct saying *saying = arg;
	int fd;

	/* The listener does not block; the client may not have come yet. */
	while ((fd = accept(listener, NULL, NULL)) < 0)
		sched_yield();
	if (saying->n)
		send(fd, saying->bytes, saying->n, MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static void to_the_client(const uint8_t *bytes, size_t n)
{
	struct saying saying = {bytes, n};
	json_t *want = json_loadb((const char *)bytes, n, 0, NULL), *got;
	FILE *nowhere = fopen("/dev/null", "we");
	pthread_t thread;

	INVARIANT(nowhere && pthread_create(&thread, NULL, say, &saying) == 0);
	got = control_ask(path, "status");
	pthread_join(thread, NULL);
	INVARIANT(!got || json_equal(got, want));
	/* The printers accept more than control_ask() does. */
	if (want) {
		status_print(nowhere, want, want, n & 1);
		free(top_view(want, n & 1 ? want : NULL,
			      (struct top_size){(unsigned)n % 100 + 1, (unsigned)n % 40}));
	}
	fclose(nowhere);
	json_decref(got);
	json_decref(want);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	listen_once();
	if (!n)
		return 0;
	if (*bytes & 1)
		to_the_client(bytes + 1, n - 1);
	else
		to_the_daemon(bytes + 1, n - 1);
	return 0;
}
