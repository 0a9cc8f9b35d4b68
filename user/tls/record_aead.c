/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client leg when kedge carries the records: a twin of kernel TLS. One recv() takes many
 * records, one send() sends many. Records are opened from the worker's buffer straight into the
 * reader's, and sealed from the writer's buffer straight into the worker's.
 *
 * An idle leg keeps its keys and numbers, and nothing else. Half a record, and ciphertext that the
 * socket did not take, are on the heap as long as they must.
 */
#include "tls/record_aead.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/cleanup.h"
#include "tls/aead.h"
#include "tls/record_plain.h"
#include "tls/record_tls.h"
#include "tls/unsent.h"

/* OpenSSL's limit: records in a row without a byte of data. */
#define EMPTY_RECORDS_MAX 32

/* Bytes on the heap; bytes[at..len) are still of use. */
struct kept {
	uint8_t *bytes;
	uint32_t at, len;
};

struct record_aead {
	struct record_tls t;
	struct aead_key tx, rx;
	struct kept in;    /* received, not opened: half a record, or those there was no room for */
	struct kept plain; /* opened, for a reader whose buffer is smaller than a record */
	struct unsent unsent;
	uint32_t out_limit; /* bytes of ciphertext made at a time: follows what the socket takes */
	uint16_t content_max;
	uint8_t empties; /* records without data in a row */
	int send_err;    /* -errno of a send that failed; it will not do better */
};

static struct aead_pool *pool(const struct record_aead *a)
{
	return a->t.r.scratch->aead;
}

static void kept_drop(struct kept *k)
{
	free(take_ptr(k->bytes));
	k->at = k->len = 0;
}

/* A copy of bytes[0..n), in place of what was kept. 0 or -ENOMEM. */
static int kept_set(struct kept *k, const uint8_t *bytes, size_t n)
{
	uint8_t *copy;

	if (!n) {
		kept_drop(k);
		return 0;
	}
	copy = malloc(n);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, n);
	free(k->bytes);
	*k = (struct kept){.bytes = copy, .len = (uint32_t)n};
	return 0;
}

#ifdef KEDGE_CHECKS
static void aead_check(const struct record_aead *a)
{
	const struct kept *const kepts[] = {&a->in, &a->plain};

	for (int i = 0; i < 2; i++) {
		CHECK(a, !kepts[i]->bytes == !kepts[i]->len);
		CHECK_IF(a, kepts[i]->len, kepts[i]->at < kepts[i]->len);
	}
	CHECK(a, a->plain.len <= AEAD_CONTENT_MAX + 1);
	CHECK_IF(a, !a->t.failed, a->empties <= EMPTY_RECORDS_MAX);
	CHECK(a, a->send_err <= 0 && a->send_err != -EAGAIN);
	CHECK(a, a->content_max && a->content_max <= AEAD_CONTENT_MAX);
	/* Room for one record at least, and no more than there is. */
	CHECK(a, a->out_limit >= AEAD_CONTENT_MAX + AEAD_OVERHEAD_MAX);
	CHECK(a, a->out_limit <= a->t.r.scratch->out_size);
	unsent_check(&a->unsent);
	record_tls_check(&a->t);
}
#endif

/* --- sending ---------------------------------------------------------------------------------- */

static int fail_from_errno(struct record_tls *t, int err)
{
	return record_tls_fail(t, -ECONNRESET,
			       err == -ENOMEM || err == -ENOBUFS ? KEDGE_REASON_no_memory
								 : KEDGE_REASON_client_reset);
}

static int out_of_memory(struct record_aead *a)
{
	a->t.r.drained = false;
	return record_tls_fail(&a->t, -ECONNRESET, KEDGE_REASON_no_memory);
}

static int flush_unsent(struct record_tls *t)
{
	struct record_aead *a = (struct record_aead *)t;
	int err = a->send_err ? a->send_err : unsent_flush(&a->unsent, t->r.fd);

	if (err != -EAGAIN)
		a->send_err = err;
	return err;
}

/* Sends out[0..n) of the scratch, or keeps the rest. 0: all was sent; -EAGAIN; or -errno. */
static int send_out(struct record_aead *a, size_t n)
{
	ssize_t sent = unsent_send(a->t.r.fd, a->t.r.scratch->out, n);

	if ((size_t)sent == n)
		return 0;
	a->send_err =
		sent < 0 ? (int)sent
			 : unsent_add(&a->unsent, a->t.r.scratch->out + sent, n - (size_t)sent);
	return a->send_err ? a->send_err : -EAGAIN;
}

static int send_control(struct record_tls *t, uint8_t type, const void *bytes, size_t n)
{
	struct record_aead *a = (struct record_aead *)t;
	int err = flush_unsent(t);
	ssize_t len;

	if (err)
		return err;
	len = aead_seal(&a->tx, pool(a), type, bytes, n, t->r.scratch->out);
	if (len < 0)
		return -ENOMEM;
	t->tx_records++;
	err = send_out(a, (size_t)len);
	return err == -EAGAIN ? 0 : err; /* what is kept will be sent */
}

static int set_tx(struct record_tls *t, const union ktls_crypto *tx)
{
	struct record_aead *a = (struct record_aead *)t;

	aead_pool_wipe(pool(a), &a->tx);
	aead_key_set(&a->tx, tx, true);
	return 0;
}

static int set_rx(struct record_tls *t, const union ktls_crypto *rx)
{
	struct record_aead *a = (struct record_aead *)t;

	aead_pool_wipe(pool(a), &a->rx);
	aead_key_set(&a->rx, rx, false);
	return 0;
}

static int keep_rx(struct record_tls *t)
{
	(void)t;
	return 0;
}

static const struct record_tls_ops aead_tls_ops = {
	.send_control = send_control,
	.set_tx = set_tx,
	.set_rx = set_rx,
	.keep_rx = keep_rx,
	.room_to_end = flush_unsent,
	.ended = flush_unsent,
	.fail_from_errno = fail_from_errno,
};

/* --- reading: ciphertext ---------------------------------------------------------------------- */

/* Received bytes while a read goes on: in the scratch, or in what was kept. */
struct window {
	uint8_t *bytes;
	size_t len;
};

/* Length of the record at the front of the window, 0 if it is not whole, or -enum aead_fault. */
static ssize_t next_record(const struct record_aead *a, const struct window *w)
{
	ssize_t len;

	if (w->len < AEAD_HEADER_LEN)
		return 0;
	len = aead_record_len(&a->rx, w->bytes);
	return len > (ssize_t)w->len ? 0 : len;
}

/*
 * Receives behind the bytes of the window, which are moved into the scratch if something came. 1:
 * something did; 0: the end of the stream; -EAGAIN; or the leg is dead.
 */
static int receive(struct record_aead *a, struct window *w, size_t len)
{
	const struct record_scratch *s = a->t.r.scratch;
	/* What is received fits the reader's buffer, unless that is smaller than a record. */
	const size_t most = len < AEAD_RECORD_MAX ? AEAD_RECORD_MAX : len;
	const size_t room = (most < s->in_size ? most : s->in_size) - w->len;
	ssize_t n;

	assert(w->len < AEAD_RECORD_MAX && s->in_size >= AEAD_RECORD_MAX);
	do
		n = recv(a->t.r.fd, s->in + w->len, room, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	a->t.r.drained = n > 0 && (size_t)n < room;
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : fail_from_errno(&a->t, -ECONNRESET);
	if (n == 0) {
		a->t.ended = true;
		return 0;
	}
	if (w->len && w->bytes != s->in)
		memcpy(s->in, w->bytes, w->len);
	*w = (struct window){s->in, w->len + (size_t)n};
	return 1;
}

/*
 * The window holds a whole record, or one that is refused. What was kept is used where it is, as
 * long as there are whole records in it. 1: there is one; otherwise as receive().
 */
static int fill(struct record_aead *a, struct window *w, size_t len)
{
	int r = 1;

	*w = (struct window){0};
	if (a->in.bytes)
		*w = (struct window){a->in.bytes + a->in.at, a->in.len - a->in.at};
	while (r == 1 && !next_record(a, w))
		r = receive(a, w, len);
	return r;
}

/* After a read: keeps what is left of the window. */
static int keep(struct record_aead *a, const struct window *w)
{
	if (a->in.bytes && w->len && w->bytes >= a->in.bytes &&
	    w->bytes < a->in.bytes + a->in.len) {
		a->in.at = (uint32_t)(w->bytes - a->in.bytes);
		return 0;
	}
	return kept_set(&a->in, w->bytes, w->len);
}

/* --- reading: records ------------------------------------------------------------------------- */

static const struct {
	uint8_t alert;
	enum kedge_reason reason;
} faults[] = {
	[AEAD_OVERSIZE] = {ALERT_RECORD_OVERFLOW, KEDGE_REASON_record_bad},
	[AEAD_SHORT] = {ALERT_BAD_RECORD_MAC, KEDGE_REASON_record_bad},
	[AEAD_VERSION] = {ALERT_PROTOCOL_VERSION, KEDGE_REASON_record_bad},
	[AEAD_CLEAR] = {ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_record_control},
	[AEAD_FORGED] = {ALERT_BAD_RECORD_MAC, KEDGE_REASON_record_bad},
	[AEAD_TYPELESS] = {ALERT_UNEXPECTED_MESSAGE, KEDGE_REASON_record_control},
	[AEAD_NO_MEMORY] = {ALERT_INTERNAL_ERROR, KEDGE_REASON_no_memory},
};

static int refuse(struct record_aead *a, ssize_t fault)
{
	return record_tls_fail_with_alert(&a->t, faults[-fault].alert, faults[-fault].reason);
}

/* Whole records of data were opened, with n bytes in them. 0, or the leg is dead. */
static int on_data(struct record_aead *a, size_t n)
{
	if (control_data(&a->t.control, n) != CONTROL_GO_ON)
		return record_tls_fail_with_alert(&a->t, a->t.control.alert, a->t.control.reason);
	if (n)
		a->empties = 0;
	else if (++a->empties > EMPTY_RECORDS_MAX)
		return record_tls_fail_with_alert(&a->t, ALERT_UNEXPECTED_MESSAGE,
						  KEDGE_REASON_record_flood);
	return 0;
}

/*
 * Opens the first record of the window. *out gets data, at most room bytes; the rest of a record
 * that is larger is kept. Returns the bytes of data, or a negative errno if the leg is dead.
 */
static ssize_t open_record(struct record_aead *a, struct window *w, size_t len, uint8_t *out,
			   size_t room)
{
	const bool direct = aead_room(&a->rx, len) <= room;
	uint8_t *to = direct ? out : aead_content(&a->rx, w->bytes), type;
	ssize_t n = aead_open(&a->rx, pool(a), w->bytes, len, to, &type);
	size_t some;

	w->bytes += len;
	w->len -= len;
	if (n < 0)
		return refuse(a, n);
	if (n > a->content_max)
		return refuse(a, -AEAD_OVERSIZE);
	if (record_tls_received(&a->t, 1))
		return a->t.failed;
	if (type != TLS_CONTENT_DATA) {
		record_tls_control(&a->t, type, to, (size_t)n);
		return a->t.failed;
	}
	if (on_data(a, (size_t)n))
		return a->t.failed;
	some = (size_t)n < room ? (size_t)n : room;
	if (!direct)
		memcpy(out, to, some);
	if (some < (size_t)n && kept_set(&a->plain, to + some, (size_t)n - some))
		return out_of_memory(a);
	return (ssize_t)some;
}

/* Of one call. */
struct budget {
	size_t records, bytes;
};

static bool is_spent(const struct budget *b)
{
	return b->records >= RECORD_READ_RECORDS_MAX || b->bytes >= RECORD_READ_BYTES_MAX;
}

/*
 * Opens records until the window has no whole one, or out has no room for another. Returns the
 * bytes of data in out; whether the leg is dead or has ended shows in it.
 */
static size_t open_records(struct record_aead *a, struct window *w, uint8_t *out, size_t room,
			   struct budget *b)
{
	size_t done = 0;

	while (!a->t.failed && !a->t.ended && !is_spent(b)) {
		ssize_t len, n;

		if (record_tls_answer(&a->t)) /* before a refusal, too */
			break;
		len = next_record(a, w);
		if (len < 0)
			refuse(a, len);
		if (len <= 0 || (done && aead_room(&a->rx, (size_t)len) > room - done))
			break;
		n = open_record(a, w, (size_t)len, out + done, room - done);
		if (n < 0)
			break;
		done += (size_t)n;
		b->records++;
		b->bytes += (size_t)len;
		if (a->plain.len)
			break;
	}
	return done;
}

static ssize_t take_plain(struct record_aead *a, void *buf, size_t len)
{
	const size_t left = a->plain.len - a->plain.at, n = left < len ? left : len;

	memcpy(buf, a->plain.bytes + a->plain.at, n);
	a->plain.at += (uint32_t)n;
	if (n == left)
		kept_drop(&a->plain);
	return (ssize_t)n;
}

/* What a read gives that has no data. */
static ssize_t no_data(const struct record_aead *a, int filled, const struct budget *b)
{
	if (a->t.failed)
		return a->t.failed;
	if (a->t.ended)
		return 0;
	if (a->t.r.answer_due || filled == -EAGAIN)
		return -EAGAIN;
	return is_spent(b) ? -EINTR : -EAGAIN;
}

static ssize_t read_records(struct record_aead *a, uint8_t *buf, size_t len)
{
	struct budget b = {0};
	struct window w;
	size_t done = 0;
	int filled;

	do {
		filled = fill(a, &w, len);
		if (filled == 1)
			done = open_records(a, &w, buf, len, &b);
		if (a->t.failed || a->t.ended)
			w.len = 0; /* nothing more is read */
		if (next_record(a, &w))
			a->t.r.drained = false;
		if (keep(a, &w))
			return out_of_memory(a);
		if (!a->t.failed)
			(void)record_tls_answer(&a->t);
	} while (filled == 1 && !done && !a->t.failed && !a->t.ended && !a->t.r.answer_due &&
		 !is_spent(&b));
	/* The end is for the next read to say. */
	if (a->t.ended || a->t.failed)
		a->t.r.drained = false;
	a->t.r.tired = is_spent(&b); /* many records take long, however little is in them */
	return done ? (ssize_t)done : no_data(a, filled, &b);
}

static ssize_t aead_read(struct record *r, void *buf, size_t len)
{
	struct record_aead *a = (struct record_aead *)r;
	ssize_t n;

	r->drained = r->tired = false;
	if (a->t.failed || !len)
		return a->t.failed;
	if (a->plain.len)
		return take_plain(a, buf, len);
	if (a->t.ended)
		return 0;
	n = record_tls_answer(&a->t);
	if (!n)
		n = read_records(a, buf, len);
	CHECKED(aead_check(a));
	return n;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* For a slow client, no more ciphertext is made than its socket takes at a time. */
static void adapt_limit(struct record_aead *a, int sent)
{
	const uint32_t full = (uint32_t)a->t.r.scratch->out_size;

	if (sent == -EAGAIN)
		a->out_limit = AEAD_CONTENT_MAX + AEAD_OVERHEAD_MAX;
	else
		a->out_limit = a->out_limit > full / 2 ? full : a->out_limit * 2;
}

/* Seals what fits the limit into the scratch. How many bytes of buf; *out_len, the ciphertext. */
static ssize_t seal_records(struct record_aead *a, const uint8_t *buf, size_t len, size_t *out_len)
{
	uint8_t *out = a->t.r.scratch->out;
	size_t done = 0;

	for (*out_len = 0; done < len && *out_len + AEAD_OVERHEAD_MAX < a->out_limit;) {
		const size_t room = a->out_limit - *out_len - AEAD_OVERHEAD_MAX;
		size_t n = len - done < a->content_max ? len - done : a->content_max;
		ssize_t sealed;

		n = n < room ? n : room;
		sealed =
			aead_seal(&a->tx, pool(a), TLS_CONTENT_DATA, buf + done, n, out + *out_len);
		if (sealed < 0)
			return out_of_memory(a);
		done += n;
		*out_len += (size_t)sealed;
	}
	control_data_sent(&a->t.control, done);
	return (ssize_t)done;
}

static ssize_t write_records(struct record_aead *a, const uint8_t *buf, size_t len)
{
	size_t done = 0, out_len;
	int err = record_tls_answer(&a->t);
	uint64_t seq;
	ssize_t n;

	if (!err)
		err = flush_unsent(&a->t);
	while (!err && done < len && !a->t.alerted) {
		seq = a->tx.seq;
		n = seal_records(a, buf + done, len - done, &out_len);
		if (n < 0)
			return n;
		done += (size_t)n;
		err = send_out(a, out_len);
		/* Only now: it may send something of its own. */
		(void)record_tls_sent(&a->t, a->tx.seq - seq);
		if (!err || err == -EAGAIN)
			adapt_limit(a, err);
		if (!err)
			err = record_tls_answer(&a->t);
	}
	if (err && err != -EAGAIN)
		return a->t.failed ? a->t.failed : record_tls_write_failure(&a->t, err);
	return done || !len ? (ssize_t)done : -EAGAIN;
}

static ssize_t aead_write(struct record *r, const void *buf, size_t len)
{
	struct record_aead *a = (struct record_aead *)r;
	ssize_t n;

	if (a->t.alerted || r->told)
		return -EPIPE;
	if (a->t.failed)
		return a->t.failed;
	n = write_records(a, buf, len);
	CHECKED(aead_check(a));
	return n;
}

static int aead_flush(struct record *r)
{
	struct record_aead *a = (struct record_aead *)r;
	int err = flush_unsent(&a->t);

	if (err)
		return record_tls_write_failure(&a->t, err);
	return record_tls_answer(&a->t);
}

/* No need to open what is dropped. */
static ssize_t aead_drain(struct record *r, void *buf, size_t len)
{
	return record_socket_drain(r->fd, buf, len);
}

static void aead_free(struct record *r)
{
	struct record_aead *a = (struct record_aead *)r;

	aead_pool_wipe(pool(a), &a->tx);
	aead_pool_wipe(pool(a), &a->rx);
	record_tls_wipe(&a->t);
	kept_drop(&a->in);
	kept_drop(&a->plain);
	unsent_drop(&a->unsent);
	free(a);
}

static const struct record_ops aead_ops = {
	.name = "user",
	.read = aead_read,
	.write = aead_write,
	.flush = aead_flush,
	.close_write = record_tls_close_write,
	.drain = aead_drain,
	.free = aead_free,
};

struct record *record_aead_new(int fd, struct record_scratch *buffers,
			       const struct record_aead_start *start)
{
	struct record_aead *a;

	if (!buffers->aead)
		buffers->aead = aead_pool_new();
	a = buffers->aead ? calloc(1, sizeof(*a)) : NULL;
	if (!a)
		return NULL;
	a->t.r = (struct record){.ops = &aead_ops, .scratch = buffers, .fd = fd};
	record_tls_init(&a->t, &aead_tls_ops, start->version, start->suite, start->traffic);
	a->out_limit = (uint32_t)buffers->out_size;
	a->content_max = (uint16_t)start->content_max;
	aead_key_set(&a->tx, start->tx, true);
	aead_key_set(&a->rx, start->rx, false);
	a->t.tx_records = a->tx.seq;
	a->t.rx_records = a->rx.seq;
	if (kept_set(&a->in, start->in, start->in_len)) {
		aead_free(&a->t.r);
		return NULL;
	}
	return &a->t.r;
}
