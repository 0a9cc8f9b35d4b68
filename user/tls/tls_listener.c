/* SPDX-License-Identifier: BSD-2-Clause */
/* From a listener to its context. See tls_listener.h. */
#include "tls/tls_listener.h"

static int add_route(struct tls_ctx *ctx, const struct conf_route *r)
{
	const struct tls_offer offer = {
		.certs = r->certs,
		.certs_count = r->certs_count,
		.alpn = r->alpn,
		.mode = r->mode,
	};

	return tls_ctx_add_route(ctx, &r->names, &offer);
}

int tls_listener_new(struct tls_ctx **out, const struct conf_listener *l,
		     const struct tls_shared *shared)
{
	const struct tls_offer own = {
		.certs = l->certs,
		.certs_count = l->certs_count,
		.self_signed = l->self_signed,
		.alpn = l->alpn,
		.mode = l->mode,
	};
	struct tls_ctx *ctx = NULL;
	int err = tls_ctx_new(&ctx, &own, shared);

	for (size_t i = 0; !err && i < l->routes_count; i++)
		err = add_route(ctx, &l->routes[i]);
	if (err) {
		tls_ctx_free(ctx);
		return err;
	}
	if (l->strict_sni)
		tls_ctx_strict_sni(ctx);
	*out = ctx;
	return 0;
}
