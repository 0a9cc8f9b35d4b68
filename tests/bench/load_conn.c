/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection of the load client. See load_conn.h. */
#include "load_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

/* The same for every proxy, so that all do the same work. */
#define SUITE "TLS_AES_128_GCM_SHA256"
#define GROUP "X25519"

/* The size of one read, and of one write of an upload. */
static char received[256 << 10];
static char upload[64 << 10];

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %m\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct conn *c = SSL_get_app_data(ssl);

	SSL_SESSION_free(c->session);
	c->session = session;
	return 1;
}

static SSL_CTX *make_context(enum load_mode mode)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(ctx, SUITE) || !SSL_CTX_set1_groups_list(ctx, GROUP))
		die("TLS context");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One recv(2) for several records, so that the client costs as little as possible. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, sizeof(upload));
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (mode == LOAD_RESUME) {
		SSL_CTX_set_session_cache_mode(ctx,
					       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
	}
	return ctx;
}

void conn_env_init(struct conn_env *env, const struct load *load)
{
	unsigned long long size = load->size, body = load->upload;
	int len;

	memset(env, 0, sizeof(*env));
	memset(upload, 'u', sizeof(upload));
	env->load = load;
	env->to = (struct sockaddr_in){.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons(load->port)};
	if (body)
		len = snprintf(
			env->request, sizeof(env->request),
			"POST /%llu HTTP/1.1\r\nHost: localhost\r\nContent-Length: %llu\r\n\r\n",
			size, body);
	else
		len = snprintf(env->request, sizeof(env->request),
			       "GET /%llu HTTP/1.1\r\nHost: localhost\r\n\r\n", size);
	env->request_len = (size_t)len;
	env->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (env->epoll_fd < 0)
		die("epoll_create1");
	if (load->tls)
		env->ctx = make_context(load->mode);
}

void conn_env_fini(struct conn_env *env)
{
	SSL_CTX_free(env->ctx);
	close(env->epoll_fd);
}

void conn_init(struct conn *c, struct conn_env *env)
{
	memset(c, 0, offsetof(struct conn, head));
	c->env = env;
	c->fd = -1;
	c->state = CONN_IDLE;
}

static void start_tls(struct conn *c)
{
	c->ssl = SSL_new(c->env->ctx);
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd) || !SSL_set_tlsext_host_name(c->ssl, "localhost"))
		die("SSL_new");
	SSL_set_app_data(c->ssl, c);
	if (c->session && !SSL_set_session(c->ssl, c->session))
		die("SSL_set_session");
	SSL_set_connect_state(c->ssl);
}

static void conn_open(struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = c};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&c->env->to, sizeof(c->env->to)) < 0 &&
	    errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(c->env->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl");
	if (c->env->load->tls)
		start_tls(c);
}

void conn_request(struct conn *c)
{
	c->sent = 0;
	c->head_len = 0;
	c->state = CONN_SEND;
	if (c->fd >= 0)
		return;
	conn_open(c);
	if (c->ssl)
		c->state = CONN_HANDSHAKE;
}

/* Turns a result of OpenSSL into that of a system call: -1 and EAGAIN, or another error. */
static ssize_t ssl_result(struct conn *c, int n)
{
	if (n > 0)
		return n;
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		if (errno && errno != EAGAIN)
			return -1;
		/* fall through */
	default:
		errno = EPROTO;
		return -1;
	}
}

static ssize_t conn_read(struct conn *c, void *to, size_t room)
{
	if (c->ssl)
		return ssl_result(c, SSL_read(c->ssl, to, (int)room));
	return recv(c->fd, to, room, 0);
}

static ssize_t conn_write(struct conn *c, const void *from, size_t len)
{
	if (c->ssl)
		return ssl_result(c, SSL_write(c->ssl, from, (int)len));
	return send(c->fd, from, len, MSG_NOSIGNAL);
}

static enum conn_verdict failed(struct conn *c, const char *what)
{
	static const char *const states[] = {"handshake", "sending", "head", "body", "idle"};

	fprintf(stderr, "load: %s (%s, %llu bytes sent): %m\n", what, states[c->state],
		(unsigned long long)c->sent);
	ERR_print_errors_fp(stderr);
	return CONN_FAILED;
}

/* The meaning of an n <= 0 from conn_read() or conn_write(). */
static enum conn_verdict stopped(struct conn *c, ssize_t n)
{
	if (n < 0 && errno == EAGAIN)
		return CONN_WAIT;
	if (n == 0)
		errno = ECONNRESET;
	return failed(c, "connection ended");
}

static enum conn_verdict step_handshake(struct conn *c)
{
	int ret = SSL_do_handshake(c->ssl);

	if (ret != 1)
		return stopped(c, ssl_result(c, ret));
	if (SSL_session_reused(c->ssl))
		c->env->resumed++;
	c->state = CONN_SEND;
	return CONN_DONE;
}

static enum conn_verdict step_send(struct conn *c)
{
	const struct conn_env *env = c->env;
	uint64_t whole = env->request_len + env->load->upload;

	while (c->sent < whole) {
		ssize_t n;

		if (c->sent < env->request_len)
			n = conn_write(c, env->request + c->sent, env->request_len - c->sent);
		else
			n = conn_write(c, upload,
				       whole - c->sent < sizeof(upload) ? whole - c->sent
									: sizeof(upload));
		if (n <= 0)
			return stopped(c, n);
		c->sent += (uint64_t)n;
	}
	c->state = CONN_HEAD;
	return CONN_DONE;
}

/* Reads the status and the length. Sets body_left to the missing bytes of the body. */
static enum conn_verdict parse_head(struct conn *c)
{
	const char *end, *field;
	uint64_t length, have;

	c->head[c->head_len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		errno = EMSGSIZE;
		return c->head_len < sizeof(c->head) - 1 ? CONN_DONE : failed(c, "long head");
	}
	errno = EPROTO;
	field = strcasestr(c->head, "\r\ncontent-length:");
	if (strncmp(c->head, "HTTP/1.1 200", 12) || !field || field > end) {
		fprintf(stderr, "load: answered: %.*s\n", (int)strcspn(c->head, "\r"), c->head);
		return failed(c, "not the answer that was asked for");
	}
	length = strtoull(field + 17, NULL, 10);
	have = c->head_len - (size_t)(end + 4 - c->head);
	if (length != c->env->load->size || have > length)
		return failed(c, "answer of the wrong length");
	c->body_left = length - have;
	c->state = CONN_BODY;
	return CONN_DONE;
}

static enum conn_verdict step_head(struct conn *c)
{
	ssize_t n = conn_read(c, c->head + c->head_len, sizeof(c->head) - 1 - c->head_len);

	if (n <= 0)
		return stopped(c, n);
	c->head_len += (size_t)n;
	return parse_head(c);
}

static enum conn_verdict step_body(struct conn *c)
{
	while (c->body_left) {
		size_t room = c->body_left < sizeof(received) ? c->body_left : sizeof(received);
		ssize_t n = conn_read(c, received, room);

		if (n <= 0)
			return stopped(c, n);
		c->body_left -= (uint64_t)n;
	}
	c->state = CONN_IDLE;
	return CONN_DONE;
}

enum conn_verdict conn_step(struct conn *c)
{
	static enum conn_verdict (*const steps[])(struct conn *) = {
		[CONN_HANDSHAKE] = step_handshake,
		[CONN_SEND] = step_send,
		[CONN_HEAD] = step_head,
		[CONN_BODY] = step_body,
	};

	/* An event for an idle connection: tickets, or the end, which the next request finds. */
	if (c->state == CONN_IDLE)
		return CONN_WAIT;
	do {
		enum conn_verdict verdict = steps[c->state](c);

		if (verdict != CONN_DONE)
			return verdict;
	} while (c->state != CONN_IDLE);
	return CONN_DONE;
}

void conn_close(struct conn *c)
{
	if (c->fd < 0)
		return;
	if (c->ssl) {
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	close(c->fd);
	c->fd = -1;
}

void conn_fini(struct conn *c)
{
	conn_close(c);
	SSL_SESSION_free(c->session);
	c->session = NULL;
}
