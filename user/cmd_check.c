/* kedge check: reads a configuration as kedge run would, certificates included, and starts nothing.
 */
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "cmd.h"
#include "config_private.h"
#include "privileges.h"
#include "tls.h"

static void conf_freep(struct conf **conf)
{
	config_free(*conf);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* True when a listener before this one, or this one, has the same files before index `at`. */
static bool checked_before(const struct conf *conf, size_t listener, size_t at)
{
	const struct conf_cert *c = &conf->listeners[listener].certs[at];

	for (size_t i = 0; i <= listener; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		size_t end = i < listener ? l->certs_count : at;

		for (size_t k = 0; k < end; k++)
			if (same(l->certs[k].cert, c->cert) && same(l->certs[k].key, c->key) &&
			    same(l->certs[k].ocsp, c->ocsp))
				return true;
	}
	return false;
}

/* Reads every certificate once; what is wrong with one is said by tls_ctx_new(). */
static int check_certs(const struct conf *conf)
{
	_cleanup_(tls_shared_wipe)
	struct tls_shared shared = {0};
	const struct ktls_caps caps = {0};
	int err;

	err = tls_shared_init(&shared, conf, &caps);
	if (err)
		return err;
	/* What the kernel here can do is kedge probe's question. */
	shared.record = POLICY_OFF;
	for (size_t i = 0; i < conf->listeners_count; i++) {
		for (size_t k = 0; k < conf->listeners[i].certs_count; k++) {
			struct tls_ctx *ctx = NULL;
			int failed = 0;

			if (!checked_before(conf, i, k))
				failed =
					tls_ctx_new(&ctx, &conf->listeners[i].certs[k], 1, &shared);
			tls_ctx_free(ctx);
			err = err ? err : failed;
		}
	}
	return err;
}

static void say_ok(const struct conf *conf)
{
	static const char *const proxy[] = {"", " PROXY optional", " PROXY required"};

	printf("%s: ok: %zu listener%s (", conf->file ? conf->file : "options",
	       conf->listeners_count, conf->listeners_count == 1 ? "" : "s");
	for (size_t i = 0; i < conf->listeners_count; i++)
		printf("%s%s%s%s", i ? ", " : "", conf->listeners[i].name,
		       conf->listeners[i].tls ? " TLS" : "", proxy[conf->listeners[i].proxy]);
	printf("), app %s, %u worker%s\n", conf->app_name, conf->workers,
	       conf->workers == 1 ? "" : "s");
}

int cmd_check(int argc, char **argv)
{
	_cleanup_(conf_freep)
	struct conf *conf = NULL;
	int err;

	/* For docs/configuration.md and docs/man/kedge.yaml.5. */
	if (argc >= 2 && !strcmp(argv[1], "--reference")) {
		if (argc == 3 && !strcmp(argv[2], "mdoc"))
			config_write_man(stdout);
		else
			config_write_reference(stdout);
		return EXIT_DONE;
	}
	err = config_load(&conf, argc, argv);
	if (err > 0)
		return EXIT_DONE;
	if (err < 0)
		return EXIT_USAGE;
	privileges_expect(conf);
	if (check_certs(conf) < 0)
		return EXIT_USAGE;
	say_ok(conf);
	return EXIT_DONE;
}
