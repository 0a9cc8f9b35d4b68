/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge top. See cmd_top.h. */
#include "daemon/cmd_top.h"

#include <getopt.h>
#include <jansson.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/cmd.h"
#include "daemon/control.h"
#include "daemon/control_ask.h"
#include "daemon/option_mistake.h"
#include "daemon/top_screen.h"
#include "daemon/top_view.h"

/* How long one question may take. A key is noticed afterwards. */
#define ASK_MS 2000

struct top {
	const char *path; /* of the control socket; borrowed from argv */
	unsigned interval_ms;
	unsigned long count; /* screens to show; 0: no end */
	bool batch;
	json_t *now, *before;
	uint64_t answered_ms; /* the last time; 0: never */
	char why[CONTROL_WHY];
};

static int read_interval(unsigned *ms, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.1) || seconds > 3600)
		return log_error("--interval %s: seconds, from 0.1 to 3600", text), EXIT_USAGE;
	*ms = (unsigned)(seconds * 1000);
	return -1;
}

static int read_count(unsigned long *count, const char *text)
{
	char *end;

	*count = strtoul(text, &end, 10);
	if (end == text || *end || text[0] == '-' || !*count)
		return log_error("-n %s: a number, from 1 on", text), EXIT_USAGE;
	return -1;
}

static int usage(const char *name)
{
	printf("usage: kedge %s [--interval SECONDS] [--batch] [--count N] [--control PATH]\n"
	       "\n"
	       "  --interval SECONDS  between two looks, from 0.1 (default 1)\n"
	       "  --batch, -b         no screen: one text after the other, for a file or a pipe\n"
	       "  --count N, -n N     end after N of them\n"
	       "  --control PATH      of the control socket (default %s)\n"
	       "\n"
	       "q ends it.\n",
	       name, CONTROL_PATH);
	return EXIT_DONE;
}

/* -1 to go on, or the exit status. */
static int read_args(struct top *t, int argc, char **argv)
{
	static const struct option options[] = {
		{"interval", required_argument, NULL, 'i'},
		{"batch", no_argument, NULL, 'b'},
		{"count", required_argument, NULL, 'n'},
		{"control", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt, status = -1;

	opterr = 0;
	while (status < 0 && (opt = getopt_long(argc, argv, ":bhn:", options, NULL)) >= 0) {
		switch (opt) {
		case 'i':
			status = read_interval(&t->interval_ms, optarg);
			break;
		case 'b':
			t->batch = true;
			break;
		case 'n':
			status = read_count(&t->count, optarg);
			break;
		case 'c':
			t->path = optarg;
			break;
		case 'h':
			return usage(argv[0]);
		default:
			option_mistake(argv[0], opt, argv, options);
			return EXIT_USAGE;
		}
	}
	if (status < 0 && optind < argc) {
		log_error("%s: not an option: see kedge top --help", argv[optind]);
		return EXIT_USAGE;
	}
	return status;
}

static bool is_screen(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* False: nobody answers, and t->why says why. */
static bool look(struct top *t)
{
	json_t *answer;

	/* A window that is moved must not look like a kedge that does not answer. */
	top_signals_hold(true);
	answer = control_try(t->path, "status", ASK_MS, t->why);
	top_signals_hold(false);
	if (!answer)
		return false;
	json_decref(t->before);
	t->before = t->now;
	t->now = answer;
	t->answered_ms = monotonic_ms();
	return true;
}

/* --- one text after the other ----------------------------------------------------------------- */

static int run_batch(struct top *t)
{
	unsigned long shown = 0;

	top_signals();
	if (!look(t))
		return log_error("%s", t->why), EXIT_FAILED;
	while (!t->count || shown < t->count) {
		char *text;

		if (top_screen_wait(t->interval_ms) == TOP_SIGNAL)
			return EXIT_DONE;
		if (!look(t))
			return log_error("%s", t->why), EXIT_FAILED;
		text = top_view(t->now, t->before, (struct top_size){.columns = 200});
		if (!text)
			return log_error("top: out of memory"), EXIT_FAILED;
		printf("%s%s", shown ? "\n" : "", text);
		free(text);
		if (fflush(stdout) != 0)
			return EXIT_FAILED;
		shown++;
	}
	return EXIT_DONE;
}

/* --- a screen --------------------------------------------------------------------------------- */

static bool draw(const struct top *t, bool answers)
{
	struct top_size size = top_screen_size();
	unsigned gone_s = (unsigned)((monotonic_ms() - t->answered_ms) / 1000);
	char *text =
		answers ? top_view(t->now, t->before, size) : top_view_gone(t->why, gone_s, size);
	bool drawn = !text || top_screen_draw(text);

	free(text);
	return drawn;
}

static void run_screen(struct top *t)
{
	unsigned long shown = 0;
	uint64_t next_ms = monotonic_ms();
	bool answers = true;

	for (;;) {
		uint64_t now = monotonic_ms();
		enum top_event event;

		if (now >= next_ms) {
			next_ms = now + t->interval_ms;
			answers = shown ? look(t) : answers;
			shown++;
		}
		if (!draw(t, answers) || (t->count && shown > t->count))
			return;
		now = monotonic_ms();
		event = top_screen_wait(next_ms > now ? (unsigned)(next_ms - now) : 0);
		if (event == TOP_QUIT || event == TOP_SIGNAL)
			return;
	}
}

/* As if the signal had not been caught. */
static int end_as_told(void)
{
	int number = top_signal();

	if (!number)
		return EXIT_DONE;
	signal(number, SIG_DFL);
	raise(number);
	return EXIT_FAILED;
}

int cmd_top(int argc, char **argv)
{
	struct top t = {.path = CONTROL_PATH, .interval_ms = 1000};
	int status = read_args(&t, argc, argv);

	if (status >= 0)
		return status;
	setlocale(LC_CTYPE, "");
	if (t.batch) {
		status = run_batch(&t);
	} else if (!is_screen()) {
		log_error("kedge top needs a terminal: use --batch for a file, a pipe or TERM=dumb "
			  "(and -n N for N texts)");
		return EXIT_USAGE;
	} else if (!look(&t)) { /* before the screen is another one */
		log_error("%s", t.why);
		status = EXIT_FAILED;
	} else if (top_screen_open() < 0) {
		status = EXIT_FAILED;
	} else {
		run_screen(&t);
		top_screen_close();
		status = end_as_told();
	}
	json_decref(t.now);
	json_decref(t.before);
	return status;
}
