/* What a handshake tells while it runs: traffic secrets and record numbers. See keys.h. */
#include "keys.h"

#include <string.h>

static int nibble(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Lines of the key log: "LABEL client_random secret", the latter two in hexadecimal. */
static void on_keylog(const SSL *ssl, const char *line)
{
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ",
			  server[] = "SERVER_TRAFFIC_SECRET_0 ";
	struct keys_watch *w = SSL_get_app_data(ssl);
	uint8_t *out;
	const char *hex;
	size_t n;

	if (!w)
		return;
	if (!strncmp(line, client, sizeof(client) - 1))
		out = w->traffic.client;
	else if (!strncmp(line, server, sizeof(server) - 1))
		out = w->traffic.server;
	else
		return;
	hex = strrchr(line, ' ') + 1;
	n = strlen(hex) / 2;
	if (n > KEYS_SECRET_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	w->traffic.len = (uint8_t)n;
}

/*
 * OpenSSL shows the header of a record before the message that the record carries, in both
 * directions: when Finished is seen its own record has been counted.
 */
static void on_message(int write, int version, int type, const void *buf, size_t len, SSL *ssl,
		       void *arg)
{
	struct keys_watch *w = arg;
	uint64_t *seq = write ? &w->tx_seq : &w->rx_seq;

	(void)version;
	if (!w)
		return;
	if (type == SSL3_RT_HEADER)
		++*seq;
	else if (type == SSL3_RT_HANDSHAKE && len && *(const uint8_t *)buf == SSL3_MT_FINISHED)
		*seq = SSL_version(ssl) == TLS1_3_VERSION ? 0 : 1;
}

void keys_prepare(SSL_CTX *ctx)
{
	SSL_CTX_set_keylog_callback(ctx, on_keylog);
}

void keys_watch(SSL *ssl, struct keys_watch *w)
{
	SSL_set_app_data(ssl, w);
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, w);
}

void keys_unwatch(SSL *ssl)
{
	SSL_set_app_data(ssl, NULL);
	SSL_set_msg_callback(ssl, NULL);
	SSL_set_msg_callback_arg(ssl, NULL);
}
