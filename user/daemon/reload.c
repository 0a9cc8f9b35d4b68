/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts a changed configuration in force. See reload.h. */
#include "daemon/reload.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/resolve.h"
#include "base/container_of.h"
#include "tls/certs_check.h"
#include "base/cleanup.h"
#include "config/config_diff.h"
#include "config/config_load.h"
#include "config/config_proxy.h"
#include "config/config_reuse.h"
#include "config/config_unix.h"
#include "base/log.h"
#include "base/log_journal.h"
#include "base/clock.h"
#include "daemon/json_text.h"
#include "daemon/log_setup.h"
#include "daemon/notify.h"
#include "listen/bind_unix.h"
#include "listen/sockets.h"

/* How long reload() waits for the workers to take over. A turn takes milliseconds. */
#define TAKE_MS 10000

/* One attempt. All of it is the main thread's until the sets are posted. */
struct attempt {
	struct daemon *d;
	struct log_tap tap;
	json_t *changed, *restart, *lines;
	struct generation *next;
	int *from; /* for each new listener the index of the old one, or -1 */
	struct sockets *sockets;
	struct doors **sets;   /* one a worker; NULL once posted */
	struct guard *guard;   /* has rules prepared; or NULL */
	struct checks *checks; /* the same */
	struct names *names;   /* the same */
};

static void hear(struct log_tap *tap, enum log_level level, const char *line)
{
	struct attempt *a = container_of(tap, struct attempt, tap);

	if (level <= LOG_LEVEL_WARN)
		json_array_append_new(a->lines, json_text(line));
}

/* --- what is not as it was -------------------------------------------------------------------- */

static void say_change(void *arg, enum config_change change, const char *text)
{
	struct attempt *a = arg;

	json_array_append_new(change == CONFIG_CHANGED ? a->changed : a->restart, json_text(text));
}

static void say_listener(struct attempt *a, const char *name, const char *what)
{
	char text[ADDR_TEXT_MAX + 64];

	snprintf(text, sizeof(text), "listener %s: %s", name, what);
	say_change(a, CONFIG_CHANGED, text);
}

static void say_removed(struct attempt *a)
{
	const struct conf *before = a->d->conf, *after = a->next->conf;

	for (size_t k = 0; k < before->listeners_count; k++) {
		bool kept = false;

		for (size_t i = 0; i < after->listeners_count; i++)
			kept |= a->from[i] == (int)k;
		if (!kept)
			say_listener(a, before->listeners[k].name, "removed");
	}
}

/* Which one an application was; NULL: it is new. */
static const struct conf_app *app_before(const struct conf *before, const struct conf_app *after)
{
	for (size_t i = 0; i < before->apps_count; i++)
		if (config_same_app(&before->apps[i], after))
			return &before->apps[i];
	return NULL;
}

/* Servers with the same name, and another address. */
static void say_moved(struct attempt *a, const struct conf_app *before,
		      const struct conf_app *after)
{
	const struct generation *g = a->d->generation;
	const struct servers *now = &g->apps[before - g->conf->apps];
	char was[ADDR_TEXT_MAX], is[ADDR_TEXT_MAX];
	union addr buf;
	char text[CONFIG_SERVER_NAME_SIZE + sizeof(was) + sizeof(is) + 16];

	for (size_t i = 0; i < after->servers.count; i++)
		for (size_t k = 0; k < before->servers.count; k++) {
			const struct conf_server *s = &after->servers.set[i];

			if (!s->host || strcmp(s->name, before->servers.set[k].name))
				continue;
			addr_format(was,
				    server_addr(now->set[k], &before->servers.set[k].addr, &buf));
			addr_format(is, &s->addr);
			if (!strcmp(was, is))
				continue;
			snprintf(text, sizeof(text), "app: %s: %s -> %s", s->name, was, is);
			say_change(a, CONFIG_CHANGED, text);
		}
}

static void say_app_text(struct attempt *a, const struct conf_app *app, const char *what)
{
	char text[CONFIG_SERVER_NAME_SIZE + 32];

	snprintf(text, sizeof(text), "application %s: %s", app->name, what);
	if (app->named)
		say_change(a, CONFIG_CHANGED, text);
}

static int compare_apps(struct attempt *a)
{
	const struct conf *before = a->d->conf;
	struct conf *after = a->next->conf;
	int err = 0;

	for (size_t i = 0; !err && i < after->apps_count; i++) {
		const struct conf_app *was = app_before(before, &after->apps[i]);

		if (!was) {
			say_app_text(a, &after->apps[i], "added");
			continue;
		}
		err = config_diff_app(was, &after->apps[i], say_change, a);
		say_moved(a, was, &after->apps[i]);
	}
	for (size_t i = 0; before->apps && i < before->apps_count; i++)
		if (!app_before(after, &before->apps[i]))
			say_app_text(a, &before->apps[i], "removed");
	return err;
}

/* The BPF maps keep the size that they were made with. */
static void bound_connections(struct attempt *a, struct conf *after)
{
	unsigned made_for = a->d->shared.flows_max;
	char text[128];

	if (!made_for || after->connections_max <= made_for)
		return;
	snprintf(text, sizeof(text),
		 "connections-max: %u -> %u: the BPF maps were made for %u connections",
		 a->d->conf->connections_max, after->connections_max, made_for);
	say_change(a, CONFIG_NEEDS_RESTART, text);
	after->connections_max = made_for;
}

/* Said once if it is that of all listeners. */
static int compare_app_texts(struct attempt *a)
{
	const struct conf *before = a->d->conf;
	struct conf *after = a->next->conf;
	const bool all = before->apps_count == 1 && after->apps_count == 1;
	int err = 0;

	for (size_t i = 0; !err && i < after->listeners_count; i++) {
		if (a->from[i] < 0)
			continue;
		err = config_diff_app_of(&before->listeners[a->from[i]], &after->listeners[i], all,
					 say_change, a);
		if (all)
			break;
	}
	return err;
}

static int compare(struct attempt *a)
{
	const struct conf *before = a->d->conf;
	struct conf *after = a->next->conf;
	int err;

	a->from = calloc(after->listeners_count, sizeof(*a->from));
	if (!a->from)
		return log_err(ENOMEM, "reload");
	config_match_listeners(a->from, before, after);
	generation_inherit(a->next, a->d->generation, a->from);
	bound_connections(a, after);
	err = compare_app_texts(a);
	err = err ? err : config_diff(before, after, say_change, a);
	for (size_t i = 0; !err && i < after->listeners_count; i++) {
		if (a->from[i] < 0)
			say_listener(a, after->listeners[i].name, "added");
		else
			err = config_diff_listener(&before->listeners[a->from[i]],
						   &after->listeners[i], say_change, a);
	}
	say_removed(a);
	err = err ? err : compare_apps(a);
	return err ? log_err(err, "reload") : 0;
}

/* NULL without TLS. */
static struct tls_ctx *tls_at(const struct doors *doors, size_t listener)
{
	return doors->doors[listener]->service->tls;
}

/* Compares contents, since names may be the same. All workers must have read the same files. */
static int compare_certs(struct attempt *a)
{
	const struct doors *before = a->d->workers[0].doors;

	for (size_t i = 0; i < a->sets[0]->count; i++) {
		const char *name = a->next->conf->listeners[i].name;
		uint8_t was[TLS_DIGEST_BYTES], is[TLS_DIGEST_BYTES], other[TLS_DIGEST_BYTES];

		tls_ctx_digest(tls_at(a->sets[0], i), is);
		for (unsigned w = 1; w < a->d->workers_made; w++) {
			tls_ctx_digest(tls_at(a->sets[w], i), other);
			if (memcmp(is, other, sizeof(is)))
				return log_error("listener %s: certificates changed while they "
						 "were read: reload again",
						 name),
				       -EAGAIN;
		}
		if (!tls_at(a->sets[0], i))
			continue;
		if (a->from[i] >= 0) {
			tls_ctx_digest(tls_at(before, (size_t)a->from[i]), was);
			if (!memcmp(was, is, sizeof(is)))
				continue;
			say_listener(a, name, "new certificates");
		}
		if (!certs_seen_before(a->next->conf, i))
			tls_ctx_warn(tls_at(a->sets[0], i));
	}
	return 0;
}

/* --- all that can fail ------------------------------------------------------------------------ */

/* While a name is looked up: what the main loop does all the time. */
static void go_on(void *arg)
{
	struct daemon *d = arg;

	watchdog_run(&d->watchdog, d->workers, d->workers_made);
	guard_run(d->shared.guard);
}

static int load(struct attempt *a)
{
	struct daemon *d = a->d;
	const struct resolve_wait wait = {.ms = RESOLVE_MS, .meanwhile = go_on, .arg = d};
	struct conf *conf;

	if (config_load(&conf, d->argc, d->argv))
		return -EINVAL;
	a->next = generation_new(conf, d->generation->number + 1, d->workers_made);
	if (!a->next)
		return log_err(ENOMEM, "reload");
	if (certs_check(conf, false) < 0)
		return -EINVAL;
	if (resolve_servers(conf, &wait) < 0)
		return -EINVAL;
	return tls_shared_next(&a->next->tls, &d->generation->tls, conf);
}

/* load() has checked everything: messages about the workers' copies would only repeat it. */
static int make_sets(struct attempt *a)
{
	struct daemon *d = a->d;
	int err = 0;

	a->sets = calloc(d->workers_made, sizeof(*a->sets));
	if (!a->sets)
		return log_err(ENOMEM, "reload");
	a->tap.quiet = true;
	for (unsigned w = 0; !err && w < d->workers_made; w++)
		err = doors_new(&a->sets[w], &d->workers[w].acceptor, a->next);
	a->tap.quiet = false;
	return err ? log_err(err, "reload: TLS contexts") : 0;
}

static int prepare_guard(struct attempt *a)
{
	struct guard *guard = a->d->shared.guard;
	_cleanup_(freep)
	uint16_t *ports = guard ? doors_ports(a->sets[0]) : NULL;
	char why[256];

	if (!guard)
		return 0;
	if (!ports)
		return log_err(ENOMEM, "reload");
	if (guard_prepare(guard, a->next->conf, ports, why) < 0)
		return log_error("guard: %s", why), -EINVAL;
	a->guard = guard;
	guard_warn_uncovered(guard, a->next->conf);
	return 0;
}

static int prepare_checks(struct attempt *a)
{
	a->checks = a->d->checks;
	return checks_prepare(a->checks, a->next->apps, a->next->conf->apps_count);
}

static int prepare_names(struct attempt *a)
{
	a->names = a->d->names;
	return names_prepare(a->names, a->next->apps, a->next->conf->apps_count);
}

/* Policies keep their old values until a restart. They may exclude what is new. */
static int check_conflicts(const struct attempt *a)
{
	char why[WHY_MAX];
	const char *option = config_unix_conflict(a->next->conf, why);

	if (!option)
		option = config_proxy_conflict(a->next->conf, why);
	if (!option)
		option = config_reuse_conflict(a->next->conf, why);
	if (!option)
		return 0;
	log_error("%s: %s (and restart: a reload does not change %s)", option, why, option);
	return -EINVAL;
}

static int prepare(struct attempt *a)
{
	struct daemon *d = a->d;
	int err = load(a);

	err = err ? err : compare(a);
	err = err ? err : check_conflicts(a);
	err = err ? err : make_sets(a);
	err = err ? err : compare_certs(a);
	/* Last, because from here on clients may connect to new listeners. */
	err = err ? err : sockets_open(&a->sockets, a->next->conf, a->from, &d->passed);
	for (unsigned w = 0; !err && w < d->workers_made; w++)
		err = doors_give(a->sets[w], a->sockets, w, d->workers[w].doors, a->from);
	err = err ? err : prepare_checks(a);
	err = err ? err : prepare_names(a);
	return err ? err : prepare_guard(a);
}

/* --- what cannot ------------------------------------------------------------------------------ */

static bool any_waits(const struct daemon *d)
{
	for (unsigned w = 0; w < d->workers_made; w++)
		if (worker_waits(&d->workers[w]))
			return true;
	return false;
}

/* Waits, so that the new configuration is in force when the client gets its answer. */
static void wait_taken(struct daemon *d)
{
	struct pollfd p = {.fd = d->shared.done_fd, .events = POLLIN};
	uint64_t until = monotonic_ms() + TAKE_MS, now = monotonic_ms(), n;

	while (any_waits(d) && now < until) {
		if (poll(&p, 1, (int)(until - now)) > 0 &&
		    read(d->shared.done_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
			break;
		now = monotonic_ms();
	}
	if (any_waits(d))
		log_warn("reload: a worker is busy and will take the new configuration later");
}

/* At the start, the line about capabilities says it. */
static void say_unix(const struct conf *before, const struct conf *after)
{
	if (conf_all_unix(after) && !conf_all_unix(before))
		log_info("application %s: a unix socket, which BPF does not see: kedge itself "
			 "edits requests; no bypass, no peername",
			 after->apps[0].servers.set[0].name);
}

static void commit(struct attempt *a)
{
	struct daemon *d = a->d;
	struct generation *before = d->generation;

	if (a->guard)
		guard_commit(take_ptr(a->guard), a->next->conf);
	cert_figures_set(&d->certs, a->sets[0]);
	/* Before the workers close them: who comes late finds no socket, and is not reset. */
	bind_unix_keep(a->next->conf);
	for (unsigned w = 0; w < d->workers_made; w++)
		worker_post(&d->workers[w], take_ptr(a->sets[w]));
	d->generation = take_ptr(a->next);
	d->conf = d->generation->conf;
	checks_commit(take_ptr(a->checks));
	names_commit(take_ptr(a->names));
	server_figures_set(&d->figures, d->generation);
	say_unix(before->conf, d->conf);
	metrics_app_unix(d->shared.metrics, conf_all_unix(d->conf));
	if (d->conf->connections_max > before->conf->connections_max)
		limits_warn_descriptors(d->conf);
	wait_taken(d);
	generation_put(before);
	log_setup(d->conf);
}

static void attempt_clear(struct attempt *a)
{
	for (unsigned w = 0; a->sets && w < a->d->workers_made; w++)
		doors_free(a->sets[w]);
	free(a->sets);
	if (a->guard)
		guard_cancel(a->guard);
	if (a->checks)
		checks_cancel(a->checks);
	if (a->names)
		names_cancel(a->names);
	sockets_close(a->sockets);
	bind_unix_keep(a->d->conf);
	free(a->from);
	generation_put(a->next);
}

static void log_texts(const char *what, const json_t *texts)
{
	for (size_t i = 0; i < json_array_size(texts); i++)
		log_info("reload: %s%s", what, json_string_value(json_array_get(texts, i)));
}

/* For the metrics' thread. */
static void count(struct metrics_reloads *r, bool refused)
{
	__atomic_add_fetch(refused ? &r->refused : &r->done, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&r->last_refused, refused, __ATOMIC_RELAXED);
	__atomic_store_n(&r->last, (uint64_t)time(NULL), __ATOMIC_RELAXED);
}

/* Each reload compares with what runs, so this is all of it. After a refused one, it still is. */
static void remember_restart(struct daemon *d, json_t *restart)
{
	json_decref(d->restart);
	d->restart = json_incref(restart);
	__atomic_store_n(&d->reloads.restart, json_array_size(restart), __ATOMIC_RELAXED);
}

json_t *reload(struct daemon *d)
{
	struct attempt a = {.d = d,
			    .tap.hear = hear,
			    .changed = json_array(),
			    .restart = json_array(),
			    .lines = json_array()};
	struct log_tap *outer = log_set_tap(&a.tap);
	int err;

	notify_reloading();
	if (any_waits(d)) {
		log_error("reload: a worker is busy and has not taken the last one yet");
		err = -EBUSY;
	} else {
		err = prepare(&a);
	}

	if (!err)
		commit(&a);
	count(&d->reloads, err != 0);
	log_set_tap(outer);
	attempt_clear(&a);
	if (err) {
		log_warn("reload: refused; configuration %u stays", d->generation->number);
		json_array_clear(a.changed);
		json_array_clear(a.restart);
	} else {
		remember_restart(d, a.restart);
		log_texts("", a.changed);
		log_texts("needs a restart: ", a.restart);
		log_info("reload: configuration %u is in force", d->generation->number);
	}
	notify_ready(err ? "a reload was refused: see the log" : "reloaded");
	return json_pack("{s:b, s:i, s:o, s:o, s:o}", "ok", !err, "generation",
			 (int)d->generation->number, "changed", a.changed, "restart", a.restart,
			 "lines", a.lines);
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_texts(FILE *to, const char *what, const json_t *texts)
{
	for (size_t i = 0; i < json_array_size(texts); i++)
		fprintf(to, "%s%s\n", what, json_string_value(json_array_get(texts, i)));
}

/* Under systemd, kedge's own log is there, too: one copy is enough. */
static void print_lines(const json_t *lines, bool ok)
{
	if (!log_is_journal(getenv("JOURNAL_STREAM"), STDERR_FILENO))
		print_texts(stderr, "", lines);
	else if (!ok && json_array_size(lines))
		log_error("reload refused: the log of kedge says why");
}

bool reload_print(const json_t *answer)
{
	const json_t *changed = json_object_get(answer, "changed");
	const char *error = json_string_value(json_object_get(answer, "error"));
	bool ok = json_is_true(json_object_get(answer, "ok"));

	print_lines(json_object_get(answer, "lines"), ok);
	if (error)
		log_error("%s", error);
	if (!ok)
		return false;
	print_texts(stdout, "", changed);
	print_texts(stdout, "needs a restart: ", json_object_get(answer, "restart"));
	printf("reloaded%s (configuration %lld)\n", json_array_size(changed) ? "" : ", no changes",
	       json_number_of(answer, "generation"));
	return true;
}
