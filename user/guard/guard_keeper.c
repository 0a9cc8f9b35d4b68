/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that detaches the guard after kedge. See guard_keeper.h. */
#include "guard/guard_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <linux/capability.h>

#include "base/cleanup.h"
#include "confine/confine.h"
#include "guard/guard_attach.h"
#include "base/log.h"

#define END_MS 10000

/* The messages to it and its answers, one byte each. */
enum { TELL_DETACH = 'd', TELL_DISMISS = 'k', SAY_DONE = 'y', SAY_FAILED = 'n' };

/* libxdp looks at the programs of others, and makes and removes pins. */
#define CAPS                                                                                     \
	(1ULL << CAP_SYS_ADMIN | 1ULL << CAP_NET_ADMIN | 1ULL << CAP_BPF | 1ULL << CAP_PERFMON | \
	 1ULL << CAP_DAC_OVERRIDE)

/* --- the keeper ------------------------------------------------------------------------------- */

/* Closes all descriptors behind the standard ones, except these, which are sorted. */
static void close_all_but(const int *kept, size_t count)
{
	unsigned next = STDERR_FILENO + 1;

	for (size_t i = 0; i < count; i++) {
		if (kept[i] < 0)
			continue;
		if ((unsigned)kept[i] > next)
			close_range(next, (unsigned)kept[i] - 1, 0);
		next = (unsigned)kept[i] + 1;
	}
	close_range(next, ~0U, 0);
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * Keeps these three and standard error, for the log. A pipe may have the number of a standard
 * stream, if that was closed when kedge started.
 */
static void keep_descriptors(int *hear, int *say, int *lock)
{
	int *all[] = {hear, say, lock}, kept[3], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++) {
		if (*all[i] >= 0 && *all[i] <= STDERR_FILENO)
			*all[i] = fcntl(*all[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		kept[i] = *all[i];
	}
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	qsort(kept, 3, sizeof(kept[0]), ascending);
	close_all_but(kept, 3);
}

static int detach_all(unsigned id, const struct guard_interface *set, size_t count)
{
	int worst = 0;

	for (size_t i = 0; i < count; i++) {
		int err = guard_detach(id, &set[i]);

		if (!err || err == -ENOENT || err == -ENODEV) /* detached by somebody else */
			continue;
		worst = err;
		log_err(err,
			"guard: interface %s: cannot be detached: `xdp-loader unload -i %u %s` "
			"does it",
			set[i].name, id, set[i].name);
	}
	return worst;
}

static void ignore_signals(void)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

static _Noreturn void keep(int hear, int say, int lock, unsigned id,
			   const struct guard_interface *set, size_t count)
{
	char told = TELL_DETACH;
	bool killed;
	ssize_t n;
	int err;

	setsid();
	if (chdir("/") < 0) /* so that it keeps no mount busy */
		log_emit(LOG_LEVEL_DEBUG, errno, "guard: keeper: chdir");
	ignore_signals();
	prctl(PR_SET_NAME, "kedge-guard");
	prctl(PR_SET_PDEATHSIG, 0);
	keep_descriptors(&hear, &say, &lock);
	confine_keep(CAPS);
	do
		n = read(hear, &told, 1);
	while (n < 0 && errno == EINTR);
	killed = n <= 0;
	if (!killed && told == TELL_DISMISS)
		_exit(0);
	err = detach_all(id, set, count);
	if (killed && !err)
		log_warn("guard: kedge is gone without a word: detached");
	told = err ? SAY_FAILED : SAY_DONE;
	if (!killed && write(say, &told, 1) < 0)
		_exit(1);
	_exit(err ? 1 : 0);
}

/* --- kedge's end ------------------------------------------------------------------------------ */

static void closep(struct guard_keeper *k)
{
	close_fdp(&k->tell);
	close_fdp(&k->hear);
}

static void forget(struct guard_keeper *k)
{
	closep(k);
	*k = (struct guard_keeper)GUARD_KEEPER_NONE;
}

static struct guard_keeper take(struct guard_keeper *k)
{
	struct guard_keeper taken = *k;

	*k = (struct guard_keeper)GUARD_KEEPER_NONE;
	return taken;
}

int guard_keeper_start(struct guard_keeper *k, unsigned id, const struct guard_interface *set,
		       size_t count, int lock)
{
	_cleanup_(closep)
	struct guard_keeper keeper = GUARD_KEEPER_NONE, ends = GUARD_KEEPER_NONE;
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) < 0)
		return -errno;
	keeper.tell = to[1];
	ends.hear = to[0];
	if (pipe2(from, O_CLOEXEC) < 0)
		return -errno;
	keeper.hear = from[0];
	ends.tell = from[1];
	keeper.pid = fork();
	if (keeper.pid < 0)
		return -errno;
	if (!keeper.pid)
		keep(ends.hear, ends.tell, lock, id, set, count);
	*k = take(&keeper);
	return 0;
}

bool guard_keeper_lives(const struct guard_keeper *k)
{
	struct pollfd p = {.fd = k->hear, .events = POLLIN};

	return k->pid && poll(&p, 1, 0) == 0;
}

void guard_keeper_dismiss(struct guard_keeper *k)
{
	const char told = TELL_DISMISS;

	if (k->pid && write(k->tell, &told, 1) < 0)
		log_emit(LOG_LEVEL_WARN, errno, "guard: the keeper does not hear");
	forget(k);
}

static int answer(const struct guard_keeper *k)
{
	struct pollfd p = {.fd = k->hear, .events = POLLIN};
	char said = 0;

	if (poll(&p, 1, END_MS) <= 0)
		return -ETIMEDOUT;
	if (read(k->hear, &said, 1) != 1)
		return -ESRCH;
	return said == SAY_DONE ? 0 : -EIO;
}

int guard_keeper_end(struct guard_keeper *k)
{
	const char told = TELL_DETACH;
	int err = -ESRCH;

	if (guard_keeper_lives(k) && write(k->tell, &told, 1) == 1)
		err = answer(k);
	forget(k);
	return err;
}
