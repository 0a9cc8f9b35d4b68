/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticket keys. See tls_ticket.h. */
#include "tls/tls_ticket.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/way_to.h"

#define LINE_MAX_BYTES 256

/* --- the file --------------------------------------------------------------------------------- */

int ticket_keys_random(struct ticket_keys *out)
{
	out->count = 1;
	return RAND_priv_bytes((uint8_t *)&out->keys[0], TICKET_KEY_BYTES) == 1 ? 0 : -EIO;
}

/* The base64 of exactly one key, without blanks around it. */
static bool decode(struct ticket_key *out, const char *text)
{
	uint8_t bytes[TICKET_KEY_BYTES + 4];
	bool ok;

	/* 80 bytes are 108 characters; the last one is padding. */
	ok = strlen(text) == 108 && text[107] == '=' && text[106] != '=' &&
	     EVP_DecodeBlock(bytes, (const uint8_t *)text, 108) == TICKET_KEY_BYTES + 1;
	if (ok)
		memcpy(out, bytes, TICKET_KEY_BYTES);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return ok;
}

static bool has_name(const struct ticket_keys *keys, const uint8_t name[16])
{
	for (size_t i = 0; i < keys->count; i++)
		if (!memcmp(keys->keys[i].name, name, sizeof(keys->keys[i].name)))
			return true;
	return false;
}

/* A line without blanks at its ends. 0, or -EINVAL after a logged line. */
static int take_line(struct ticket_keys *keys, const char *text, const char *file, unsigned line)
{
	struct ticket_key *key = &keys->keys[keys->count];

	if (!*text || *text == '#')
		return 0;
	if (keys->count == TICKET_KEYS_MAX)
		return log_error("ticket keys %s:%u: more than %d keys", file, line,
				 TICKET_KEYS_MAX),
		       -EINVAL;
	if (!decode(key, text)) {
		log_error("ticket keys %s:%u: not the base64 of %d bytes on one line: openssl "
			  "rand %d | base64 -w0",
			  file, line, TICKET_KEY_BYTES, TICKET_KEY_BYTES);
		return -EINVAL;
	}
	if (has_name(keys, key->name)) {
		log_error("ticket keys %s:%u: the same key twice", file, line);
		return -EINVAL;
	}
	assert(keys->count < TICKET_KEYS_MAX);
	keys->count++;
	return 0;
}

static char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* Is text[] a whole line, or the last one? It is not if it has a NUL. */
static bool is_whole(const char *text, FILE *f)
{
	size_t len = strlen(text);

	return len && (text[len - 1] == '\n' || (len < LINE_MAX_BYTES - 1 && feof(f)));
}

static int read_keys(struct ticket_keys *keys, const char *file)
{
	_cleanup_(fclosep)
	FILE *f = fopen(file, "re");
	char buf[LINE_MAX_BYTES], text[LINE_MAX_BYTES];
	unsigned line = 0;
	int r;

	if (!f)
		return way_cannot_open("ticket keys", file, errno);
	setvbuf(f, buf, _IOFBF, sizeof(buf)); /* else a copy of the keys stays on the heap */
	r = secret_check(fileno(f), "ticket keys", file);
	while (!r && fgets(text, sizeof(text), f)) {
		line++;
		if (is_whole(text, f)) {
			r = take_line(keys, trim(text), file, line);
			continue;
		}
		log_error("ticket keys %s:%u: a line of more than %d bytes, or a NUL in it", file,
			  line, LINE_MAX_BYTES - 2);
		r = -EINVAL;
	}
	if (!r && ferror(f))
		r = log_err(EIO, "ticket keys %s: cannot read", file);
	if (!r && !keys->count) {
		log_error("ticket keys %s: holds no key", file);
		r = -EINVAL;
	}
	OPENSSL_cleanse(text, sizeof(text));
	fclosep(&f);
	f = NULL;
	OPENSSL_cleanse(buf, sizeof(buf));
	return r;
}

int ticket_keys_load(struct ticket_keys *out, const char *file)
{
	struct ticket_keys keys = {0};
	int r = read_keys(&keys, file);

	if (!r)
		*out = keys;
	OPENSSL_cleanse(&keys, sizeof(keys));
	return r;
}

/* --- sealing and opening ---------------------------------------------------------------------- */

static int keys_index;
static EVP_CIPHER *cipher;

static void prepare(void)
{
	keys_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	/* Once: to look an algorithm up takes longer than a ticket. */
	cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
}

static bool set_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_init(mac, key->hmac, sizeof(key->hmac), params) == 1;
}

static int seal(const struct ticket_key *key, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *ctx,
		EVP_MAC_CTX *mac)
{
	memcpy(name, key->name, sizeof(key->name));
	if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher)) != 1 ||
	    EVP_EncryptInit_ex2(ctx, cipher, key->aes, iv, NULL) != 1 || !set_mac(mac, key))
		return -1;
	return 1;
}

/*
 * 0: not ours, so a full handshake; 1: ours; 2: ours, and a new ticket is due. In TLS 1.3 it always
 * is, because a ticket is for one use (RFC 8446 appendix C.4). In TLS 1.2 it is due if the key is
 * no longer the first.
 */
static int unseal(const struct ticket_keys *keys, bool single_use, const uint8_t *name,
		  const uint8_t *iv, EVP_CIPHER_CTX *ctx, EVP_MAC_CTX *mac)
{
	for (size_t i = 0; i < keys->count; i++) {
		const struct ticket_key *key = &keys->keys[i];

		if (memcmp(key->name, name, sizeof(key->name)))
			continue;
		if (EVP_DecryptInit_ex2(ctx, cipher, key->aes, iv, NULL) != 1 || !set_mac(mac, key))
			return -1;
		return i || single_use ? 2 : 1;
	}
	return 0;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3) */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *ctx,
		     EVP_MAC_CTX *mac, int sealing)
{
	const struct ticket_keys *keys = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keys_index);

	return sealing ? seal(&keys->keys[0], name, iv, ctx, mac)
		       : unseal(keys, SSL_version(ssl) == TLS1_3_VERSION, name, iv, ctx, mac);
}

int ticket_keys_use(SSL_CTX *ctx, const struct ticket_keys *keys)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, prepare);
	if (!cipher || keys_index < 0)
		return -ENOMEM;
	/* Only read; OpenSSL wants a pointer without const. */
	if (SSL_CTX_set_ex_data(ctx, keys_index, (void *)keys) != 1 ||
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) != 1)
		return -ENOMEM;
	return 0;
}
