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

#include "base/cleanup.h"
#include "config/config_alpn.h"
#include "config/config_family.h"
#include "config/config_guard.h"
#include "config/config_options.h"
#include "config/config_unix.h"
#include "kedge/limits.h"

/* Tries one text on a struct that is then freed. */
static int try_setting(const struct setting *s, char why[WHY_MAX])
{
	_cleanup_(conf_listener_clear)
	struct conf_listener l = {0};
	_cleanup_(conf_freep)
	struct conf *conf = calloc(1, sizeof(*conf));
	void *base = s->opt->scope == OPTION_GLOBAL ? (void *)conf : &l;

	return conf ? option_set(s->opt, base, s->text, 0, why) : -ENOMEM;
}

int config_check_settings(struct settings *settings, struct mistakes *m)
{
	for (size_t i = 0; i < settings->count; i++) {
		struct setting *s = &settings->all[i];
		char why[WHY_MAX];
		int err;

		if (!s->text)
			continue;
		err = try_setting(s, why);
		if (err == -ENOMEM)
			return err;
		s->bad = err < 0;
		if (s->bad)
			mistake(m, &s->place, "%s", why);
	}
	return 0;
}

/* For `seen`. cert, key and ocsp are parts of one list, so they share an index. */
static size_t list_index(const struct option_def *opt)
{
	if (opt->kind == OPTION_CERT)
		opt = option_find("cert", strlen("cert"));
	return (size_t)(opt - config_options);
}

/* One struct, filled from the narrowest settings to the widest. */
struct filling {
	void *base;
	bool listener;                 /* base is a struct conf_listener, not a struct conf */
	bool seen[CONFIG_OPTIONS_MAX]; /* a narrower setting was there */
	bool bad;                      /* one of its settings is a mistake */
};

static bool belongs(const struct filling *f, const struct option_def *opt)
{
	return f->listener == (opt->scope != OPTION_GLOBAL);
}

/* Takes the settings of src at `listener` (-1: outside). */
static int fill_from(struct filling *f, const struct settings *src, int listener)
{
	bool now[CONFIG_OPTIONS_MAX] = {false};
	char why[WHY_MAX];
	int err;

	for (size_t i = 0; i < src->count; i++) {
		const struct setting *s = &src->all[i];
		size_t at = list_index(s->opt);

		if (s->listener != listener || !belongs(f, s->opt) || f->seen[at])
			continue;
		now[at] = true;
		f->bad |= s->bad;
		if (s->bad || !s->text)
			continue;
		err = option_set(s->opt, f->base, s->text, s->pair, why);
		if (err)
			return err;
	}
	for (size_t i = 0; i < CONFIG_OPTIONS_MAX; i++)
		f->seen[i] |= now[i];
	return 0;
}

static int fill_defaults(struct filling *f)
{
	char why[WHY_MAX];
	int err;

	for (size_t i = 0; i < config_options_count; i++) {
		const struct option_def *opt = &config_options[i];

		if (f->seen[i] || !opt->text || !belongs(f, opt))
			continue;
		err = option_set(opt, f->base, opt->text, 0, why);
		if (err)
			return err;
	}
	return 0;
}

/* The setting of this name at this listener (-1: outside) for messages: the last one, or the first
 * of a list. NULL: there is none. */
static const struct setting *find_setting(const struct settings *src, const char *name,
					  int listener)
{
	const struct setting *found = NULL;

	for (size_t i = 0; i < src->count && !(found && option_is_list(found->opt)); i++)
		if (src->all[i].listener == listener && !strcmp(src->all[i].opt->name, name))
			found = &src->all[i];
	return found;
}

static void check_certs(const struct conf_listener *l, const struct place *at, struct mistakes *m)
{
	char quoted[QUOTED_MAX];

	if (l->tls && !l->certs_count)
		mistake(m, at, "TLS without a certificate: give cert and key, or tls off");
	for (size_t i = 0; i < l->certs_count; i++) {
		const struct conf_cert *c = &l->certs[i];

		if (c->cert && !c->key)
			mistake(m, at, "the certificate %s has no key",
				config_quote(quoted, c->cert));
		if (c->ocsp && !c->cert)
			mistake(m, at, "the OCSP response %s has no certificate",
				config_quote(quoted, c->ocsp));
		if (c->key && !c->cert)
			mistake(m, at, "the key %s has no certificate",
				config_quote(quoted, c->key));
	}
}

/* Cross-checks within one listener, and settings that have no effect there. */
static void check_listener(struct conf_listener *l, const struct settings *from, int index,
			   struct mistakes *m)
{
	const struct setting *trust = find_setting(from, "trust", index);
	const struct setting *cert = find_setting(from, "cert", index);
	const struct setting *mode = find_setting(from, "socket-mode", index);
	const struct setting *strict = find_setting(from, "strict-sni", index);
	const struct place *at = &from->listeners[index];

	check_certs(l, at, m);
	config_check_alpn(l, from, index, m);
	if (!l->tls && cert)
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
	if (l->proxy != PROXY_PREFIX_OFF && !l->trust.count && l->addr.family != AF_UNIX)
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

static int build_listener(struct conf *conf, const struct settings *from, int index,
			  const struct settings *file, const struct settings *flags,
			  struct mistakes *m)
{
	struct conf_listener *l = &conf->listeners[conf->listeners_count++];
	struct filling f = {.base = l, .listener = true};
	const struct place *at = &from->listeners[index];
	const struct setting *listen;
	int err;

	err = fill_from(&f, from, index);
	err = err ? err : fill_from(&f, flags, -1);
	err = err ? err : fill_from(&f, file, -1);
	err = err ? err : fill_defaults(&f);
	if (err)
		return err;
	addr_format(l->name, &l->addr);
	listen = find_setting(from, "listen", index);
	if (!listen)
		mistake(m, at, "listen is missing: ADDR:PORT");
	/* "*:443" and ":443" include IPv4, "[::]:443" does not. */
	l->both_families = listen && l->addr.family == AF_INET6 && listen->text[0] != '[';
	config_listener_family(l, at);
	check_same_addr(conf, from, index, m);
	if (!f.bad) {
		check_listener(l, from, index, m);
		config_check_guard(&conf->guard, l, at, m);
	}
	return 0;
}

static int build_listeners(struct conf *conf, const struct settings *file,
			   const struct settings *flags, struct mistakes *m)
{
	const struct settings *from = flags->listeners_count ? flags : file;
	const struct place nowhere = {.file = conf->file};
	int err = 0;

	if (!from->listeners_count) {
		mistake(m, &nowhere,
			"no listener: give --listen ADDR:PORT, or listeners in the file");
		return 0;
	}
	if (from->listeners_count > CONFIG_LISTENERS_MAX) {
		mistake(m, &from->listeners[CONFIG_LISTENERS_MAX], "more than %d listeners",
			CONFIG_LISTENERS_MAX);
		return 0;
	}
	conf->listeners = calloc(from->listeners_count, sizeof(*conf->listeners));
	if (!conf->listeners)
		return -ENOMEM;
	for (int i = 0; i < (int)from->listeners_count && !err; i++)
		err = build_listener(conf, from, i, file, flags, m);
	return err;
}

/* A trust list without effect is probably a misunderstanding. */
static void check_common_trust(const struct conf *conf, const struct settings *src)
{
	const struct setting *s = find_setting(src, "trust", -1);

	for (size_t i = 0; i < conf->listeners_count; i++)
		if (conf->listeners[i].proxy != PROXY_PREFIX_OFF)
			return;
	if (s && s->text)
		config_warn(&s->place, "nothing to trust: proxy-protocol is off at every listener");
}

/* With if-none and no xff-trust, any client can set its own address. */
static void check_if_none(const struct conf *conf, const struct settings *file,
			  const struct settings *flags)
{
	const struct setting *s = find_setting(flags, "xff", -1);
	bool http = false;

	s = s ? s : find_setting(file, "xff", -1);
	for (size_t i = 0; i < conf->listeners_count; i++)
		http = http || conf->listeners[i].mode == MODE_HTTP;
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
		if (l->mode == MODE_TCP)
			config_warn(at, "splice has no effect with mode tcp");
		else if (conf->bypass != POLICY_OFF)
			config_warn(at, "splice has no effect with bypass: give one of the two");
		else if (l->tls && conf->record == POLICY_OFF)
			config_warn(at, "splice has no effect with TLS and record off: the bytes "
					"are in kedge's memory anyway");
	}
}

static void name_app(struct conf *conf)
{
	if (conf->app_host)
		snprintf(conf->app_name, sizeof(conf->app_name), "%s:%u", conf->app_host,
			 conf->app_port);
	else
		addr_format(conf->app_name, &conf->app);
}

static void check_app(const struct conf *conf, const struct settings *file,
		      const struct settings *flags, struct mistakes *m)
{
	const struct setting *s = find_setting(flags, "app", -1);
	const struct place nowhere = {.file = conf->file};
	char quoted[QUOTED_MAX];

	s = s ? s : find_setting(file, "app", -1);
	if (!s) {
		mistake(m, &nowhere, "no application: give --app ADDR:PORT, or app in the file");
		return;
	}
	if (s->bad)
		return;
	if (conf->app.family != AF_UNIX &&
	    !(conf->app_host ? conf->app_port : addr_port(&conf->app)))
		mistake(m, &s->place, "%s has no port", config_quote(quoted, s->text));
	if (addr_is_wildcard(&conf->app))
		mistake(m, &s->place, "%s is not one address: name the host",
			config_quote(quoted, s->text));
	else
		config_app_family(conf, &s->place);
}

static void check_unix(const struct conf *conf, const struct settings *file,
		       const struct settings *flags, struct mistakes *m)
{
	const struct place nowhere = {.file = conf->file};
	char why[WHY_MAX];
	const char *option = config_unix_conflict(conf, why);
	const struct setting *s = option ? find_setting(flags, option, -1) : NULL;

	if (option && !s)
		s = find_setting(file, option, -1);
	if (option)
		mistake(m, s ? &s->place : &nowhere, "%s", why);
}

static void check_user(const struct conf *conf, const struct settings *file,
		       const struct settings *flags, struct mistakes *m)
{
	const struct setting *s = find_setting(flags, "user", -1);
	struct confine_user user;
	char why[CONFINE_WHY_SIZE];

	s = s ? s : find_setting(file, "user", -1);
	if (s && conf->user && confine_find_user(&user, conf->user, why) < 0)
		mistake(m, &s->place, "%s", why);
}

static void check_interfaces(const struct conf *conf, const struct settings *file,
			     const struct settings *flags, struct mistakes *m)
{
	const struct setting *s = find_setting(flags, "guard-interfaces", -1);

	s = s ? s : find_setting(file, "guard-interfaces", -1);
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
	struct filling f = {.base = conf};
	int err;

	err = fill_from(&f, flags, -1);
	err = err ? err : fill_from(&f, file, -1);
	err = err ? err : fill_defaults(&f);
	err = err ? err : build_listeners(conf, file, flags, m);
	if (err)
		return err;
	name_app(conf);
	config_metrics_family(conf);
	check_app(conf, file, flags, m);
	check_unix(conf, file, flags, m);
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
