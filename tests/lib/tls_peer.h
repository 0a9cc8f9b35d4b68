/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: new certificates, and a TLS client in the same thread as the server under test. The
 * client works on memory. Its bytes go over a socket when the test says so, in pieces of any size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

enum peer_key { PEER_RSA, PEER_EC };

struct peer_cert {
	char cert[256], key[256]; /* files */
};

/* A directory for the files of this test program. Removed at exit, with the files in it. */
const char *peer_dir(void);

/*
 * Makes a self-signed certificate under peer_dir(). names: DNS names, comma-separated ("" for
 * none). days: until it expires, negative: it has expired. Aborts if it fails.
 */
void peer_cert_make(struct peer_cert *out, const char *file, enum peer_key key, const char *names,
		    int days);

struct peer {
	SSL *ssl;
	BIO *in, *out; /* memory; owned by ssl */
	int fd;        /* non-blocking, owned */
	bool eof;      /* the server's FIN was received */
};

struct peer_opts {
	int version;          /* TLS1_2_VERSION, TLS1_3_VERSION; 0: both */
	const char *suites12; /* NULL: OpenSSL's default */
	const char *suites13;
	const char *server_name;
	const char *alpn;     /* wire format: "\x08http/1.1"; NULL: none */
	const char *sigalgs;  /* what the client can verify; NULL: all */
	SSL_SESSION *session; /* to resume */
	uint8_t max_fragment; /* TLSEXT_max_fragment_length_*, 0: none */
};

/* A connected, non-blocking TCP pair on loopback: ends[0] for the peer. */
void peer_pair(int ends[2]);

/* Takes the descriptor. Certificates are not verified. */
void peer_open(struct peer *p, int fd, const struct peer_opts *opts);
void peer_close(struct peer *p);

/* Sends what the client has to say, `piece` bytes at a time (0: at once); calls step(arg) after
 * each piece. */
void peer_send(struct peer *p, size_t piece, void (*step)(void *arg), void *arg);

/* Receives what is there. Returns how many bytes. */
size_t peer_receive(struct peer *p);

/* Waits until fd is readable (or at its end), at most a few seconds; aborts after that. */
void peer_wait(int fd);

/* As peer_wait(), for one of two. */
void peer_wait_any(int a, int b);

/* The newest session that has arrived, to resume. Owned by the caller; may be NULL. */
SSL_SESSION *peer_session(struct peer *p);
