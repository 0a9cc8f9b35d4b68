/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/loopback_pair.h"

#define WAIT_MS 60000 /* an emulated machine may be very busy */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	abort();
}

/* --- certificates ----------------------------------------------------------------------------- */

static char dir[128];
static char *files[128];
static size_t files_count;

static void remove_dir(void)
{
	for (size_t i = 0; i < files_count; i++) {
		unlink(files[i]);
		free(files[i]);
	}
	rmdir(dir);
}

const char *peer_dir(void)
{
	if (dir[0])
		return dir;
	snprintf(dir, sizeof(dir), "%s/kedge-test.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	must(mkdtemp(dir) != NULL, "mkdtemp");
	atexit(remove_dir);
	return dir;
}

static FILE *create(char path[256], const char *name, const char *suffix)
{
	FILE *f;

	snprintf(path, 256, "%s/%s.%s", peer_dir(), name, suffix);
	f = fopen(path, "w");
	must(f != NULL && !fchmod(fileno(f), 0600), path);
	for (size_t i = 0; i < files_count; i++)
		if (!strcmp(files[i], path))
			return f;
	must(files_count < sizeof(files) / sizeof(files[0]), "too many files");
	files[files_count++] = strdup(path);
	return f;
}

static void add_sans(X509 *x, const char *names)
{
	char value[1024] = "", *at = value, *copy = strdup(names), *save = NULL;
	X509_EXTENSION *ext;

	for (char *n = strtok_r(copy, ",", &save); n; n = strtok_r(NULL, ",", &save))
		at += sprintf(at, "%sDNS:%s", at == value ? "" : ",", n);
	free(copy);
	if (at == value)
		return;
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
	must(ext && X509_add_ext(x, ext, -1) == 1, "subjectAltName");
	X509_EXTENSION_free(ext);
}

void peer_cert_make(struct peer_cert *out, const char *file, enum peer_key type, const char *names,
		    int days)
{
	EVP_PKEY *key = type == PEER_RSA ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	FILE *f;

	must(key && x, "key");
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -100L * 86400);
	X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)file, -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	add_sans(x, names);
	must(X509_sign(x, key, EVP_sha256()) > 0, "X509_sign");

	f = create(out->cert, file, "crt");
	must(PEM_write_X509(f, x) == 1 && !fclose(f), out->cert);
	f = create(out->key, file, "key");
	must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && !fclose(f), out->key);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* --- sockets ---------------------------------------------------------------------------------- */

void peer_pair(int ends[2])
{
	must(!loopback_pair(ends), "loopback pair");
	for (int i = 0; i < 2; i++)
		must(!fcntl(ends[i], F_SETFL, O_NONBLOCK) &&
			     !setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)),
		     "socket options");
}

void peer_wait_any(int a, int b)
{
	struct pollfd p[] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};

	must(poll(p, 2, WAIT_MS) > 0, "nothing came");
}

void peer_wait(int fd)
{
	peer_wait_any(fd, -1);
}

/* --- the client ------------------------------------------------------------------------------- */

static int session_index;

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(SSL_get_ex_data(ssl, session_index));
	SSL_set_ex_data(ssl, session_index, session);
	return 1;
}

SSL_SESSION *peer_session(struct peer *p)
{
	SSL_SESSION *s = SSL_get_ex_data(p->ssl, session_index);

	SSL_set_ex_data(p->ssl, session_index, NULL);
	return s;
}

static SSL_CTX *client_ctx(const struct peer_opts *o)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	must(ctx != NULL, "SSL_CTX_new");
	if (!session_index)
		session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	/* Old versions must fail because of the server under test, not here. */
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, o->version);
	SSL_CTX_set_max_proto_version(ctx, o->version);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	if (o->suites12)
		must(SSL_CTX_set_cipher_list(ctx, o->suites12) == 1, o->suites12);
	if (o->suites13)
		must(SSL_CTX_set_ciphersuites(ctx, o->suites13) == 1, o->suites13);
	if (o->sigalgs)
		must(SSL_CTX_set1_sigalgs_list(ctx, o->sigalgs) == 1, o->sigalgs);
	if (o->max_fragment)
		must(SSL_CTX_set_tlsext_max_fragment_length(ctx, o->max_fragment) == 1, "fragment");
	return ctx;
}

void peer_open(struct peer *p, int fd, const struct peer_opts *o)
{
	SSL_CTX *ctx = client_ctx(o);

	*p = (struct peer){.fd = fd, .ssl = SSL_new(ctx)};
	SSL_CTX_free(ctx);
	must(p->ssl != NULL, "SSL_new");
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(p->in, -1);
	SSL_set_bio(p->ssl, p->in, p->out);
	if (o->server_name)
		SSL_set_tlsext_host_name(p->ssl, o->server_name);
	if (o->alpn)
		SSL_set_alpn_protos(p->ssl, (const uint8_t *)o->alpn, (unsigned)strlen(o->alpn));
	if (o->session)
		must(SSL_set_session(p->ssl, o->session) == 1, "SSL_set_session");
	SSL_set_connect_state(p->ssl);
}

void peer_close(struct peer *p)
{
	if (p->ssl) {
		SSL_SESSION_free(peer_session(p));
		/* Without this OpenSSL would spoil the session for resumption. */
		SSL_set_shutdown(p->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	}
	SSL_free(p->ssl);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct peer){.fd = -1};
}

void peer_send(struct peer *p, size_t piece, void (*step)(void *arg), void *arg)
{
	char *bytes;
	size_t left = (size_t)BIO_get_mem_data(p->out, &bytes);

	while (left) {
		size_t n = piece && piece < left ? piece : left;
		ssize_t sent = send(p->fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			struct pollfd room = {.fd = p->fd, .events = POLLOUT};

			if (step)
				step(arg);
			must(poll(&room, 1, WAIT_MS) == 1, "the server does not read");
			continue;
		}
		if (sent < 0)
			break; /* the server has closed: the test will see it */
		bytes += sent;
		left -= (size_t)sent;
		if (step)
			step(arg);
	}
	(void)BIO_reset(p->out);
}

size_t peer_receive(struct peer *p)
{
	char buf[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = recv(p->fd, buf, sizeof(buf), 0)) > 0) {
		must(BIO_write(p->in, buf, (int)n) == n, "BIO_write");
		total += (size_t)n;
	}
	if (n == 0) {
		p->eof = true;
		BIO_set_mem_eof_return(p->in, 0);
	}
	return total;
}
