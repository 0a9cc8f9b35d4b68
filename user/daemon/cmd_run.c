/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge run: the order of start and stop. conn.h describes the way of a connection. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "access/access_log.h"
#include "app/resolve.h"
#include "daemon/capabilities.h"
#include "base/cleanup.h"
#include "base/denied.h"
#include "base/clock.h"
#include "config/config_load.h"
#include "daemon/cmd.h"
#include "daemon/cmd_run.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "base/log.h"
#include "bpf/peername.h"
#include "metrics/metrics_server.h"
#include "daemon/log_setup.h"
#include "daemon/mainloop.h"
#include "daemon/preflight.h"
#include "daemon/privileges.h"
#include "daemon/show.h"
#include "listen/bind_unix.h"
#include "listen/sockets.h"

/* The guard has no fallback: if it is configured and fails, kedge does not start. */
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
	metrics_app_unix(d->shared.metrics, conf_all_unix(d->conf));
	for (unsigned i = 0; i < n; i++)
		d->rows[i] = d->own_stats ? &d->own_stats[i] : kbpf_stats(d->shared.bpf, i);
	return 0;
}

/* Opens the listeners of the first generation. reload.c does it for later ones. */
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
	if (!err)
		cert_figures_set(&d->certs, d->workers[0].doors);
	sockets_close(sockets);
	activation_warn_unused(&d->passed);
	return err;
}

/* Called when the ports that the kernel chose are known. */
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
	d->shared.workers = workers;
	d->shared.workers_count = n;
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

/* --- begin and end ---------------------------------------------------------------------------- */

/*
 * An unprivileged kedge, or one on a read-only file system, may have no place for the default
 * socket. It runs without one.
 */
static bool has_no_place(int err)
{
	return err == -EROFS || (geteuid() != 0 && (err == -EACCES || err == -ENOENT));
}

static int control_open(struct daemon *d)
{
	const char *path = d->conf->control;
	int fd = control_listen(path);
	char why[DENIED_TEXT];

	d->control_fd = fd < 0 ? -1 : fd;
	if (fd == -EADDRINUSE)
		return log_err(
			fd, "control socket %s: another process listens there (set --control PATH)",
			path);
	if (has_no_place(fd)) {
		log_warn("control socket %s: cannot be made, so kedge status and kedge reload will "
			 "not work (set --control PATH): %s%s%s",
			 path, strerror(-fd), fd == -EACCES ? ": " : "",
			 fd == -EACCES ? denied_text(why, path, DENIED_WRITE) : "");
		return 0;
	}
	if (fd == -EACCES)
		return log_error("control socket %s: cannot be made (set --control PATH or off): "
				 "%s: %s",
				 path, strerror(-fd), denied_text(why, path, DENIED_WRITE)),
		       fd;
	return fd < 0 ? log_err(fd, "control socket %s: cannot be made (set --control PATH or off)",
				path)
		      : 0;
}

static int checks_start(struct daemon *d)
{
	int err;

	d->checks = checks_new();
	if (!d->checks)
		return log_err(ENOMEM, "checks");
	err = checks_prepare(d->checks, d->generation->apps, d->conf->apps_count);
	if (!err)
		checks_commit(d->checks);
	return err;
}

static int names_start(struct daemon *d)
{
	int err;

	d->names = names_new();
	if (!d->names)
		return log_err(ENOMEM, "names of servers");
	err = names_prepare(d->names, d->generation->apps, d->conf->apps_count);
	if (!err)
		names_commit(d->names);
	return err;
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
		.servers = server_figures_each,
		.apps = server_figures_each_app,
		.servers_arg = &d->figures,
		.certs = cert_figures_each,
		.certs_arg = &d->certs,
		.reloads = &d->reloads,
		.started = d->started,
		.stopping = &d->stopping,
	};

	server_figures_set(&d->figures, d->generation);
	return d->metrics ? metrics_server_start(d->metrics, &source) : 0;
}

/* Opens the access log and the metrics address. */
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

/*
 * The order matters. Workers accept only after the privileges are dropped and everything else is
 * open. Privileges belong to a thread, so threads start after the drop.
 */
static int start(struct daemon *d)
{
	const struct conf *conf = d->conf;
	int err;

	d->signal_fd = mainloop_signals();
	d->shared.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->signal_fd < 0 || d->shared.done_fd < 0)
		return log_err(errno, "start: no file descriptor");
	err = activation_take(&d->passed);
	if (err)
		return err;
	limits_raise_descriptors();
	limits_warn_descriptors(conf);
	d->shared.limits = &d->limits;
	err = limits_init(&d->limits);
	if (err)
		return log_err(err, "start: the table of clients");
	err = capabilities_decide(d);
	/* Forks the guard's keeper before the keys are read, so that it holds no secret. */
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
	err = err ? err : checks_start(d);
	err = err ? err : names_start(d);
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
	names_close(d->names);
	checks_close(d->checks);
	for (unsigned i = 0; i < d->workers_made; i++)
		worker_fini(&d->workers[i]);
	free(d->workers);
	metrics_server_close(d->metrics);
	server_figures_set(&d->figures, NULL);
	cert_figures_set(&d->certs, NULL);
	json_decref(d->restart);
	access_log_close(d->shared.access);
	metrics_free(d->shared.metrics);
	bind_unix_keep(NULL);
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
	char text[128 + CONF_APPS_TEXT], apps[CONF_APPS_TEXT], listeners[48], workers[48];

	conf_apps_text(apps, d->conf);
	show_plural(listeners, sizeof(listeners), d->conf->listeners_count, "listener",
		    "listeners");
	show_plural(workers, sizeof(workers), d->conf->workers, "worker", "workers");
	snprintf(text, sizeof(text), "%s, %s, %s", listeners, workers, apps);
	log_info("ready: %s, pid %d", text, getpid());
	watchdog_start(&d->watchdog);
	notify_ready(text);
}

/* Warnings about the configuration are written as it says. As config_load(). */
static int load_conf(struct conf **conf, int argc, char **argv)
{
	struct log_hold hold;
	int err;

	log_hold_begin(&hold);
	err = config_load(conf, argc, argv);
	if (!err)
		log_setup(*conf);
	log_hold_end(&hold);
	return err;
}

/*
 * Before anything on the system is touched, and while the name service may load what it needs.
 * EXIT_DONE to go on.
 */
static int find_mistakes(struct conf *conf)
{
	int places, err;

	privileges_expect(conf);
	places = preflight_places(conf);
	err = preflight_certs(conf);
	if (places || err)
		return places || preflight_is_mistake(err) ? EXIT_USAGE : EXIT_FAILED;
	err = resolve_servers(conf, &(struct resolve_wait){.ms = RESOLVE_MS});
	return !err ? EXIT_DONE : err == -ELOOP ? EXIT_USAGE : EXIT_FAILED;
}

int cmd_run(int argc, char **argv)
{
	struct daemon d = {.argc = argc,
			   .argv = argv,
			   .started = time(NULL),
			   .started_ms = monotonic_ms(),
			   .signal_fd = -1,
			   .control_fd = -1,
			   .figures.lock = PTHREAD_MUTEX_INITIALIZER,
			   .certs.lock = PTHREAD_MUTEX_INITIALIZER,
			   .reloads.last = (uint64_t)time(NULL),
			   .shared.done_fd = -1};
	struct conf *conf;
	int err = load_conf(&conf, argc, argv);

	if (err)
		return err > 0 ? EXIT_DONE : EXIT_USAGE;
	err = find_mistakes(conf);
	if (err != EXIT_DONE) {
		config_free(conf);
		return err;
	}
	d.generation = generation_new(conf, 1, conf->workers);
	if (!d.generation)
		return log_err(ENOMEM, "start"), EXIT_FAILED;
	d.conf = conf;
	err = start(&d);
	if (!err) {
		say_ready(&d);
		err = mainloop_run(&d);
	}
	if (err && daemon_workers_running(&d)) {
		/* Threads still run, so nothing is freed. Only things with a name are removed. */
		kbpf_unpin(d.shared.bpf);
		peername_unpin(d.shared.peername);
		guard_leave(d.shared.guard);
		bind_unix_keep(NULL);
		control_close(&d);
		_exit(EXIT_FAILED);
	}
	stop(&d);
	if (!err)
		log_info("stopped");
	return err ? EXIT_FAILED : EXIT_DONE;
}
