/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's TLS: OpenSSL on memory, over the world's wire. See people.h. */
#include <stdlib.h>

#include "oracle.h"
#include "people.h"
#include "tls_world.h"
#include "worn.h"

struct tls_client {
	SSL *ssl;
	BIO *in, *out; /* owned by ssl */
	bool garbage;  /* what it sends first is no TLS */
	bool broken;
	bool damaged;  /* a byte of what it sent was wrong */
	unsigned tiny; /* records with a byte each that it has sent */
};

struct tls_client *tls_client_new(bool plain)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION, TLS1_1_VERSION};
	struct tls_client *t = calloc(1, sizeof(*t));
	int version = versions[plain || !dice_rare(12) ? dice(2) : 2];

	t->ssl = SSL_new(tls_world_client());
	if (!t->ssl)
		world_fail("SSL_new");
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(t->in, -1);
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_min_proto_version(t->ssl, version);
	SSL_set_max_proto_version(t->ssl, version);
	SSL_set_connect_state(t->ssl);
	/* It does not know who signed the certificate. */
	if (!plain && dice_rare(16))
		SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
	if (!plain && dice_rare(12)) {
		static const char *const firsts[] = {
			"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
			"\x80\x2e\x01\x03\x01zzzzzzzzz", "SSH-2.0-x\r\n"};
		const char *text = firsts[dice(4)];

		BIO_write(t->out, text, (int)strlen(text));
		t->garbage = true;
		return t;
	}
	SSL_do_handshake(t->ssl);
	ERR_clear_error();
	return t;
}

void tls_client_free(struct tls_client *t)
{
	if (!t)
		return;
	/* Without this OpenSSL would spoil the session for resumption. */
	SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	free(t);
}

bool tls_client_ready(const struct tls_client *t)
{
	return !t->garbage && !t->broken && SSL_is_init_finished(t->ssl);
}

/* Everything that can be decrypted now. */
static void decrypt(struct client *c)
{
	struct tls_client *t = c->t;
	static uint8_t buf[17000];
	int n = 0;

	if (t->garbage || t->broken)
		return;
	if (!SSL_is_init_finished(t->ssl)) {
		n = SSL_do_handshake(t->ssl);
		if (n != 1)
			t->broken = SSL_get_error(t->ssl, n) != SSL_ERROR_WANT_READ;
	}
	while (SSL_is_init_finished(t->ssl) && (n = SSL_read(t->ssl, buf, sizeof(buf))) > 0) {
		oracle_client_gets(c, buf, (size_t)n);
		c->heard = c->got.len;
	}
	/* A fatal alert is another thing. */
	c->notified |= n <= 0 && SSL_get_error(t->ssl, n) == SSL_ERROR_ZERO_RETURN;
	if (n <= 0 && SSL_get_error(t->ssl, n) == SSL_ERROR_SSL)
		t->broken = true;
	ERR_clear_error();
}

bool tls_client_hear(struct client *c, size_t n)
{
	size_t from = c->s->out_taken;

	n = far_take(c->s, n);
	if (!n)
		return false;
	if (BIO_write(c->t->in, c->s->out.data + from, (int)n) != (int)n)
		world_fail("BIO_write");
	decrypt(c);
	world_log("TLS client reads", c->s->id, n, c->got.len);
	return true;
}

/* KeyUpdates, few or many; with TLS 1.2 renegotiations. */
static void update(struct client *c)
{
	SSL *ssl = c->t->ssl;
	bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
	unsigned times = dice_rare(2) ? 1 + dice(200) : 1;

	world_log("TLS updates", c->s->id, times, tls13);
	for (unsigned i = 0; i < times; i++) {
		if (tls13)
			SSL_key_update(ssl, dice(2));
		else
			SSL_renegotiate(ssl);
		SSL_do_handshake(ssl);
	}
	ERR_clear_error();
}

/*
 * How many records of one byte the client may send. A plain client stays below what a key bears. In
 * TLS 1.3 it stays below twice that: kedge asks it for a new key before.
 */
static unsigned tiny_most(const struct client *c)
{
	if (!c->plain)
		return 5 * SIM_KEY_RECORDS;
	return SSL_version(c->t->ssl) == TLS1_3_VERSION ? SIM_KEY_RECORDS * 3 / 2
							: SIM_KEY_RECORDS / 2;
}

/* A byte a record, which wears a key out. Returns how many bytes it has said so. */
static size_t say_in_bytes(struct client *c, const uint8_t *p, size_t n)
{
	const unsigned most = tiny_most(c);
	size_t done = 0;

	while (done < n && c->t->tiny < most && SSL_write(c->t->ssl, p + done, 1) == 1) {
		done++;
		c->t->tiny++;
	}
	world_log("TLS client says bytes", c->s->id, done, n);
	return done;
}

void tls_client_say(struct client *c, const void *p, size_t n)
{
	size_t done = 0;

	if (!c->plain && dice_rare(6))
		update(c);
	if (dice_rare(8))
		done = say_in_bytes(c, p, n);
	if (done < n && SSL_write(c->t->ssl, (const uint8_t *)p + done, (int)(n - done)) <= 0)
		c->t->broken = true;
	ERR_clear_error();
}

void tls_client_bye(struct client *c)
{
	if (tls_client_ready(c->t) && !dice_rare(4))
		SSL_shutdown(c->t->ssl);
	ERR_clear_error();
}

bool tls_client_waits(const struct tls_client *t)
{
	return BIO_ctrl_pending(t->out);
}

bool tls_client_garbage(const struct tls_client *t)
{
	return t->garbage;
}

bool tls_client_damaged(const struct tls_client *t)
{
	return t->damaged;
}

bool tls_client_push(struct client *c)
{
	char *bytes;
	size_t n = (size_t)BIO_get_mem_data(c->t->out, &bytes), sent;
	static uint8_t rest[1 << 17];

	if (!n)
		return false;
	if (n > sizeof(rest)) /* a client may say more at once; the rest stays for later */
		n = sizeof(rest);
	if (!c->plain && dice_rare(150)) {
		bytes[dice((uint32_t)n)] ^= 1;
		c->t->damaged = true;
		world_log("a wrong byte", c->s->id, n, 0);
	}
	sent = far_send(c->s, bytes, dice_rare(3) ? 1 + dice((uint32_t)n) : n);
	if (sent && BIO_read(c->t->out, rest, (int)sent) != (int)sent)
		world_fail("BIO_read");
	return sent;
}
