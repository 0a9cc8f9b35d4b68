/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kedge run: start and stop order of the daemon. What a connection goes through stands in conn.h.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "access/access_log.h"
#include "daemon/capabilities.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/config_load.h"
#include "daemon/cmd.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "base/log.h"
#include "metrics/metrics_server.h"
#include "daemon/privileges.h"
#include "daemon/reload.h"
#include "listen/sockets.h"
#include "daemon/status.h"

/* Out of descriptors: how long nobody is heard at the control socket, instead of spinning. */
#define CONTROL_PAUSE_MS 200

/* Signals that mean nothing to kedge would end it at once, requests and all. */
static void signals_ignore(void)
{
	static const int ignored[] = {
		SIGPIPE, SIGUSR2, SIGALRM,   SIGVTALRM, SIGPROF,
		SIGIO,   SIGPWR,  SIGSTKFLT, SIGXFSZ /* the access log hears EFBIG */};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
		signal(i, SIG_IGN);
}

static int signals_open(void)
{
	sigset_t set;

	signals_ignore();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT); /* images of nginx have it as their STOPSIGNAL */
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL); /* the workers inherit this */
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Not a capability that could be done without: who asks for it is told when it can not be had. */
static int guard_start(struct daemon *d)
{
	char why[256];
	int err = 0;

	if (d->conf->guard.mode != GUARD_OFF)
		err = guard_open(&d->shared.guard, d->conf, why);
	if (err)
		log_error("guard: %s", why);
	return err;
}

/* --- workers ---------------------------------------------------------------------------------- */

static int rows_init(struct daemon *d)
{
	unsigned n = d->conf->workers;

	d->rows = calloc(n, sizeof(*d->rows));
	d->shared.metrics = metrics_new(n);
	if (!d->rows || !d->shared.metrics)
		return -ENOMEM;
	if (!d->shared.bpf) {
		d->own_stats = aligned_alloc(64, n * sizeof(*d->own_stats));
		if (!d->own_stats)
			return -ENOMEM;
		memset(d->own_stats, 0, n * sizeof(*d->own_stats));
	}
	for (unsigned i = 0; i < n; i++)
		d->rows[i] = d->own_stats ? &d->own_stats[i] : kbpf_stats(d->shared.bpf, i);
	return 0;
}

/* What a reload does as well, for the first generation. */
static int listeners_init(struct daemon *d)
{
	struct sockets *sockets = NULL;
	struct doors *set;
	int err = sockets_open(&sockets, d->conf, NULL, &d->passed);

	for (unsigned i = 0; !err && i < d->workers_made; i++) {
		err = doors_new(&set, &d->workers[i].acceptor, d->generation);
		if (err)
			break;
		err = doors_give(set, sockets, i, NULL, NULL);
		if (err)
			doors_free(set);
		else
			worker_post(&d->workers[i], set);
	}
	sockets_close(sockets);
	activation_warn_unused(&d->passed);
	return err;
}

/* Now that the ports are known that the kernel chose. */
static int guard_begin(struct daemon *d)
{
	struct guard *guard = d->shared.guard;
	_cleanup_(freep)
	uint16_t *ports = guard ? doors_ports(d->workers[0].doors) : NULL;
	char why[256];

	if (!guard)
		return 0;
	if (!ports)
		return log_err(ENOMEM, "guard");
	if (guard_prepare(guard, d->conf, ports, why) < 0)
		return log_error("guard: %s", why), -EINVAL;
	guard_commit(guard, d->conf);
	guard_arm(guard, d->conf);
	return 0;
}

static int access_start(struct daemon *d)
{
	return d->shared.access ? access_log_start(d->shared.access, d->rows) : 0;
}

static int workers_init(struct daemon *d)
{
	unsigned n = d->conf->workers;
	struct worker *workers;
	int err = rows_init(d);

	if (err)
		return err;
	workers = calloc(n, sizeof(*workers));
	if (!workers)
		return -ENOMEM;
	d->workers = workers;
	for (unsigned i = 0; !err && i < n; i++) {
		d->workers_made = i + 1;
		err = worker_init(&d->workers[i], i, &d->shared, d->rows[i]);
	}
	return err ? err : listeners_init(d);
}

static int workers_start(struct daemon *d)
{
	int err = 0;

	for (unsigned i = 0; !err && i < d->workers_made; i++)
		err = worker_start(&d->workers[i]);
	return err;
}

/* --- until a signal ends it ------------------------------------------------------------------- */

static json_t *answer(const char *command, void *arg)
{
	struct daemon *d = arg;

	if (!strcmp(command, "status"))
		return status_json(d);
	if (!strcmp(command, "reload") && d->draining)
		return json_pack("{s:b, s:s}", "ok", 0, "error", "draining: no reload any more");
	if (!strcmp(command, "reload"))
		return reload(d);
	return NULL;
}

static unsigned workers_running(const struct daemon *d)
{
	unsigned running = 0;

	for (unsigned i = 0; i < d->workers_made; i++)
		running += d->workers[i].started &&
			   !__atomic_load_n(&d->workers[i].ended, __ATOMIC_ACQUIRE);
	return running;
}

static void drain(struct daemon *d)
{
	d->draining = true;
	notify_stopping(d->conf->drain_timeout_ms);
	log_info("draining: no new connections; %u s for running requests",
		 d->conf->drain_timeout_ms / 1000);
	for (unsigned i = 0; i < d->workers_made; i++)
		worker_drain(&d->workers[i]);
}

static void reopen_logs(struct daemon *d)
{
	if (d->shared.access)
		access_log_reopen(d->shared.access);
}

/* -EINTR: it shall end at once. */
static int obey_signals(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (read(d->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			reopen_logs(d);
		else if (info.ssi_signo == SIGHUP && d->draining)
			log_warn("draining: no reload any more");
		else if (info.ssi_signo == SIGHUP)
			json_decref(reload(d));
		else if (d->draining)
			return log_err(EINTR, "second signal %u: not waiting any longer",
				       info.ssi_signo);
		else
			drain(d);
	}
	return 0;
}

/* Of two times for poll(2), each -1 where there is none. */
static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* How long poll(2) may take; who asks is left alone while there is no descriptor for him. */
static int wait_ms(const struct daemon *d, struct pollfd *control)
{
	uint64_t now = monotonic_ms();
	int wait = sooner(watchdog_wait_ms(&d->watchdog), guard_wait_ms(d->shared.guard));

	control->fd = d->control_fd;
	if (now >= d->control_again_ms)
		return wait;
	control->fd = -1;
	control->revents = 0;
	return sooner(wait, (int)(d->control_again_ms - now));
}

/* Serves the control socket until a signal came and every worker has ended. */
static int serve(struct daemon *d)
{
	struct pollfd fds[] = {
		{.fd = d->signal_fd, .events = POLLIN},
		{.fd = d->shared.done_fd, .events = POLLIN},
		{.fd = d->control_fd, .events = POLLIN},
	};
	uint64_t n;
	int err;

	while (workers_running(d)) {
		if (poll(fds, 3, wait_ms(d, &fds[2])) < 0 && errno != EINTR)
			return log_err(errno, "main loop: poll failed");
		watchdog_run(&d->watchdog, d->workers, d->workers_made);
		guard_run(d->shared.guard);
		err = obey_signals(d);
		if (err)
			return err;
		if (fds[1].revents && read(d->shared.done_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
			return log_err(errno, "main loop: eventfd");
		if (fds[2].revents & POLLIN && control_serve(d->control_fd, answer, d) < 0)
			d->control_again_ms = monotonic_ms() + CONTROL_PAUSE_MS;
	}
	return d->draining ? 0 : log_err(EIO, "every worker ended by itself");
}

/* An unprivileged kedge, or one on a read-only file system, may well have no place for the default
 * socket: it runs without one. */
static bool has_no_place(int err)
{
	return err == -EROFS || (geteuid() != 0 && (err == -EACCES || err == -ENOENT));
}

static int control_open(struct daemon *d)
{
	const char *path = d->conf->control;
	int fd = control_listen(path);

	d->control_fd = fd < 0 ? -1 : fd;
	if (fd == -EADDRINUSE)
		return log_err(
			fd, "control socket %s: another kedge answers there (set --control PATH)",
			path);
	if (has_no_place(fd)) {
		log_emit(LOG_LEVEL_WARN, -fd,
			 "control socket %s: no kedge status (set --control PATH)", path);
		return 0;
	}
	return fd < 0 ? log_err(fd, "control socket %s: cannot be made (set --control PATH or off)",
				path)
		      : 0;
}

static int metrics_start(struct daemon *d)
{
	const struct metrics_source source = {
		.rows = daemon_rows(d),
		.rows_count = d->conf->workers,
		.metrics = d->shared.metrics,
		.record_kernel = d->shared.record_kernel,
		.edit_kernel = d->shared.edit_kernel,
		.bypass = d->shared.bypass,
		.peername = d->shared.peername ? peername_stats(d->shared.peername) : NULL,
		.guard = d->shared.guard,
		.started = time(NULL),
	};

	return d->metrics ? metrics_server_start(d->metrics, &source) : 0;
}

/* Where logs and metrics go. */
static int outlets_open(struct daemon *d)
{
	const struct conf *conf = d->conf;
	int err = 0;

	if (conf->access_log)
		err = access_log_open(&d->shared.access, conf->access_log, conf->access_log_format,
				      conf->workers);
	if (!err && conf->metrics.family != AF_UNSPEC)
		err = metrics_server_open(&d->metrics, &conf->metrics);
	return err;
}

/* In the order of need: listening sockets come last but two: nobody is accepted by half a daemon,
 * or by one that still has its privileges. Threads come after that, since each has its own. */
static int start(struct daemon *d)
{
	const struct conf *conf = d->conf;
	int err;

	d->signal_fd = signals_open();
	d->shared.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->signal_fd < 0 || d->shared.done_fd < 0)
		return log_err(errno, "start: no descriptor");
	err = activation_take(&d->passed);
	if (err)
		return err;
	privileges_expect(conf);
	limits_raise_descriptors();
	limits_warn_descriptors(conf);
	d->shared.limits = &d->limits;
	if (limits_init(&d->limits) < 0)
		return log_err(ENOMEM, "start");
	err = capabilities_decide(d);
	/* Forks the guard's keeper, which shall hold no secret: keys are read after it. */
	err = err ? err : guard_start(d);
	err = err ? err : tls_shared_init(&d->generation->tls, d->conf, &d->record_caps);
	if (!err && conf->control)
		err = control_open(d);
	err = err ? err : outlets_open(d);
	err = err ? err : workers_init(d);
	err = err ? err : guard_begin(d);
	err = err ? err : privileges_drop(conf, &d->shared);
	err = err ? err : access_start(d);
	err = err ? err : workers_start(d);
	return err ? err : metrics_start(d);
}

static void control_close(struct daemon *d)
{
	if (d->control_fd < 0)
		return;
	close(d->control_fd);
	unlink(d->conf->control);
	d->control_fd = -1;
}

static void stop(struct daemon *d)
{
	for (unsigned i = 0; i < d->workers_made; i++)
		worker_fini(&d->workers[i]);
	free(d->workers);
	metrics_server_close(d->metrics);
	access_log_close(d->shared.access);
	metrics_free(d->shared.metrics);
	control_close(d);
	guard_close(d->shared.guard);
	peername_close(d->shared.peername);
	kbpf_close(d->shared.bpf);
	free(d->rows);
	free(d->own_stats);
	limits_fini(&d->limits);
	activation_close(&d->passed);
	close_fdp(&d->signal_fd);
	close_fdp(&d->shared.done_fd);
	generation_put(d->generation);
}

static void say_ready(struct daemon *d)
{
	char text[256];

	snprintf(text, sizeof(text), "%zu listeners, %u workers, application %s",
		 d->conf->listeners_count, d->conf->workers, d->conf->app_name);
	log_info("ready: %s, pid %d", text, getpid());
	watchdog_start(&d->watchdog);
	notify_ready(text);
}

int cmd_run(int argc, char **argv)
{
	struct daemon d = {.argc = argc,
			   .argv = argv,
			   .signal_fd = -1,
			   .control_fd = -1,
			   .shared.done_fd = -1};
	struct conf *conf;
	int err = config_load(&conf, argc, argv);

	if (err)
		return err > 0 ? EXIT_DONE : EXIT_USAGE;
	log_set_level(conf->log_level);
	d.generation = generation_new(conf, 1);
	if (!d.generation)
		return log_err(ENOMEM, "start"), EXIT_FAILED;
	d.conf = conf;
	err = start(&d);
	if (!err) {
		say_ready(&d);
		err = serve(&d);
	}
	if (err && workers_running(&d)) {
		/* Threads still run: let the kernel take back all but what has a name. */
		kbpf_unpin(d.shared.bpf);
		peername_unpin(d.shared.peername);
		guard_leave(d.shared.guard);
		control_close(&d);
		_exit(EXIT_FAILED);
	}
	stop(&d);
	if (!err)
		log_info("stopped");
	return err ? EXIT_FAILED : EXIT_DONE;
}
