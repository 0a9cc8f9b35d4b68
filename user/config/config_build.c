/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From settings to struct conf: precedence, inheritance, cross-checks.
 *
 * The narrowest setting of an option counts: the listener's own, else a flag outside a listener,
 * else the file's top level, else the default. A list is taken whole from one of them. Listeners
 * come from the flags if those have any, else from the file.
 */
#include "config/config_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/config_alpn.h"
#include "config/config_apps.h"
#include "config/config_family.h"
#include "config/config_fill.h"
#include "config/config_guard.h"
#include "config/config_loop.h"
#include "config/config_options.h"
#include "config/config_pairs.h"
#include "config/config_proxy.h"
#include "config/config_reuse.h"
#include "config/config_routes.h"
#include "config/config_unix.h"
#include "config/config_why.h"
#include "kedge/limits.h"

/* Where packages put it. */
#define USUAL_FILE "/etc/kedge/kedge.yaml"

/* A list of words has each word once. */
static bool named_before(const struct settings *settings, const struct setting *s)
{
	if (s->opt->kind != OPTION_WORDS)
		return false;
	for (const struct setting *b = settings->all; b < s; b++)
		if (b->opt == s->opt && b->listener == s->listener && b->route == s->route &&
		    b->app == s->app && b->text && !strcmp(b->text, s->text))
			return true;
	return false;
}

static int check_setting(const struct settings *settings, const struct setting *s,
			 char why[WHY_MAX])
{
	int err = fill_try(s, why);

	return !err && named_before(settings, s) ? why_refuse(why, s->text, "is named twice") : err;
}

int config_check_settings(struct settings *settings, struct mistakes *m)
{
	for (size_t i = 0; i < settings->count; i++) {
		struct setting *s = &settings->all[i];
		char why[WHY_MAX];
		int err;

		if (!s->text)
			continue;
		err = check_setting(settings, s, why);
		if (err == -ENOMEM)
			return err;
		s->bad = err < 0;
		if (s->bad && s->raw)
			why_hide(why, s->text, s->raw);
		if (s->bad)
			mistake(m, &s->place, "%s", why);
	}
	return 0;
}

/* There is one certificate, at least, and from one source. */
static void check_certificate(const struct conf_listener *l, const struct place *self,
			      const struct place *at, struct mistakes *m)
{
	if (l->tls && !l->certs_count && !l->self_signed)
		mistake(m, at,
			"TLS without a certificate: give cert and key, or self-signed for a trial, "
			"or tls off");
	if (l->self_signed && l->certs_count)
		mistake(m, self,
			"self-signed is on, and there is a certificate: remove one of them");
	else if (l->self_signed && !l->tls)
		mistake(m, self, "a certificate is part of TLS, and tls is off at this listener");
}

/* Cross-checks within one listener, and settings that have no effect there. */
static void check_listener(struct conf_listener *l, const struct settings *from, int index,
			   struct mistakes *m)
{
	const struct setting *trust = settings_find(from, "trust", index, -1);
	const struct setting *cert = settings_find(from, "cert", index, -1);
	const struct setting *mode = settings_find(from, "socket-mode", index, -1);
	const struct setting *strict = settings_find(from, "strict-sni", index, -1);
	const struct setting *self = settings_find(from, "self-signed", index, -1);
	const struct place *at = &from->listeners[index];

	/* What is for all listeners gives way to what this one says. */
	if (!self && (!l->tls || cert))
		l->self_signed = false;
	check_certificate(l, self && self->text ? &self->place : at, at, m);
	config_check_pairs(l->certs, l->certs_count, at, m);
	config_check_alpn(l, from, index, m);
	if (!l->tls && cert && !m->count)
		config_warn(&cert->place, "not used: tls is off at this listener");
	if (!l->tls && l->strict_sni && strict)
		mistake(m, &strict->place,
			"SNI is part of a TLS handshake, and tls is off at this listener");
	if (!l->tls)
		conf_listener_clear_certs(l);
	if (l->proxy == PROXY_PREFIX_OFF && trust && trust->text)
		mistake(m, &trust->place,
			"nothing to trust: proxy-protocol is off at this listener (trust does not "
			"restrict who may connect)");
	config_check_unix(l, at, trust && trust->text ? &trust->place : NULL,
			  mode ? &mode->place : NULL, m);
	/* Not beside a mistake, such as a misspelt trust. */
	if (!m->count && l->proxy != PROXY_PREFIX_OFF && !l->trust.count &&
	    l->addr.family != AF_UNIX)
		config_warn(at, "proxy-protocol without trust: whoever connects may name any "
				"client address");
}

static bool same_addr(const union addr *a, const union addr *b)
{
	return (addr_port(a) || a->family == AF_UNIX) && addr_len(a) == addr_len(b) &&
	       !memcmp(a, b, addr_len(a));
}

static void check_same_addr(const struct conf *conf, const struct settings *from, int index,
			    struct mistakes *m)
{
	const struct conf_listener *l = &conf->listeners[index];

	for (int i = 0; i < index; i++) {
		if (!same_addr(&conf->listeners[i].addr, &l->addr))
			continue;
		mistake(m, &from->listeners[index], "the same address as %s: %s",
			from->listeners[i].path, l->name);
		return;
	}
}

static int build_listener(struct apps_building *b, int index)
{
	struct conf *conf = b->conf;
	struct conf_listener *l = &conf->listeners[conf->listeners_count++];
	struct filling f = {.base = l, .what = FILLED_LISTENER};
	const struct place *at = &b->from->listeners[index];
	const struct setting *listen;
	int err;

	err = fill_from(&f, b->from, index, -1);
	err = err ? err : fill_from(&f, b->flags, -1, -1);
	err = err ? err : fill_from(&f, b->file, -1, -1);
	err = err ? err : fill_defaults(&f);
	if (err)
		return err;
	addr_format(l->name, &l->addr);
	listen = settings_find(b->from, "listen", index, -1);
	if (!listen)
		mistake(b->m, at, "listen is missing: ADDR:PORT");
	/* "*:443" and ":443" include IPv4, "[::]:443" does not. */
	l->both_families = listen && l->addr.family == AF_INET6 && listen->text[0] != '[';
	config_listener_family(l, at);
	check_same_addr(conf, b->from, index, b->m);
	err = config_take_app_of_listener(b, index); /* it may decide the mode */
	err = err ? err : config_build_routes(b, index);
	if (!err && !f.bad) {
		check_listener(l, b->from, index, b->m);
		config_check_guard(&conf->guard, l, at, b->m);
	}
	return err;
}

static int build_listeners(struct apps_building *b)
{
	const struct settings *from = b->from;
	const struct place nowhere = {.file = b->conf->file};
	int err = 0;

	if (!from->listeners_count) {
		/* It is not read unasked: what runs must be what was named. */
		if (!b->conf->file && access(USUAL_FILE, F_OK) == 0)
			mistake(b->m, &nowhere,
				"no listener: give --listen ADDR:PORT, or -c " USUAL_FILE);
		else
			mistake(b->m, &nowhere,
				"no listener: give --listen ADDR:PORT, or listeners in the file");
		return 0;
	}
	if (from->listeners_count > CONFIG_LISTENERS_MAX) {
		mistake(b->m, &from->listeners[CONFIG_LISTENERS_MAX], "more than %d listeners",
			CONFIG_LISTENERS_MAX);
		return 0;
	}
	b->conf->listeners = calloc(from->listeners_count, sizeof(*b->conf->listeners));
	if (!b->conf->listeners)
		return -ENOMEM;
	for (int i = 0; i < (int)from->listeners_count && !err; i++)
		err = build_listener(b, i);
	return err;
}

/* After a mistake, applications may be others, or none. Names are not resolved yet. */
static int check_loops(const struct conf *conf, const struct settings *from, struct mistakes *m)
{
	const bool may = !m->count;

	for (size_t i = 0; may && i < conf->listeners_count; i++) {
		_cleanup_(freep)
		char *text = NULL;
		int found = config_loop_of(conf, i, &text);

		if (found < 0)
			return found;
		if (found)
			mistake(m, &from->listeners[i], "%s", text);
	}
	return 0;
}

/* A trust list without effect is probably a misunderstanding. */
static void check_common_trust(const struct conf *conf, const struct settings *src)
{
	const struct setting *s = settings_find(src, "trust", -1, -1);

	for (size_t i = 0; i < conf->listeners_count; i++)
		if (conf->listeners[i].proxy != PROXY_PREFIX_OFF)
			return;
	if (s && s->text)
		config_warn(&s->place, "nothing to trust: proxy-protocol is off at every listener");
}

static bool speaks_http(const struct conf_listener *l)
{
	for (size_t i = 0; i < l->routes_count; i++)
		if (l->routes[i].mode == MODE_HTTP)
			return true;
	return l->mode == MODE_HTTP;
}

/* With if-none and no xff-trust, any client can set its own address. */
static void check_if_none(const struct conf *conf, const struct settings *file,
			  const struct settings *flags)
{
	const struct setting *s = settings_find(flags, "xff", -1, -1);
	bool http = false;

	s = s ? s : settings_find(file, "xff", -1, -1);
	for (size_t i = 0; i < conf->listeners_count; i++)
		http = http || speaks_http(&conf->listeners[i]);
	if (s && !s->bad && http && conf->xff == XFF_IF_NONE && !conf->xff_trust.count)
		config_warn(&s->place, "if-none without xff-trust: any client may name any client "
				       "address in X-Forwarded-For: give xff-trust, "
				       "the proxies in front");
}

/* The option is on, and nothing could be spliced. */
static void check_splice(const struct conf *conf, const struct settings *file,
			 const struct settings *flags)
{
	const struct settings *from = flags->listeners_count ? flags : file;

	for (size_t i = 0; i < conf->listeners_count; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		const struct place *at = &from->listeners[i];

		if (!l->splice)
			continue;
		if (!speaks_http(l))
			config_warn(at, "splice has no effect with mode tcp");
		else if (conf->bypass != POLICY_OFF)
			config_warn(at, "splice has no effect with bypass: give one of the two");
		else if (l->tls && conf->record == POLICY_OFF)
			config_warn(at, "splice has no effect with TLS and record off: the bytes "
					"are in kedge's memory anyway");
	}
}

/* Options that do not go together. */
static void check_conflicts(const struct conf *conf, const struct settings *file,
			    const struct settings *flags, struct mistakes *m)
{
	const struct place nowhere = {.file = conf->file};
	char why[WHY_MAX];
	const char *of_unix = config_unix_conflict(conf, why);
	const char *of_proxy = of_unix ? of_unix : config_proxy_conflict(conf, why);
	const char *option = of_proxy ? of_proxy : config_reuse_conflict(conf, why);
	const struct setting *s = option ? settings_find(flags, option, -1, -1) : NULL;

	if (option && !s)
		s = settings_find(file, option, -1, -1);
	if (s)
		mistake(m, &s->place, "%s", why);
	else if (option) /* it is said at one application */
		mistake(m, &nowhere, "%s: %s", option, why);
}

static void check_user(const struct conf *conf, const struct settings *file,
		       const struct settings *flags, struct mistakes *m)
{
	const struct setting *s = settings_find(flags, "user", -1, -1);
	struct confine_user user;
	char why[CONFINE_WHY_SIZE], quoted[QUOTED_MAX];

	s = s ? s : settings_find(file, "user", -1, -1);
	if (!s || !conf->user || !confine_find_user(&user, conf->user, why))
		return;
	if (s->raw) /* the value may be secret */
		mistake(m, &s->place, "the value of %s is no user", config_quote(quoted, s->raw));
	else
		mistake(m, &s->place, "%s", why);
}

static void check_interfaces(const struct conf *conf, const struct settings *file,
			     const struct settings *flags, struct mistakes *m)
{
	const struct setting *s = settings_find(flags, "guard-interfaces", -1, -1);

	s = s ? s : settings_find(file, "guard-interfaces", -1, -1);
	if (s && !s->bad && conf->guard.mode != GUARD_OFF && !conf->guard.interfaces.count)
		mistake(m, &s->place, "no interface to guard: name one, or all-listeners");
}

static unsigned usable_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

int config_build(struct conf *conf, const struct settings *file, const struct settings *flags,
		 struct mistakes *m)
{
	struct filling f = {.base = conf, .what = FILLED_CONF};
	struct apps_building apps = {.conf = conf,
				     .from = flags->listeners_count ? flags : file,
				     .file = file,
				     .flags = flags,
				     .m = m};
	int err;

	err = fill_from(&f, flags, -1, -1);
	err = err ? err : fill_from(&f, file, -1, -1);
	err = err ? err : fill_defaults(&f);
	err = err ? err : config_apps_begin(&apps);
	err = err ? err : build_listeners(&apps);
	if (err)
		return err;
	config_apps_end(&apps);
	err = check_loops(conf, apps.from, m);
	if (err)
		return err;
	config_metrics_family(conf);
	check_conflicts(conf, file, flags, m);
	check_user(conf, file, flags, m);
	check_interfaces(conf, file, flags, m);
	if (!m->count) {
		check_if_none(conf, file, flags);
		check_splice(conf, file, flags);
		check_common_trust(conf, flags);
		check_common_trust(conf, file);
	}
	if (!conf->workers)
		conf->workers = usable_cores();
	if (conf->workers < 1)
		conf->workers = 1;
	if (conf->workers > KEDGE_WORKERS_MAX)
		conf->workers = KEDGE_WORKERS_MAX;
	return 0;
}
