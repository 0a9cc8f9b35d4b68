/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS 1.3 for move: a blocking handshake, then the kernel gets the keys, by kedge's own modules for
 * keys.
 */
#include <stdio.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "move.h"
#include "tls/keys_tap.h"
#include "tls/ktls.h"

SSL_CTX *move_tls_new(const char *cert, const char *key)
{
	SSL_CTX *ctx = keys_ssl_ctx_new();

	if (ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
	    SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1)
		return ctx;
	fprintf(stderr, "move: %s, %s: cannot be used\n", cert, key);
	ERR_print_errors_fp(stderr);
	SSL_CTX_free(ctx);
	return NULL;
}

static int take_over(SSL *ssl, struct keys_watch *w, int fd)
{
	union ktls_crypto tx, rx;
	enum tls_version version;
	int r = keys_suite(ssl, &version, &w->traffic.suite);

	if (!r)
		r = keys_derive(ssl, w, &tx, &rx);
	if (!r)
		r = ktls_take_over(fd, &tx, &rx);
	OPENSSL_cleanse(&tx, sizeof(tx));
	OPENSSL_cleanse(&rx, sizeof(rx));
	return r;
}

bool move_tls_accept(SSL_CTX *ctx, int fd)
{
	struct keys_watch watch = {0};
	SSL *ssl = SSL_new(ctx);
	int r = -1;

	if (!ssl || !SSL_set_fd(ssl, fd))
		move_die("SSL_new");
	keys_watch(ssl, &watch);
	keys_enter(&watch);
	if (SSL_accept(ssl) == 1)
		r = take_over(ssl, &watch, fd);
	keys_leave();
	if (r)
		fprintf(stderr, "move: handshake or hand-off failed: %d\n", r);
	SSL_set_quiet_shutdown(ssl, 1);
	SSL_free(ssl);
	keys_wipe(&watch);
	return !r;
}
