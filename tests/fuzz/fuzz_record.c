/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on the TLS records of user space, with OpenSSL as the client: any sizes, cuts,
 * paddings, KeyUpdates, ends and order of these. Both sides must get what the other has sent, byte
 * for byte. A turned bit of the client's must end the connection, with nothing delivered from there
 * on.
 *
 * The first two bytes choose version, suite and size of fragments. Each step takes three: what, and
 * a number. The limit of a key is so small that it is met (record_tls.c is included).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "invariant.h"
#include "tests/lib/tls_peer.h"
#include "tls/aead.h"
#include "tls/aead_pool.h"
#include "tls/tls.h"
#include "tls/tls_handoff.h"

#define RECORD_TLS_KEY_RECORDS 40
#include "tls/record_tls.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define STREAM_MAX  200000 /* bytes of a direction */
/* Fewer than the rules against floods allow (control_record.h). */
#define UPDATES_MAX 25

static struct kedge_stats stats;
static uint8_t in[40000], out[40000];
static struct record_scratch scratch = {
	.in = in, .out = out, .in_size = sizeof(in), .out_size = sizeof(out), .stats = &stats};
static struct tls_shared shared;
static struct tls_ctx *ctx;

/* What both directions carry. */
static uint8_t stream[STREAM_MAX];

struct world {
	struct peer client;
	struct record *record;
	int fd; /* kedge's */
	bool tls13, chacha;
	size_t up_sent, up_got, down_sent, down_got;     /* bytes of the stream */
	unsigned updates, records;                       /* of the client */
	size_t fragment;                                 /* the longest record of the client */
	bool damaged, client_ended, our_end, dead, over; /* over: the client has seen an end */
};

/* --- set-up ----------------------------------------------------------------------------------- */

static void make_ctx(void)
{
	const struct conf conf = {.record = POLICY_OFF};
	static struct peer_cert files;
	static struct conf_cert pair = {.cert = files.cert, .key = files.key};
	const struct ktls_caps caps = {0};

	for (size_t i = 0; i < sizeof(stream); i++)
		stream[i] = (uint8_t)(i * 2654435761u >> 13 ^ i);
	peer_cert_make(&files, "fuzz", PEER_EC, "fuzz.test", 10);
	INVARIANT(!tls_shared_init(&shared, &conf, &caps));
	INVARIANT(
		!tls_ctx_new(&ctx, &(struct tls_offer){.certs = &pair, .certs_count = 1}, &shared));
}

static void open_world(struct world *w, uint8_t which, uint8_t fragment)
{
	static const char *const suites13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					       "TLS_CHACHA20_POLY1305_SHA256"};
	static const char *const suites12[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
					       "ECDHE-ECDSA-AES256-GCM-SHA384",
					       "ECDHE-ECDSA-CHACHA20-POLY1305"};
	const unsigned suite = which / 2 % 3;
	struct peer_opts opts = {.version = which % 2 ? TLS1_3_VERSION : TLS1_2_VERSION,
				 .suites12 = suites12[suite],
				 .suites13 = suites13[suite],
				 .max_fragment = fragment % 16 < 5 ? fragment % 16 : 0};
	enum tls_step step = TLS_WANT_READ;
	struct tls_conn *tls;
	struct tls_facts facts;
	enum kedge_reason reason;
	int ends[2];

	*w = (struct world){.tls13 = which % 2, .chacha = suite == 2, .fragment = 16384};
	INVARIANT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
	w->fd = ends[1];
	peer_open(&w->client, ends[0], &opts);
	tls = tls_conn_new(ctx, w->fd, &scratch);
	for (int i = 0; i < 10 && step != TLS_DONE; i++) {
		SSL_do_handshake(w->client.ssl);
		peer_send(&w->client, 0, NULL, NULL);
		step = tls_handshake(tls, &reason);
		peer_receive(&w->client);
	}
	INVARIANT(step == TLS_DONE);
	INVARIANT(!tls_into_record(&tls, &w->record, &facts, &reason));
	INVARIANT(SSL_do_handshake(w->client.ssl) == 1);
	ERR_clear_error();
}

static void close_world(struct world *w)
{
	record_free(w->record);
	peer_close(&w->client);
	close(w->fd);
	ERR_clear_error();
}

/* --- kedge ------------------------------------------------------------------------------------ */

/* May a leg die of that? */
static bool is_excused(const struct world *w)
{
	if (w->record->reason == KEDGE_REASON_key_exhausted)
		return !w->chacha && (w->records >= RECORD_TLS_KEY_RECORDS || !w->tls13);
	return w->damaged;
}

static void kedge_reads(struct world *w, size_t len)
{
	static uint8_t buf[70000];
	ssize_t n = record_read(w->record, buf, len);

	if (n > 0) {
		INVARIANT(w->up_got + (size_t)n <= w->up_sent);
		INVARIANT(!memcmp(buf, stream + w->up_got, (size_t)n));
		w->up_got += (size_t)n;
	} else if (n == 0 && len) {
		INVARIANT(w->client_ended || w->damaged);
		INVARIANT(w->damaged || (w->record->clean_end && w->up_got == w->up_sent));
	} else if (n < 0 && n != -EAGAIN && n != -EINTR) {
		INVARIANT(is_excused(w));
		INVARIANT(w->record->reason);
		w->dead = true;
	}
	memset(in, 0xee, sizeof(in));
	INVARIANT(!ERR_peek_error());
}

static void kedge_writes(struct world *w, size_t len)
{
	const size_t left = sizeof(stream) - w->down_sent;
	ssize_t n = record_write(w->record, stream + w->down_sent, len < left ? len : left);

	INVARIANT(n <= (ssize_t)len);
	w->down_sent += n > 0 ? (size_t)n : 0;
	if (n < 0 && n != -EAGAIN)
		INVARIANT(w->our_end || w->dead || is_excused(w));
	memset(out, 0xee, sizeof(out));
}

/* --- the client ------------------------------------------------------------------------------- */

static void client_writes(struct world *w, size_t len)
{
	const size_t left = sizeof(stream) - w->up_sent;

	len = len < left ? len : left;
	if (w->client_ended || w->over || !len)
		return;
	if (SSL_write(w->client.ssl, stream + w->up_sent, (int)len) == (int)len) {
		w->up_sent += len;
		w->records += 1 + (unsigned)(len / 500);
	}
	ERR_clear_error();
}

/* So many bytes of what it has said come to kedge. */
static void client_sends(struct world *w, size_t len)
{
	char *bytes;
	const long have = BIO_get_mem_data(w->client.out, &bytes);
	static uint8_t sent[70000];
	ssize_t n;

	len = len < (size_t)have ? len : (size_t)have;
	len = len < sizeof(sent) ? len : sizeof(sent);
	n = len ? send(w->client.fd, bytes, len, MSG_NOSIGNAL) : 0;
	if (n > 0)
		BIO_read(w->client.out, sent, (int)n);
}

static void client_reads(struct world *w, size_t len)
{
	static uint8_t buf[70000];
	int n;

	peer_receive(&w->client);
	while (!w->over && (n = SSL_read(w->client.ssl, buf, (int)len)) > 0) {
		INVARIANT(w->down_got + (size_t)n <= w->down_sent);
		INVARIANT(!memcmp(buf, stream + w->down_got, (size_t)n));
		w->down_got += (size_t)n;
	}
	if (!w->over && SSL_get_error(w->client.ssl, n) != SSL_ERROR_WANT_READ) {
		/* Our end comes behind all that we have sent. */
		if (SSL_get_shutdown(w->client.ssl) & SSL_RECEIVED_SHUTDOWN)
			INVARIANT(w->our_end || w->dead || is_excused(w));
		INVARIANT(w->damaged || w->down_got == w->down_sent);
		w->over = true;
	}
	ERR_clear_error();
}

static void client_updates(struct world *w, int type)
{
	if (!w->tls13 || w->updates >= UPDATES_MAX || w->client_ended || w->over)
		return;
	if (SSL_key_update(w->client.ssl, type) == 1 && SSL_do_handshake(w->client.ssl) == 1)
		w->updates++;
	ERR_clear_error();
}

/* Somewhere in what it has said and nobody has received. */
static void turn_bit(struct world *w, size_t at)
{
	char *bytes;
	const long have = BIO_get_mem_data(w->client.out, &bytes);

	if (!have)
		return;
	bytes[at / 8 % (size_t)have] ^= (char)(1 << at % 8);
	w->damaged = true;
}

static void client_ends(struct world *w)
{
	SSL_shutdown(w->client.ssl);
	ERR_clear_error();
	w->client_ended = true;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void step(struct world *w, uint8_t what, size_t n)
{
	switch (what % 16) {
	case 0:
	case 1:
		client_writes(w, n % 20000);
		break;
	case 2:
	case 3:
		client_sends(w, n);
		break;
	case 4:
		client_sends(w, n % 50);
		break;
	case 5:
	case 6:
		kedge_reads(w, n % sizeof(in));
		break;
	case 7:
		kedge_reads(w, n % 30);
		break;
	case 8:
	case 9:
		kedge_writes(w, n);
		break;
	case 10:
		client_reads(w, 1 + n);
		break;
	case 11:
		client_updates(w, n % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
		break;
	case 12:
		SSL_set_block_padding(w->client.ssl, n % 16385);
		break;
	case 13:
		/* Never longer than before: OpenSSL's buffer would be too small, and it fails. */
		w->fragment = 512 + n % (w->fragment - 511);
		SSL_set_max_send_fragment(w->client.ssl, (long)w->fragment);
		break;
	case 14:
		if (n % 4 == 0)
			w->our_end |= !record_close_write(w->record) || w->record->told ||
				      ((struct record_tls *)w->record)->alerted;
		else
			(void)record_flush(w->record);
		break;
	default:
		if (n % 8 == 1)
			turn_bit(w, n / 8);
		else if (n % 8 == 0)
			client_ends(w);
		break;
	}
}

/* Everything that is under way arrives. */
static void settle(struct world *w)
{
	for (int i = 0; i < 1000 && !w->dead; i++) {
		const size_t before = w->up_got + w->down_got;

		client_sends(w, SIZE_MAX);
		(void)record_flush(w->record);
		kedge_reads(w, sizeof(in));
		client_reads(w, 70000);
		if (w->up_got + w->down_got == before && !BIO_pending(w->client.out) && i > 3)
			break;
	}
	if (w->dead || w->damaged)
		return;
	INVARIANT(w->up_got == w->up_sent);
	INVARIANT(w->down_got == w->down_sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct world w;

	if (!ctx)
		make_ctx();
	if (n < 2)
		return -1;
	open_world(&w, bytes[0], bytes[1]);
	for (size_t at = 2; at + 3 <= n && !w.dead; at += 3)
		step(&w, bytes[at], (size_t)(bytes[at + 1] | bytes[at + 2] << 8));
	settle(&w);
	close_world(&w);
	return 0;
}
