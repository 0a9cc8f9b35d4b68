/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the certificates of a configuration. See certs_check.h. */
#include "tls/certs_check.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "tls/tls.h"

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Do an earlier listener, or this one before index `at`, have the same files? */
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

bool certs_seen_before(const struct conf *conf, size_t listener)
{
	const struct conf_listener *l = &conf->listeners[listener];

	for (size_t i = 0; i < listener; i++) {
		const struct conf_listener *other = &conf->listeners[i];
		size_t k = 0;

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
	const struct tls_offer offer = tls_offer_of(l);
	int err = l->tls ? tls_ctx_new(&ctx, &offer, shared) : 0;

	if (!err)
		tls_ctx_warn(ctx);
	tls_ctx_free(ctx);
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
	for (size_t i = 0; i < conf->listeners_count; i++) {
		for (size_t k = 0; k < conf->listeners[i].certs_count; k++) {
			const struct tls_offer one = {.certs = &conf->listeners[i].certs[k],
						      .certs_count = 1};
			struct tls_ctx *ctx = NULL;
			int failed = 0;

			if (!checked_before(conf, i, k))
				failed = tls_ctx_new(&ctx, &one, &shared);
			tls_ctx_free(ctx);
			err = err ? err : failed;
		}
	}
	for (size_t i = 0; warn && !err && i < conf->listeners_count; i++)
		if (!certs_seen_before(conf, i))
			err = check_listener(&conf->listeners[i], &shared);
	return err;
}
