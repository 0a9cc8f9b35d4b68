/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds out by trying which privileges a running kedge needs. See privileges.h. */
#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>

#include "confine/confine.h"
#include "daemon/control.h"
#include "http/edit_bpf.h"
#include "base/account.h"
#include "base/denied.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/way_to.h"
#include "bpf/peername.h"
#include "conn/worker.h"
#include "guard/guard.h"
#include "listen/bind_unix.h"

/* Lower ports need CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start). */
#define PRIVILEGED_PORTS 1024
/* Of dist/kedge.sysusers: the units set it, so it is in no configuration. */
#define SERVICE_USER     "kedge"

void privileges_expect(const struct conf *conf)
{
	struct confine_user user;
	char why[CONFINE_WHY_SIZE];
	const struct passwd *pw;

	confine_secrets();
	if (!conf->user || confine_find_user(&user, conf->user, why))
		return;
	pw = getpwuid(user.uid);
	secret_user(pw ? pw->pw_name : NULL, user.uid, user.gid);
}

void privileges_expect_service(const struct conf *conf)
{
	const struct passwd *pw = conf->user || geteuid() ? NULL : getpwnam(SERVICE_USER);

	if (pw)
		secret_user(pw->pw_name, pw->pw_uid, pw->pw_gid);
}

/* Does something work without this capability? */
static bool without(unsigned capability, bool (*works)(const struct shared *),
		    const struct shared *shared)
{
	bool has = confine_has(capability), good;

	if (has && confine_switch(capability, false) < 0)
		return false;
	good = works(shared);
	if (has)
		confine_switch(capability, true);
	return good;
}

/*
 * Since Linux 5.19 the descriptor of a map is enough to change it. Before that, it took CAP_BPF if
 * kernel.unprivileged_bpf_disabled was set.
 */
static bool updates_maps(const struct shared *shared)
{
	return kbpf_may_update(shared->bpf);
}

static bool sets_peernames(const struct shared *shared)
{
	return peername_may_set(shared->peername);
}

static bool changes_rules(const struct shared *shared)
{
	return guard_may_update(shared->guard);
}

/* The editor needs send buffers above net.core.wmem_max. That takes CAP_NET_ADMIN. */
static bool widens_buffers(const struct shared *shared)
{
	return edit_bpf_has_room();
}

static bool binds_privileged_port(const struct conf *conf)
{
	for (size_t i = 0; i < conf->listeners_count; i++) {
		uint16_t port = addr_port(&conf->listeners[i].addr);

		if (port && port < PRIVILEGED_PORTS)
			return true;
	}
	return false;
}

static uint64_t keep(const struct conf *conf, const struct shared *shared)
{
	uint64_t caps = 0;

	/* A reload may have to bind such a port again. */
	if (binds_privileged_port(conf))
		caps |= 1ULL << CAP_NET_BIND_SERVICE;
	if (shared->bpf && !without(CAP_BPF, updates_maps, shared))
		caps |= 1ULL << CAP_BPF;
	if (shared->peername && !without(CAP_BPF, sets_peernames, shared))
		caps |= 1ULL << CAP_BPF;
	if (shared->guard && !without(CAP_BPF, changes_rules, shared))
		caps |= 1ULL << CAP_BPF;
	if (shared->edit_kernel && confine_has(CAP_NET_ADMIN) &&
	    !without(CAP_NET_ADMIN, widens_buffers, shared)) {
		log_info("CAP_NET_ADMIN is kept for the send buffers of edit: sysctl "
			 "net.core.wmem_max=1048576 makes it unnecessary");
		caps |= 1ULL << CAP_NET_ADMIN;
	}
	return caps;
}

static int give(const struct conf *conf, const struct shared *shared)
{
	struct confine_user user;
	char why[CONFINE_WHY_SIZE];
	int err = confine_find_user(&user, conf->user, why);

	if (err)
		return log_error("user: %s", why), err;
	if (geteuid() == user.uid)
		return 0;
	if (shared->bpf && conf->pin)
		err = kbpf_give(shared->bpf, user.uid, user.gid);
	if (!err && shared->peername)
		err = peername_give(shared->peername, user.uid, user.gid);
	if (!err && shared->guard)
		err = guard_give(shared->guard, user.uid, user.gid);
	if (err)
		return log_err(err, "pin directory %s: cannot be given to user %s", conf->pin,
			       conf->user);
	if (conf->control)
		err = control_give(conf->control, user.uid, user.gid);
	if (err)
		return log_err(err, "control socket %s: cannot be given to user %s", conf->control,
			       conf->user);
	return bind_unix_give(user.uid, user.gid);
}

struct trial {
	const char *said;      /* what fails, as whom */
	char before[PATH_MAX]; /* the directory that was named last: files in it get no line */
};

static void warn_file(struct trial *t, const char *what, const char *path)
{
	char dir[PATH_MAX], next[DENIED_TEXT];

	if (!path || access(path, R_OK) == 0 || errno != EACCES)
		return;
	if (!way_blocked(dir, path)) {
		log_warn("%s %s: %s: %s", what, path, t->said,
			 denied_next(next, path, getegid(), 0640));
		return;
	}
	if (strcmp(dir, t->before) != 0)
		log_warn("%s %s: %s: directory %s may not be entered: %s", what, path, t->said, dir,
			 denied_next(next, dir, getegid(), 0710));
	strcpy(t->before, dir);
}

static void warn_certs(struct trial *t, const struct conf_cert *certs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		warn_file(t, "key", certs[i].key);
		warn_file(t, "certificate", certs[i].cert);
		warn_file(t, "OCSP response", certs[i].ocsp);
	}
}

/* Warns of files that a reload could not read again, or the units' user not at all. */
static void warn_unreadable(const struct conf *conf, bool by_unit)
{
	char user[ACCOUNT_NAME], said[128];
	struct trial t = {.said = said};

	account_user(user, geteuid());
	snprintf(said, sizeof(said),
		 by_unit ? "cannot be read as user %s: kedge.service will fail"
			 : "cannot be read again as user %s: a reload will fail",
		 user);
	for (size_t i = 0; i < conf->listeners_count; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		warn_certs(&t, l->certs, l->certs_count);
		for (size_t k = 0; k < l->routes_count; k++)
			warn_certs(&t, l->routes[k].certs, l->routes[k].certs_count);
	}
	warn_file(&t, "ticket keys", conf->ticket_keys);
	/* Root may check a draft in its own directory. */
	if (!conf->from_stdin && !by_unit)
		warn_file(&t, "configuration", conf->file);
}

/* In a process of its own, which becomes that user. */
static int warn_as(const struct conf *conf, const struct confine_user *user)
{
	const struct passwd *pw = getpwuid(user->uid);

	if (setgroups(0, NULL) < 0 || (pw && initgroups(pw->pw_name, user->gid) < 0) ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return log_err(errno, "user %s: cannot be tried",
			       conf->user ? conf->user : SERVICE_USER);
	warn_unreadable(conf, !conf->user);
	return 0;
}

void privileges_try_files(const struct conf *conf)
{
	const char *name = conf->user ? conf->user : SERVICE_USER;
	struct confine_user user;
	char why[CONFINE_WHY_SIZE];
	pid_t child;

	if (geteuid() || confine_find_user(&user, name, why) || !user.uid)
		return;
	child = fork();
	if (!child)
		_exit(warn_as(conf, &user) < 0);
	if (child > 0)
		waitpid(child, NULL, 0);
}

/* Root, too, may be refused: it has no capabilities any more. */
static void warn_server(const struct conf_server *s)
{
	char user[ACCOUNT_NAME], dir[PATH_MAX], why[DENIED_TEXT];
	const char *path = s->addr.un.sun_path;

	if (!addr_is_path(&s->addr) || access(path, W_OK) == 0 || errno != EACCES)
		return;
	account_user(user, geteuid());
	if (way_blocked(dir, path))
		log_warn("application %s: user %s may not connect: requests get 502: directory %s "
			 "may not be entered: %s",
			 s->name, user, dir, denied_text(why, dir, DENIED_ENTER));
	else
		log_warn("application %s: user %s may not connect: requests get 502: %s", s->name,
			 user, denied_text(why, path, DENIED_WRITE));
}

static void warn_apps(const struct conf *conf)
{
	for (size_t i = 0; i < conf->apps_count; i++)
		for (size_t k = 0; k < conf->apps[i].servers.count; k++)
			warn_server(&conf->apps[i].servers.set[k]);
}

int privileges_drop(const struct conf *conf, const struct shared *shared)
{
	struct confine_conf confine_conf = {
		.user = conf->user, .seccomp = conf->seccomp, .keep = keep(conf, shared)};
	int err = conf->user ? give(conf, shared) : 0;

	err = err ? err : confine(&confine_conf);
	if (err)
		return err;
	warn_unreadable(conf, false);
	warn_apps(conf);
	return err;
}
