/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on the configuration file: from bytes to settings to struct conf. Beside memory errors
 * it finds a file that is accepted although a setting is missing or bad, and one that is rejected
 * without a message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config_build.h"
#include "config/config_file.h"
#include "invariant.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* The text of a variable that a mistake must not show, and that may be no more than a value. */
#define SECRET "hunter2: [x, ${A}]\n- y"

/* With names that a fuzzer finds. A is a good value in many places, B in none, C is long. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char large[100000];

	(void)argc;
	(void)argv;
	memset(large, 'c', sizeof(large) - 1);
	return setenv("A", "127.0.0.1:80", 1) | setenv("B", SECRET, 1) | setenv("C", large, 1) |
	       setenv("D", "", 1);
}

static void check_route(const struct conf *conf, const struct conf_route *r)
{
	INVARIANT(r->names.count && r->app < conf->apps_count && r->mode <= MODE_TCP);
	for (size_t i = 0; i < r->names.count; i++)
		INVARIANT(r->names.set[i][0] && strlen(r->names.set[i]) <= 253);
	INVARIANT(r->alpn.count <= CONFIG_ALPN_MAX);
	for (size_t i = 0; i < r->alpn.count; i++)
		INVARIANT(r->mode == MODE_TCP || !strcmp(r->alpn.set[i], "http/1.1"));
	for (size_t i = 0; i < r->certs_count; i++)
		INVARIANT(r->certs[i].cert && r->certs[i].key);
}

static void check_listener(const struct conf_listener *l)
{
	INVARIANT(l->addr.family == AF_INET || l->addr.family == AF_INET6 ||
		  l->addr.family == AF_UNIX);
	INVARIANT(l->name[0]);
	INVARIANT(l->proxy <= PROXY_PREFIX_REQUIRE);
	INVARIANT(l->tls == (l->certs_count > 0));
	for (size_t i = 0; i < l->certs_count; i++)
		INVARIANT(l->certs[i].cert && l->certs[i].key);
	INVARIANT(l->alpn.count <= (l->tls ? CONFIG_ALPN_MAX : 0));
	for (size_t i = 0; i < l->alpn.count; i++) {
		INVARIANT(l->alpn.set[i][0] && strlen(l->alpn.set[i]) <= 255);
		INVARIANT(l->mode == MODE_TCP || !strcmp(l->alpn.set[i], "http/1.1"));
	}
	for (size_t i = 0; i < l->trust.count; i++)
		INVARIANT(l->trust.set[i].bits <= 128);
}

static void check_server(const struct conf_server *s)
{
	if (s->host)
		INVARIANT(s->port && s->addr.family == AF_UNSPEC);
	else
		INVARIANT(addr_port(&s->addr) || s->addr.family == AF_UNIX);
	INVARIANT(s->name[0]);
}

static void check_app(const struct conf_app *app)
{
	const struct conf_servers *s = &app->servers;

	INVARIANT(app->name[0] && app->check <= CHECK_HTTP && app->check_path);
	INVARIANT(s->count && s->count <= CONFIG_SERVERS_MAX && !s->set[0].backup);
	for (size_t i = 0; i < s->count; i++) {
		check_server(&s->set[i]);
		INVARIANT(!i || s->set[i].backup >= s->set[i - 1].backup);
	}
	INVARIANT(app->check_status.from >= 200 && app->check_status.to >= app->check_status.from);
	INVARIANT(app->check_every_ms && app->check_timeout_ms && app->queue_timeout_ms);
	INVARIANT(app->check_rise && app->check_fall);
	INVARIANT(app->send_proxy <= SEND_PROXY_V2);
	INVARIANT(!app->proxy_tlvs || app->send_proxy == SEND_PROXY_V2);
}

/* Users of a configuration rely on these. */
static void check_conf(const struct conf *conf)
{
	INVARIANT(conf->listeners_count > 0);
	for (size_t i = 0; i < conf->listeners_count; i++)
		check_listener(&conf->listeners[i]);
	for (size_t i = 0; i < conf->listeners_count; i++)
		INVARIANT(conf->listeners[i].app < conf->apps_count);
	for (size_t i = 0; i < conf->listeners_count; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		INVARIANT(!l->routes_count || l->tls);
		for (size_t k = 0; k < l->routes_count; k++)
			check_route(conf, &l->routes[k]);
	}
	for (size_t i = 0; i < conf->apps_count; i++)
		check_app(&conf->apps[i]);
	INVARIANT(conf->workers >= 1 && conf->workers <= 64);
	INVARIANT(conf->record <= POLICY_OFF && conf->edit <= POLICY_OFF);
	INVARIANT(conf->bypass <= POLICY_OFF && conf->xff <= XFF_NEVER);
	INVARIANT(conf->log_json <= 1);
	INVARIANT(conf->log_level <= LOG_LEVEL_DEBUG && conf->connections_max >= 1);
	INVARIANT(!conf->control || strlen(conf->control) <= 107);
	INVARIANT(conf->prefix_timeout_ms && conf->idle_timeout_ms && conf->drain_timeout_ms);
}

/* Every setting has a line of the file and a path that names its option, or the list it is in. */
static void check_source(const struct settings *all)
{
	size_t expanded = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct setting *s = &all->all[i];

		INVARIANT(s->place.line > 0);
		INVARIANT(strstr(s->place.path, s->opt->name) || strstr(s->place.path, "check."));
		INVARIANT(s->text || option_has_entries(s->opt));
		INVARIANT(!s->raw || (s->text && strchr(s->raw, '$')));
		INVARIANT(s->raw || !s->text || !strchr(s->text, '$'));
		expanded += s->raw ? strlen(s->text) : 0;
		INVARIANT(s->listener >= -1 && s->listener < (int)all->listeners_count);
		INVARIANT(s->app >= -1 && s->app < (int)all->apps_count);
		INVARIANT(!s->route || s->listener >= 0);
		INVARIANT(s->route <= all->routes_count);
	}
	INVARIANT(expanded <= CONFIG_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	_cleanup_(settings_clear)
	struct settings file = {0}, flags = {0};
	_cleanup_(conf_freep)
	struct conf *conf = calloc(1, sizeof(*conf));
	struct mistakes m = {0};
	int err;

	INVARIANT(conf);
	err = config_read_yaml(&file, "kedge.yaml", bytes, n, &m);
	INVARIANT(err == 0 || err == 1);
	INVARIANT(err == 0 || m.count > 0);
	check_source(&file);
	if (err)
		return 0;
	INVARIANT(config_check_settings(&file, &m) == 0);
	INVARIANT(config_build(conf, &file, &flags, &m) == 0);
	if (!m.count)
		check_conf(conf);
	return 0;
}
