/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sees the final keys of a handshake. OpenSSL derives all keys of a connection through two named
 * algorithms, and a program may bring its own (provider-kdf(7)). This provider offers those of the
 * default provider with one function replaced. Ours calls the original, and remembers what belongs
 * to the watched handshake. It costs nothing that can be measured.
 *
 * SSL_CTX_set_keylog_callback() would do, too. But it prints five secrets byte by byte, which costs
 * a tenth of a TLS 1.3 handshake, and leaves them as text in freed memory.
 */
#include "tls/keys_tap.h"

#include <string.h>
#include <pthread.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>

#define TAP_NAME          "kedge"
#define TAP_FUNCTIONS_MAX 16

/* An algorithm of the default provider, with our derive function. */
struct tapped {
	OSSL_FUNC_kdf_derive_fn *derive; /* the original */
	OSSL_DISPATCH functions[TAP_FUNCTIONS_MAX];
};

static struct tapped tls13, tls12;
static OSSL_PROVIDER *original;
static OSSL_LIB_CTX *library;

/* A thread is in one SSL_do_handshake() at a time. */
static _Thread_local struct keys_watch *watched;

void keys_enter(struct keys_watch *w)
{
	watched = w;
}

void keys_leave(void)
{
	watched = NULL;
}

static bool param_is(const OSSL_PARAM *p, const void *bytes, size_t len)
{
	return p && p->data && p->data_size == len && !CRYPTO_memcmp(p->data, bytes, len);
}

static bool label_is(const OSSL_PARAM *label, const char *text)
{
	return param_is(label, text, strlen(text));
}

static void keep_secret(struct keys_traffic *t, uint8_t *place, const uint8_t *out, size_t len)
{
	if (len > KEYS_SECRET_MAX)
		return;
	memcpy(place, out, len);
	t->len = (uint8_t)len;
}

/* Key and IV belong to the direction whose secret they come from. */
static void keep_keys(struct keys_watch *w, const OSSL_PARAM *label, const OSSL_PARAM *secret,
		      const uint8_t *out, size_t len)
{
	struct keys_direction *d;

	if (!w->traffic.len)
		return;
	if (param_is(secret, w->traffic.client, w->traffic.len))
		d = &w->client;
	else if (param_is(secret, w->traffic.server, w->traffic.len))
		d = &w->server;
	else
		return;
	if (label_is(label, "key") && len <= sizeof(d->key)) {
		memcpy(d->key, out, len);
		d->key_len = (uint8_t)len;
	} else if (label_is(label, "iv") && len <= sizeof(d->iv)) {
		memcpy(d->iv, out, len);
		d->iv_len = (uint8_t)len;
	}
}

/* RFC 8446 section 7.1: "c ap traffic", "s ap traffic"; 7.3: "key", "iv". */
static int derive_tls13(void *ctx, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
	const int ok = tls13.derive(ctx, out, len, params);
	struct keys_watch *w = watched;
	const OSSL_PARAM *label;

	if (!ok || !w || !params)
		return ok;
	label = OSSL_PARAM_locate_const(params, OSSL_KDF_PARAM_LABEL);
	if (label_is(label, "c ap traffic"))
		keep_secret(&w->traffic, w->traffic.client, out, len);
	else if (label_is(label, "s ap traffic"))
		keep_secret(&w->traffic, w->traffic.server, out, len);
	else if (label_is(label, "key") || label_is(label, "iv"))
		keep_keys(w, label, OSSL_PARAM_locate_const(params, OSSL_KDF_PARAM_KEY), out, len);
	return ok;
}

/* RFC 5246 section 6.3: the key block. The label is the first of the seeds. */
static int derive_tls12(void *ctx, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
	const int ok = tls12.derive(ctx, out, len, params);
	struct keys_watch *w = watched;

	if (!ok || !w || !params ||
	    !label_is(OSSL_PARAM_locate_const(params, OSSL_KDF_PARAM_SEED), "key expansion"))
		return ok;
	w->block_len = (uint8_t)(len < sizeof(w->block) ? len : sizeof(w->block));
	memcpy(w->block, out, w->block_len);
	return ok;
}

/* Is this one of the names, which are joined by colons? */
static bool named(const char *names, const char *name)
{
	const size_t len = strlen(name);

	for (const char *at = names; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL)
		if (!strncasecmp(at, name, len) && (at[len] == ':' || !at[len]))
			return true;
	return false;
}

static bool tap(struct tapped *t, const char *name, OSSL_FUNC_kdf_derive_fn *ours)
{
	int no_cache;
	const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(original, OSSL_OP_KDF, &no_cache);
	size_t n = 0;

	while (a && a->algorithm_names && !named(a->algorithm_names, name))
		a++;
	if (!a || !a->algorithm_names)
		return false;
	for (const OSSL_DISPATCH *f = a->implementation; f->function_id; f++) {
		if (n + 1 >= TAP_FUNCTIONS_MAX)
			return false;
		t->functions[n] = *f;
		if (f->function_id == OSSL_FUNC_KDF_DERIVE) {
			t->derive = OSSL_FUNC_kdf_derive(f);
			t->functions[n].function = (void (*)(void))ours;
		}
		n++;
	}
	return t->derive != NULL;
}

static const OSSL_ALGORITHM *query(void *ctx, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM kdfs[] = {
		{OSSL_KDF_NAME_TLS1_3_KDF, "provider=" TAP_NAME, tls13.functions, NULL},
		{OSSL_KDF_NAME_TLS1_PRF, "provider=" TAP_NAME, tls12.functions, NULL},
		{NULL, NULL, NULL, NULL},
	};

	*no_cache = 0;
	return operation == OSSL_OP_KDF ? kdfs : NULL;
}

/* The borrowed functions need the context of their own provider. */
static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
		void **ctx)
{
	static const OSSL_DISPATCH functions[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
		{0, NULL},
	};

	*out = functions;
	*ctx = OSSL_PROVIDER_get0_provider_ctx(original);
	return 1;
}

static void load(void)
{
	OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();

	original = lib ? OSSL_PROVIDER_load(lib, "default") : NULL;
	/* The default provider must stay loaded: its functions are called. */
	if (original && tap(&tls13, OSSL_KDF_NAME_TLS1_3_KDF, derive_tls13) &&
	    tap(&tls12, OSSL_KDF_NAME_TLS1_PRF, derive_tls12) &&
	    OSSL_PROVIDER_add_builtin(lib, TAP_NAME, init) == 1 &&
	    OSSL_PROVIDER_load(lib, TAP_NAME)) {
		library = lib;
		return;
	}
	OSSL_LIB_CTX_free(lib);
}

/* In a library context of its own, so that the tap meets no other OpenSSL objects. */
SSL_CTX *keys_ssl_ctx_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return library ? SSL_CTX_new_ex(library, "?provider=" TAP_NAME, TLS_server_method()) : NULL;
}
