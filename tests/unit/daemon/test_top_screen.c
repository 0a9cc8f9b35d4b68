/* SPDX-License-Identifier: BSD-2-Clause */
/* top_screen.c under a terminal of its own: modes, drawing, sizes, keys and signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "daemon/top_screen.h"

static int master, slave;
static struct termios before;
static char heard[16384];

static int setup(void **state)
{
	struct winsize w = {.ws_col = 40, .ws_row = 10};

	(void)state;
	heard[0] = '\0';
	if (openpty(&master, &slave, NULL, NULL, &w) < 0)
		return -1;
	return tcgetattr(slave, &before);
}

static int teardown(void **state)
{
	(void)state;
	close(master);
	close(slave);
	return 0;
}

/* `act` in a process that has the terminal; its exit status is what `act` returns. */
static pid_t begin(int (*act)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	close(master);
	login_tty(slave);
	_exit(act());
}

/* Reads until `text` has come. */
static void hear(const char *text)
{
	size_t len = strlen(heard);

	while (!strstr(heard, text)) {
		ssize_t n = read(master, heard + len, sizeof(heard) - 1 - len);

		if (n <= 0)
			fail_msg("the end, before '%s'", text);
		len += (size_t)n;
		heard[len] = '\0';
	}
}

/* Waits for the process; the terminal is as it was. */
static int end(pid_t pid)
{
	struct termios after;
	int status;

	hear("\033[?1049l");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(tcgetattr(slave, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_iflag, before.c_iflag);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int draw_and_quit(void)
{
	struct termios now;
	int faults = top_screen_open() != 0;

	tcgetattr(STDIN_FILENO, &now);
	faults += (now.c_lflag & (ICANON | ECHO)) != 0;
	faults += (now.c_lflag & ISIG) == 0;
	faults += !top_screen_draw("one\ntwo\n");
	faults += top_screen_wait(600000) != TOP_QUIT;
	top_screen_close();
	top_screen_close();
	return faults;
}

static void a_text_is_drawn_and_q_quits(void **state)
{
	pid_t pid = begin(draw_and_quit);

	(void)state;
	hear("two");
	assert_non_null(strstr(heard, "\033[?1049h"));
	assert_non_null(strstr(heard, "\033[?25l"));
	assert_non_null(strstr(heard, "\033[Hone\033[K\r"));
	assert_int_equal(write(master, "x\x13q", 3), 3);
	assert_int_equal(end(pid), 0);
	assert_non_null(strstr(heard, "\033[?25h"));
	/* No line behind the last one: the screen would move up. */
	assert_null(strstr(heard, "two\033[K\r"));
}

static int wait_for_a_signal(void)
{
	int faults = top_screen_open() != 0;

	top_screen_draw("ready\n");
	faults += top_screen_wait(600000) != TOP_SIGNAL;
	faults += top_signal() != SIGTERM;
	return faults;
	/* And not even a close: exit(3) does it, _exit(2) does not. */
}

static int wait_and_exit(void)
{
	exit(wait_for_a_signal());
}

static void a_signal_ends_it(void **state)
{
	pid_t pid = begin(wait_and_exit);

	(void)state;
	hear("ready");
	kill(pid, SIGTERM);
	assert_int_equal(end(pid), 0);
}

static int follow_the_size(void)
{
	struct top_size size;
	int faults = top_screen_open() != 0;

	size = top_screen_size();
	faults += size.columns != 39 || size.rows != 10;
	top_screen_draw("ready\n");
	faults += top_screen_wait(600000) != TOP_RESIZE;
	size = top_screen_size();
	faults += size.columns != 99 || size.rows != 30;
	top_screen_close();
	return faults;
}

static void a_new_size_is_told(void **state)
{
	struct winsize w = {.ws_col = 100, .ws_row = 30};
	pid_t pid = begin(follow_the_size);

	(void)state;
	hear("ready");
	assert_int_equal(ioctl(master, TIOCSWINSZ, &w), 0);
	assert_int_equal(end(pid), 0);
}

static int size_of_none(void)
{
	struct winsize w = {0};
	struct top_size size;

	ioctl(STDOUT_FILENO, TIOCSWINSZ, &w);
	size = top_screen_size();
	if (size.columns != 79 || size.rows != 24)
		return 1;
	w = (struct winsize){.ws_col = 1, .ws_row = 1};
	ioctl(STDOUT_FILENO, TIOCSWINSZ, &w);
	size = top_screen_size();
	return size.columns != 1 || size.rows != 1;
}

static void a_size_that_is_not_known_is_the_usual_one(void **state)
{
	pid_t pid = begin(size_of_none);
	int status;

	(void)state;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

static int wait_without_a_key(void)
{
	int faults = top_screen_open() != 0;

	faults += top_screen_wait(0) != TOP_TIME;
	faults += top_screen_wait(20) != TOP_TIME;
	top_screen_close();
	return faults;
}

static void the_time_is_over(void **state)
{
	(void)state;
	assert_int_equal(end(begin(wait_without_a_key)), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_text_is_drawn_and_q_quits),
		TEST(a_signal_ends_it),
		TEST(a_new_size_is_told),
		TEST(a_size_that_is_not_known_is_the_usual_one),
		TEST(the_time_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
