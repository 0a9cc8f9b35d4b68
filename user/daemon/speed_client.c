/* SPDX-License-Identifier: BSD-2-Clause */
/* Sealed requests and bodies, and what drops the answers. See speed_client.h. */
#include "daemon/speed_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "daemon/probe_pair.h"
#include "tls/control_record.h"

#define BODY_RECORDS (SPEED_BODY_BYTES / AEAD_CONTENT_MAX)
/* TLS 1.3: what is in a record behind its header, beside content: type and tag. */
#define SEAL_BYTES   (1 + AEAD_TAG_LEN)

static const char request_text[] =
	"GET /index.html HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kedge-probe-speed\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9\r\n"
	"Accept-Language: en-US,en;q=0.5\r\nX-Fill: ------------------\r\n\r\n";
_Static_assert(sizeof(request_text) == SPEED_REQUEST_BYTES + 1, "as the header says");

const uint8_t *speed_request_text(void)
{
	return (const uint8_t *)request_text;
}

void speed_keys(enum tls_suite suite, union ktls_crypto *up, union ktls_crypto *down)
{
	static const uint8_t up_key[32] = "the client's key of the measure",
			     up_iv[12] = "client's iv";
	static const uint8_t down_key[32] = "the server's key of the measure";
	static const uint8_t down_iv[12] = "server's iv";

	ktls_fill(up, VERSION_TLS13, suite, up_key, up_iv, 0);
	ktls_fill(down, VERSION_TLS13, suite, down_key, down_iv, 0);
}

int speed_client_open(struct speed_client *c, enum tls_suite suite)
{
	union ktls_crypto up, down;

	speed_keys(suite, &up, &down);
	aead_key_set(&c->request.key, &up, true);
	aead_key_set(&c->body.key, &up, true);
	c->pool = aead_pool_new();
	c->request.bytes = malloc(SPEED_REQUEST_BYTES + AEAD_OVERHEAD_MAX);
	c->body.bytes = malloc(BODY_RECORDS * (size_t)(AEAD_CONTENT_MAX + AEAD_OVERHEAD_MAX));
	return c->pool && c->request.bytes && c->body.bytes ? 0 : -ENOMEM;
}

void speed_client_close(struct speed_client *c)
{
	aead_pool_free(take_ptr(c->pool));
	free(take_ptr(c->request.bytes));
	free(take_ptr(c->body.bytes));
}

/* One record more behind those of `s`. */
static int seal(struct speed_client *c, struct speed_sealed *s, const uint8_t *text, size_t n)
{
	ssize_t len = aead_seal(&s->key, c->pool, TLS_CONTENT_DATA, text, n, s->bytes + s->len);

	if (len < 0)
		return -ENOMEM;
	s->len += (size_t)len;
	return 0;
}

int speed_client_seal_request(struct speed_client *c)
{
	c->request.len = 0;
	return seal(c, &c->request, speed_request_text(), SPEED_REQUEST_BYTES);
}

int speed_client_seal_body(struct speed_client *c)
{
	static const uint8_t content[AEAD_CONTENT_MAX];
	int err = 0;

	c->body.len = 0;
	for (int i = 0; i < BODY_RECORDS && !err; i++)
		err = seal(c, &c->body, content, sizeof(content));
	return err;
}

ssize_t speed_client_send(int fd, const uint8_t *bytes, size_t n)
{
	ssize_t sent = n ? send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return sent;
}

/* Some of the header. 1: something came; 0: nothing now; or -errno. */
static int take_header(int fd, struct speed_skip *s)
{
	ssize_t n = recv(fd, s->header + s->have, sizeof(s->header) - s->have, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	s->have += (size_t)n;
	if (s->have < sizeof(s->header))
		return 1;
	s->left = (size_t)(s->header[3] << 8 | s->header[4]);
	return s->header[0] == TLS_CONTENT_DATA && s->left >= SEAL_BYTES ? 1 : -EBADMSG;
}

/* Some of what is behind the header: returns as take_header(). */
static int drop_sealed(int fd, struct speed_skip *s)
{
	uint8_t dropped
		[AEAD_RECORD_MAX]; /* is not written to, except by kernels without MSG_TRUNC */
	const size_t most = s->left < sizeof(dropped) ? s->left : sizeof(dropped);
	ssize_t n = recv(fd, dropped, most, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	s->left -= (size_t)n;
	return 1;
}

static bool is_whole(const struct speed_skip *s)
{
	return s->have == sizeof(s->header) && !s->left;
}

ssize_t speed_client_skip(int fd, struct speed_skip *s, size_t most)
{
	size_t content = 0;
	int r = 1;

	if (!probe_wait(fd, POLLIN))
		return -ETIMEDOUT;
	while (r == 1 && content < most) {
		r = s->have < sizeof(s->header) ? take_header(fd, s) : drop_sealed(fd, s);
		if (r == 1 && is_whole(s)) {
			content += (size_t)(s->header[3] << 8 | s->header[4]) - SEAL_BYTES;
			*s = (struct speed_skip){0};
		}
	}
	return r < 0 ? r : (ssize_t)content;
}
