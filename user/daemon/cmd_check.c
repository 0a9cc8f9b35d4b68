/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kedge check: reads a configuration as kedge run would, certificates included, and starts nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/resolve.h"
#include "tls/certs_check.h"
#include "base/cleanup.h"
#include "daemon/cmd.h"
#include "daemon/cmd_check.h"
#include "config/config_help.h"
#include "config/config_load.h"
#include "config/config_schema.h"
#include "daemon/preflight.h"
#include "daemon/privileges.h"

/* A server alone is the application: "app localhost:3000 (127.0.0.1:3000)". */
static void say_app(const struct conf_app *app)
{
	char addr[ADDR_TEXT_MAX];

	printf(", app %s", app->name);
	for (size_t i = 0; i < app->servers.count; i++) {
		const struct conf_server *s = &app->servers.set[i];

		if (app->named || app->servers.count > 1)
			printf("%s%s%s", i ? " " : ": ", s->name, s->backup ? " backup" : "");
		addr_format(addr, &s->addr);
		if (s->host)
			printf(" (%s)", addr);
	}
}

static void say_ok(const struct conf *conf)
{
	static const char *const proxy[] = {"", " PROXY optional", " PROXY required"};

	printf("%s: ok: %zu listener%s (", conf->file ? conf->file : "options",
	       conf->listeners_count, conf->listeners_count == 1 ? "" : "s");
	for (size_t i = 0; i < conf->listeners_count; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		printf("%s%s%s%s", i ? ", " : "", l->name, l->tls ? " TLS" : "", proxy[l->proxy]);
		if (l->routes_count)
			printf(" %zu route%s", l->routes_count, l->routes_count == 1 ? "" : "s");
	}
	printf(")");
	for (size_t i = 0; i < conf->apps_count; i++)
		say_app(&conf->apps[i]);
	printf(", %u worker%s\n", conf->workers, conf->workers == 1 ? "" : "s");
}

int cmd_check(int argc, char **argv)
{
	_cleanup_(conf_freep)
	struct conf *conf = NULL;
	int places, err;

	/* For docs/configuration.md and docs/man/kedge.yaml.5. */
	if (argc >= 2 && !strcmp(argv[1], "--reference")) {
		if (argc == 3 && !strcmp(argv[2], "mdoc"))
			config_write_man(stdout);
		else
			config_write_reference(stdout);
		return EXIT_DONE;
	}
	/* dist/kedge.schema.json */
	if (argc == 2 && !strcmp(argv[1], "--schema"))
		return config_write_schema(stdout) ? EXIT_FAILED : EXIT_DONE;
	err = config_load(&conf, argc, argv);
	if (err > 0)
		return EXIT_DONE;
	if (err < 0)
		return EXIT_USAGE;
	privileges_expect(conf);
	privileges_expect_service(conf);
	places = preflight_places(conf);
	err = certs_check(conf, true);
	privileges_try_files(conf); /* after an error, too: one round of mending is enough */
	if (places || err)
		return places || preflight_is_mistake(err) ? EXIT_USAGE : EXIT_FAILED;
	/* Last, since it may take a while. */
	err = resolve_servers(conf, &(struct resolve_wait){.ms = RESOLVE_MS});
	if (err < 0)
		return err == -ELOOP ? EXIT_USAGE : EXIT_FAILED;
	say_ok(conf);
	return EXIT_DONE;
}
