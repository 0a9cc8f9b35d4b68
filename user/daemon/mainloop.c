/* SPDX-License-Identifier: BSD-2-Clause */
/* The main thread between start and stop. See mainloop.h. */
#include "daemon/mainloop.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "access/access_log.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/control.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "daemon/server_command.h"
#include "daemon/status.h"
#include "listen/bind_unix.h"
#include "listen/why.h"

/* How often the lines that were left out are looked for. */
#define SWEEP_MS 30000

/* Without a descriptor for a client, the control socket is left alone for so long. */
#define CONTROL_PAUSE_MS 200

/* Signals without a meaning for kedge: their default would end it at once, with all requests. */
static void signals_ignore(void)
{
	static const int ignored[] = {
		SIGPIPE, SIGUSR2, SIGALRM,   SIGVTALRM, SIGPROF,
		SIGIO,   SIGPWR,  SIGSTKFLT, SIGXFSZ /* the access log gets EFBIG instead */};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
		signal(i, SIG_IGN);
}

int mainloop_signals(void)
{
	sigset_t set;

	signals_ignore();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT); /* container images of nginx use it as STOPSIGNAL */
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL); /* the workers inherit this */
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The workers learn of it at once: idle legs to a server that is taken out end now. */
static json_t *change_server(struct daemon *d, const char *args)
{
	json_t *said = server_command(d->generation, args);

	for (unsigned i = 0; i < d->workers_made; i++)
		worker_servers(&d->workers[i]);
	return said;
}

static const char *no_reload(const struct daemon *d)
{
	return d->draining ? "draining: no reload any more" : "shutting down: no reload any more";
}

static json_t *answer(const char *command, void *arg)
{
	struct daemon *d = arg;

	if (!strcmp(command, "status"))
		return status_json(d);
	if (!strcmp(command, "reload") && d->stopping)
		return json_pack("{s:b, s:s}", "ok", 0, "error", no_reload(d));
	if (!strcmp(command, "reload"))
		return reload(d);
	if (!strcmp(command, "server"))
		return server_command(d->generation, "");
	if (!strncmp(command, "server ", strlen("server ")))
		return change_server(d, command + strlen("server "));
	return NULL;
}

static void say_draining(const struct daemon *d)
{
	const uint32_t ms = d->conf->drain_timeout_ms;
	const bool seconds = ms % 1000 == 0;
	const uint64_t open = status_open(d);

	if (!open) {
		log_info("draining: no new connections; none is open");
		return;
	}
	log_info("draining: no new connections; up to %u %s for %" PRIu64 " open connection%s "
		 "(the same signal again ends it at once)",
		 seconds ? ms / 1000 : ms, seconds ? "s" : "ms", open, open == 1 ? "" : "s");
}

static void drain(struct daemon *d)
{
	d->draining = true;
	d->drain_at_ms = 0;
	notify_stopping("draining", d->conf->drain_timeout_ms);
	say_draining(d);
	/* First: nobody comes in between, and the next kedge may have its own there. */
	bind_unix_keep(NULL);
	for (unsigned i = 0; i < d->workers_made; i++)
		worker_drain(&d->workers[i]);
}

/* Clients may still come: a balancer has to see first that kedge is not ready any more. */
static void shut_down(struct daemon *d)
{
	const uint32_t delay_ms = d->conf->shutdown_delay_ms;

	__atomic_store_n(&d->stopping, true, __ATOMIC_RELEASE);
	if (!delay_ms) {
		drain(d);
		return;
	}
	d->drain_at_ms = monotonic_ms() + delay_ms;
	notify_stopping("shutting down", (uint64_t)delay_ms + d->conf->drain_timeout_ms);
	log_info("shutting down: not ready any more, but clients are served for %u ms "
		 "(shutdown-delay-ms; a second signal ends the wait)",
		 delay_ms);
	for (unsigned i = 0; i < d->workers_made; i++)
		worker_closing(&d->workers[i]);
}

static void reopen_logs(struct daemon *d)
{
	if (d->shared.access)
		access_log_reopen(d->shared.access);
}

static int end_at_once(unsigned number)
{
	log_error("second signal %u: not waiting any longer", number);
	return -EINTR;
}

static void skip_delay(struct daemon *d, unsigned number)
{
	log_info("second signal %u: not waiting for the rest of shutdown-delay-ms", number);
	drain(d);
}

/* -EINTR after one more signal while it drains: kedge ends at once. */
static int obey_signals(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (read(d->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			reopen_logs(d);
		else if (info.ssi_signo == SIGHUP && d->stopping)
			log_warn("%s", no_reload(d));
		else if (info.ssi_signo == SIGHUP)
			json_decref(reload(d));
		else if (d->draining)
			return end_at_once(info.ssi_signo);
		else if (d->stopping)
			skip_delay(d, info.ssi_signo);
		else
			shut_down(d);
	}
	return 0;
}

/* The sooner of two times for poll(2); -1 means none. */
static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Until the drain is due; -1: no delay runs. */
static int delay_wait_ms(const struct daemon *d, uint64_t now)
{
	if (!d->drain_at_ms)
		return -1;
	return d->drain_at_ms > now ? (int)(d->drain_at_ms - now) : 0;
}

/* Why connections failed, where their lines were left out. now_ms UINT64_MAX: it is the end. */
static void say_left_out(const struct daemon *d, uint64_t now_ms)
{
	const struct conf *conf = d->conf;

	for (size_t i = 0; i < conf->listeners_count; i++)
		why_say_rest(d->generation->tallies[i], conf->listeners[i].name, now_ms);
}

/* How long poll(2) may wait. Leaves the control socket out during its pause. */
static int wait_ms(const struct daemon *d, struct pollfd *control)
{
	uint64_t now = monotonic_ms();
	int wait = sooner(watchdog_wait_ms(&d->watchdog), guard_wait_ms(d->shared.guard));

	wait = sooner(wait, delay_wait_ms(d, now));
	wait = sooner(wait, SWEEP_MS);
	control->fd = d->control_fd;
	if (now >= d->control_again_ms)
		return wait;
	control->fd = -1;
	control->revents = 0;
	return sooner(wait, (int)(d->control_again_ms - now));
}

static int serve(struct daemon *d)
{
	struct pollfd fds[] = {
		{.fd = d->signal_fd, .events = POLLIN},
		{.fd = d->shared.done_fd, .events = POLLIN},
		{.fd = d->control_fd, .events = POLLIN},
	};
	uint64_t n;
	int err;

	while (daemon_workers_running(d)) {
		if (poll(fds, 3, wait_ms(d, &fds[2])) < 0 && errno != EINTR)
			return log_err(errno, "main loop: poll failed");
		watchdog_run(&d->watchdog, d->workers, d->workers_made);
		guard_run(d->shared.guard);
		say_left_out(d, monotonic_ms());
		err = obey_signals(d);
		if (err)
			return err;
		if (!delay_wait_ms(d, monotonic_ms()))
			drain(d);
		if (fds[1].revents && read(d->shared.done_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
			return log_err(errno, "main loop: eventfd");
		if (fds[2].revents & POLLIN && control_serve(d->control_fd, answer, d) < 0)
			d->control_again_ms = monotonic_ms() + CONTROL_PAUSE_MS;
	}
	if (d->draining)
		return 0;
	log_error("all workers have ended: a fault of kedge, please report it");
	return -EIO;
}

/* Serves the control socket until a signal came and every worker has ended. */
int mainloop_run(struct daemon *d)
{
	int err = serve(d);

	say_left_out(d, UINT64_MAX);
	return err;
}
