/* SPDX-License-Identifier: BSD-2-Clause */
/* control.c: the daemon's end of the control socket, and whose socket may be replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "daemon/control.h"
#include "base/log.h"
#include "tests/lib/net.h"

static char dir[] = "/tmp/kedge-control-XXXXXX", path[64];
static int listener = -1;
static unsigned asked;
static char command[CONTROL_LINE_MAX];

static json_t *answer(const char *line, void *arg)
{
	asked++;
	assert_ptr_equal(arg, &asked);
	strcpy(command, line);
	return strcmp(line, "status") ? NULL : json_pack("{s:i}", "flows", 7);
}

static int up(void **state)
{
	(void)state;
	asked = 0;
	*command = '\0';
	strcpy(dir, "/tmp/kedge-control-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/run/socket", dir);
	return 0;
}

static int up_listening(void **state)
{
	if (up(state))
		return -1;
	listener = control_listen(path);
	return listener < 0;
}

static int down(void **state)
{
	char sub[64];

	(void)state;
	if (listener >= 0)
		close(listener);
	listener = -1;
	unlink(path);
	snprintf(sub, sizeof(sub), "%s/run", dir);
	rmdir(sub);
	return rmdir(dir);
}

static int dial(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

/* A raw client says this and hears that; "" for nothing but the end. */
static void say_and_hear(const char *text, size_t n, const char *expect)
{
	char got[512] = "";
	size_t len = 0;
	ssize_t r;
	int fd = dial();

	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
	control_serve(listener, answer, &asked);
	while ((r = recv(fd, got + len, sizeof(got) - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)r;
	assert_string_equal(got, expect);
	close(fd);
}

/* --- protocol --------------------------------------------------------------------------------- */

static void *serve_one(void *arg)
{
	(void)arg;
	if (net_wait(listener, POLLIN, NET_PATIENCE_MS))
		control_serve(listener, answer, &asked);
	return NULL;
}

static void a_command_is_answered(void **state)
{
	(void)state;
	say_and_hear("status\n", 7, "{\"flows\":7}");
	assert_string_equal(command, "status");
	say_and_hear("frobnicate\n", 11, "{\"error\":\"unknown command\"}");
}

static void what_follows_the_line_is_ignored(void **state)
{
	(void)state;
	say_and_hear("status\nstatus\n", 14, "{\"flows\":7}");
	assert_int_equal(asked, 1);
}

static void a_line_in_pieces(void **state)
{
	int fd = dial();
	pthread_t thread;
	char got[64] = "";

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, serve_one, NULL), 0);
	assert_int_equal(send(fd, "sta", 3, 0), 3);
	/* Unsent bytes of a unix socket are those that the peer has not read. */
	for (int n = 1; n;)
		assert_int_equal(ioctl(fd, SIOCOUTQ, &n), 0);
	assert_int_equal(send(fd, "tus\n", 4, 0), 4);
	pthread_join(thread, NULL);
	assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
	assert_string_equal(got, "{\"flows\":7}");
	close(fd);
}

static void the_longest_line_and_one_longer(void **state)
{
	char line[CONTROL_LINE_MAX + 1];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[CONTROL_LINE_MAX - 1] = '\n';
	say_and_hear(line, CONTROL_LINE_MAX, "{\"error\":\"unknown command\"}");
	assert_int_equal(strlen(command), CONTROL_LINE_MAX - 1);
	line[CONTROL_LINE_MAX - 1] = 'x';
	line[CONTROL_LINE_MAX] = '\n';
	asked = 0;
	say_and_hear(line, CONTROL_LINE_MAX + 1, "");
	assert_int_equal(asked, 0);
}

static void a_line_without_an_end(void **state)
{
	int fd = dial();

	(void)state;
	assert_int_equal(send(fd, "status", 6, 0), 6);
	shutdown(fd, SHUT_WR);
	control_serve(listener, answer, &asked);
	assert_int_equal(asked, 0);
	close(fd);
}

static void a_client_that_left_does_no_harm(void **state)
{
	int fd = dial();

	(void)state;
	assert_int_equal(send(fd, "status\n", 7, 0), 7);
	close(fd);
	control_serve(listener, answer, &asked); /* EPIPE, no signal */
	fd = dial();
	close(fd);
	control_serve(listener, answer, &asked);
	control_serve(listener, answer, &asked); /* nobody: does not wait */
}

static void a_silent_client_is_dropped(void **state)
{
	uint64_t begin = net_now_ms();
	int fd = dial();
	char byte;

	(void)state;
	control_serve(listener, answer, &asked);
	assert_in_range(net_now_ms() - begin, 500, 5000);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static void *drip(void *arg)
{
	int fd = *(int *)arg;
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	/* a byte every 300 ms until it is dropped: never silent for long */
	for (int i = 0; i < 60 && poll(&p, 1, 300) == 0; i++)
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	return NULL;
}

/* As many as a descriptor limit allows may say nothing: whoever has a question gets his answer. */
static void silent_clients_are_in_nobodys_way(void **state)
{
	int silent[15], fd;
	char got[64] = "";
	pthread_t thread;

	(void)state;
	for (int i = 0; i < 15; i++)
		silent[i] = dial();
	fd = dial();
	assert_int_equal(send(fd, "status\n", 7, MSG_NOSIGNAL), 7);
	assert_int_equal(pthread_create(&thread, NULL, serve_one, NULL), 0);
	assert_true(net_wait(fd, POLLIN, NET_PATIENCE_MS));
	assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
	assert_string_equal(got, "{\"flows\":7}");
	pthread_join(thread, NULL);
	for (int i = 0; i < 15; i++)
		close(silent[i]);
	close(fd);
}

static bool no_descriptor, no_memory;

/* accept4(2) as control.c sees it. */
int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	if (no_descriptor || no_memory) {
		errno = no_memory ? ENOMEM : EMFILE;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, addr, len, flags);
}

/* The main loop leaves the socket alone for a while then: the client is still there to be read. */
static void one_that_can_not_be_accepted_waits(void **state)
{
	int fd = dial();

	(void)state;
	no_descriptor = true;
	assert_int_equal(control_serve(listener, answer, &asked), -EMFILE);
	no_descriptor = false;
	no_memory = true;
	assert_int_equal(control_serve(listener, answer, &asked), -ENOMEM);
	no_memory = false;
	assert_int_equal(send(fd, "status\n", 7, MSG_NOSIGNAL), 7);
	assert_int_equal(control_serve(listener, answer, &asked), 0);
	assert_int_equal(asked, 1);
	close(fd);
}

/* The daemon's main thread has signals to see to: no client may hold it. */
static void a_dripping_client_is_dropped_as_well(void **state)
{
	uint64_t begin = net_now_ms();
	int fd = dial();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, drip, &fd), 0);
	control_serve(listener, answer, &asked);
	assert_in_range(net_now_ms() - begin, 500, 5000);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
}

/* --- whose socket ----------------------------------------------------------------------------- */

static void made_with_its_directory_for_its_owner_only(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_living_daemon_keeps_its_socket(void **state)
{
	(void)state;
	assert_int_equal(control_listen(path), -EADDRINUSE);
	/* the probe of the second one is a client that says nothing */
	control_serve(listener, answer, &asked);
	say_and_hear("status\n", 7, "{\"flows\":7}");
}

static void a_busy_daemon_keeps_its_socket(void **state)
{
	int fds[64], n = 0;

	(void)state;
	/* The queue of clients is full: connect(2) would wait, or say EAGAIN. */
	for (; n < 64; n++) {
		struct sockaddr_un un = {.sun_family = AF_UNIX};

		strcpy(un.sun_path, path);
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fds[n], (struct sockaddr *)&un, sizeof(un)) < 0)
			break;
	}
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(control_listen(path), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	for (; n >= 0; n--)
		close(fds[n]);
}

static void a_dead_daemons_socket_is_replaced(void **state)
{
	(void)state;
	close(listener);
	assert_int_equal(access(path, F_OK), 0);
	listener = control_listen(path);
	assert_true(listener >= 0);
	say_and_hear("status\n", 7, "{\"flows\":7}");
}

/* --control /etc/passwd */
static void a_file_is_not_replaced(void **state)
{
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/file", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(control_listen(path), -ENOTSOCK);
	assert_int_equal(access(path, F_OK), 0);
}

static void paths_that_can_not_be(void **state)
{
	char longer[200];

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(control_listen(longer), -ENAMETOOLONG);
	assert_true(control_listen("/proc/nothing/here") < 0);
	assert_int_equal(control_dial(longer, 0), -ENAMETOOLONG);
	assert_int_equal(control_dial(path, 0), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up_listening, down)
#define BARE(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_command_is_answered),
		TEST(what_follows_the_line_is_ignored),
		TEST(a_line_in_pieces),
		TEST(the_longest_line_and_one_longer),
		TEST(a_line_without_an_end),
		TEST(a_client_that_left_does_no_harm),
		TEST(a_silent_client_is_dropped),
		TEST(silent_clients_are_in_nobodys_way),
		TEST(one_that_can_not_be_accepted_waits),
		TEST(a_dripping_client_is_dropped_as_well),
		TEST(made_with_its_directory_for_its_owner_only),
		TEST(a_living_daemon_keeps_its_socket),
		TEST(a_busy_daemon_keeps_its_socket),
		TEST(a_dead_daemons_socket_is_replaced),
		BARE(a_file_is_not_replaced),
		BARE(paths_that_can_not_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
