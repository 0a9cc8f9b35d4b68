/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal of kedge top. See top_screen.h. */
#include "daemon/top_screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/log.h"

/* The other screen, empty, without a cursor; and back. */
#define ENTER     "\033[?1049h\033[2J\033[?25l"
#define LEAVE     "\033[?25h\033[?1049l"
/* The most that the end may wait for the terminal. */
#define LEAVE_S   1
/* The first line; the rest of a line is empty; the rest of the screen is empty. */
#define HOME      "\033[H"
#define LINE_END  "\033[K"
#define BELOW_END "\033[J"

static struct {
	struct termios before;
	bool has_keys, open;
	int wake[2]; /* a signal writes there, so that poll(2) ends */
} screen = {.wake = {-1, -1}};

static volatile sig_atomic_t end_signal, resized, stop_signal;

/* --- signals ---------------------------------------------------------------------------------- */

/* Not restarting: a write to a terminal that nobody reads must end, too. */
static void noticed(int number)
{
	int err = errno;

	if (number == SIGWINCH || number == SIGCONT)
		resized = 1;
	else if (number == SIGTSTP)
		stop_signal = 1;
	else if (number != SIGALRM)
		end_signal = number;
	if (write(screen.wake[1], "", 1) < 0)
		errno = err;
	errno = err;
}

void top_signals(void)
{
	static const int numbers[] = {SIGINT,   SIGTERM, SIGHUP,  SIGQUIT,
				      SIGWINCH, SIGTSTP, SIGCONT, SIGALRM};
	struct sigaction act = {.sa_handler = noticed};

	if (pipe2(screen.wake, O_CLOEXEC | O_NONBLOCK) < 0)
		screen.wake[0] = screen.wake[1] = -1;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &act, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void top_signals_hold(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

int top_signal(void)
{
	return end_signal;
}

/* --- the terminal ----------------------------------------------------------------------------- */

/* A signal that says to end may come after a part of it. */
static bool write_whole(const char *p, size_t n)
{
	while (n && !end_signal) {
		ssize_t w = write(STDOUT_FILENO, p, n);

		if (w < 0 && errno == EAGAIN) /* somebody has made it so */
			poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, 100);
		else if (w <= 0 && errno != EINTR)
			return false;
		if (w <= 0)
			continue;
		p += w;
		n -= (size_t)w;
	}
	return !n;
}

static void enter(void)
{
	struct termios raw = screen.before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)IXON; /* Ctrl-S would hold all that is written, the end too */
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (screen.has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	write_whole(ENTER, strlen(ENTER));
	screen.open = true;
}

int top_screen_open(void)
{
	top_signals();
	screen.has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen.before) == 0;
	if (screen.wake[0] < 0)
		return log_err(EMFILE, "top: no descriptor");
	enter();
	atexit(top_screen_close);
	return 0;
}

void top_screen_close(void)
{
	if (!screen.open)
		return;
	screen.open = false;
	if (screen.has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
	/* Nobody may read it any more: the alarm ends the write. */
	alarm(LEAVE_S);
	if (write(STDOUT_FILENO, LEAVE, strlen(LEAVE)) < 0)
		log_debug("top: the terminal takes nothing");
	alarm(0);
}

struct top_size top_screen_size(void)
{
	struct winsize w = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || !w.ws_col || !w.ws_row)
		w = (struct winsize){.ws_row = 24, .ws_col = 80};
	/* Behind a character in the last column, some terminals would begin a new line. */
	return (struct top_size){.columns = w.ws_col > 1 ? w.ws_col - 1u : 1, .rows = w.ws_row};
}

bool top_screen_draw(const char *text)
{
	_cleanup_(freep)
	char *out = NULL;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	if (!to)
		return true;
	fputs(HOME, to);
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		/* Before each but the first: behind the last one, the screen would move up. */
		fprintf(to, "%s%.*s" LINE_END, line == text ? "" : "\r\n", (int)n, line);
		line += n + (line[n] == '\n');
	}
	fputs(BELOW_END, to);
	if (fclose(to) != 0)
		return true;
	return write_whole(out, len);
}

/* Ctrl-Z: the shell has the terminal until it brings kedge top back. */
static void pause_here(void)
{
	const bool open = screen.open;

	stop_signal = 0;
	top_screen_close();
	kill(getpid(), SIGSTOP);
	if (!open)
		return;
	if (screen.has_keys)
		tcgetattr(STDIN_FILENO, &screen.before);
	enter();
}

/* A key, or the end of the terminal. True: it says to quit. */
static bool read_keys(short events)
{
	char keys[64];
	ssize_t n;

	if (!(events & POLLIN))
		return events & (POLLHUP | POLLERR | POLLNVAL);
	n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	return n <= 0 || memchr(keys, 'q', (size_t)n) || memchr(keys, 'Q', (size_t)n);
}

static void drain_wake(void)
{
	char bytes[64];

	while (read(screen.wake[0], bytes, sizeof(bytes)) > 0)
		;
}

enum top_event top_screen_wait(unsigned ms)
{
	uint64_t until = monotonic_ms() + ms;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = screen.wake[0], .events = POLLIN},
			{.fd = screen.open && screen.has_keys ? STDIN_FILENO : -1,
			 .events = POLLIN},
		};
		uint64_t now = monotonic_ms();

		/* A signal from before the pipe's last reading is in one of the flags. */
		if (poll(fds, 2, now < until ? (int)(until - now) : 0) > 0 && fds[0].revents)
			drain_wake();
		if (end_signal)
			return TOP_SIGNAL;
		if (stop_signal)
			pause_here();
		if (resized && screen.open) {
			resized = 0;
			return TOP_RESIZE;
		}
		if ((fds[1].revents & ~POLLNVAL) && read_keys(fds[1].revents))
			return TOP_QUIT;
		if (monotonic_ms() >= until)
			return TOP_TIME;
	}
}
