/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the certificates of a configuration. See certs_check.h. */
#include "tls/certs_check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "tls/tls.h"
#include "tls/tls_listener.h"

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Is there a certificate before all[at] with the same files? */
static bool checked_before(const struct conf_cert *const *all, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same(all[i]->cert, all[at]->cert) && same(all[i]->key, all[at]->key) &&
		    same(all[i]->ocsp, all[at]->ocsp))
			return true;
	return false;
}

static size_t list_pairs(const struct conf_cert **out, const struct conf_cert *certs, size_t count)
{
	for (size_t i = 0; out && i < count; i++)
		out[i] = &certs[i];
	return count;
}

/* Those of listeners and routes, in order. Returns how many; out NULL: only that. */
static size_t list_all(const struct conf_cert **out, const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->listeners_count; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		n += list_pairs(out ? out + n : NULL, l->certs, l->certs_count);
		for (size_t k = 0; k < l->routes_count; k++)
			n += list_pairs(out ? out + n : NULL, l->routes[k].certs,
					l->routes[k].certs_count);
	}
	return n;
}

bool certs_seen_before(const struct conf *conf, size_t listener)
{
	const struct conf_listener *l = &conf->listeners[listener];

	for (size_t i = 0; i < listener; i++) {
		const struct conf_listener *other = &conf->listeners[i];
		size_t k = 0;

		if (l->routes_count || other->routes_count || l->tls != other->tls)
			continue;
		while (k < l->certs_count && k < other->certs_count &&
		       same(l->certs[k].cert, other->certs[k].cert) &&
		       same(l->certs[k].key, other->certs[k].key) &&
		       same(l->certs[k].ocsp, other->certs[k].ocsp))
			k++;
		if (k == l->certs_count && k == other->certs_count)
			return true;
	}
	return false;
}

/* All certificates of a listener together, to warn. */
static int check_listener(const struct conf_listener *l, const struct tls_shared *shared)
{
	struct tls_ctx *ctx = NULL;
	int err = l->tls ? tls_listener_new(&ctx, l, shared) : 0;

	if (!err)
		tls_ctx_warn(ctx);
	tls_ctx_free(ctx);
	return err;
}

/* Each by itself, so that every mistake is told. */
static int check_pairs(const struct conf *conf, const struct tls_shared *shared)
{
	size_t count = list_all(NULL, conf);
	_cleanup_(freep)
	const struct conf_cert **all = calloc(count + 1, sizeof(const struct conf_cert *));
	int err = 0;

	if (!all)
		return log_err(ENOMEM, "certificates");
	list_all(all, conf);
	for (size_t i = 0; i < count; i++) {
		const struct tls_offer one = {.certs = all[i], .certs_count = 1};
		struct tls_ctx *ctx = NULL;
		int failed = checked_before(all, i) ? 0 : tls_ctx_new(&ctx, &one, shared);

		tls_ctx_free(ctx);
		err = err && err != -ENOENT ? err : failed ? failed : err;
	}
	return err;
}

int certs_check(const struct conf *conf, bool warn)
{
	_cleanup_(tls_shared_wipe)
	struct tls_shared shared = {0};
	const struct ktls_caps caps = {0};
	int err;

	err = tls_shared_init(&shared, conf, &caps);
	if (err)
		return err;
	/* kedge probe tells what the kernel can do; this is about files. */
	shared.record = POLICY_OFF;
	err = check_pairs(conf, &shared);
	for (size_t i = 0; warn && !err && i < conf->listeners_count; i++)
		if (!certs_seen_before(conf, i))
			err = check_listener(&conf->listeners[i], &shared);
	return err;
}
