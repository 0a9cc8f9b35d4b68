/* SPDX-License-Identifier: BSD-2-Clause */
/* Legs that are measured. See speed_legs.h. */
#include "daemon/speed_legs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "tls/record_aead.h"
#include "tls/record_ktls.h"
#include "tls/record_scratch.h"

/* A client sends four records of its body at a time, which fit a window. */
#define UP_BYTES  (4 * AEAD_CONTENT_MAX)
/* Reads that give nothing although something has come: it is half a record, or none of ours. */
#define EMPTY_MAX 1000

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int speed_buffers_open(struct speed_buffers *b)
{
	b->data = calloc(1, RECORD_READ_BYTES);
	return record_scratch_open(&b->scratch, &b->stats) || !b->data ? -ENOMEM : 0;
}

void speed_buffers_close(struct speed_buffers *b)
{
	record_scratch_close(&b->scratch);
	free(take_ptr(b->data));
}

/* --- opening ---------------------------------------------------------------------------------- */

static int user_record(struct speed_leg *leg, enum tls_suite suite, struct record_scratch *scratch)
{
	union ktls_crypto up, down;
	const struct record_aead_start start = {
		.version = VERSION_TLS13,
		.suite = suite,
		.tx = &down,
		.rx = &up,
		.content_max = AEAD_CONTENT_MAX,
	};

	speed_keys(suite, &up, &down);
	leg->record = record_aead_new(leg->ends.far, scratch, &start);
	return leg->record ? 0 : -ENOMEM;
}

static int kernel_record(struct speed_leg *leg, enum tls_suite suite,
			 struct record_scratch *scratch)
{
	union ktls_crypto up, down;
	int err;

	speed_keys(suite, &up, &down);
	err = ktls_take_over(leg->ends.far, &down, &up);
	if (err)
		return err;
	leg->record = record_ktls_new(leg->ends.far, scratch, VERSION_TLS13, suite, NULL);
	return leg->record ? 0 : -ENOMEM;
}

static int open_leg(struct speed_leg *leg, enum speed_layer layer, enum tls_suite suite,
		    struct record_scratch *scratch, const char **what)
{
	const int one = 1;
	int err = probe_pair_open(&leg->ends, NULL);

	*what = "connections over 127.0.0.1";
	if (err)
		return err;
	/* As listening sockets have it, for those they accept. */
	setsockopt(leg->ends.far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*what = layer == SPEED_KERNEL ? "the kernel's records" : "records in user space";
	return layer == SPEED_KERNEL ? kernel_record(leg, suite, scratch)
				     : user_record(leg, suite, scratch);
}

int speed_legs_open(struct speed_legs *l, enum speed_layer layer, enum tls_suite suite,
		    struct speed_buffers *buffers, const char **what)
{
	int err = 0;

	*l = (struct speed_legs){.buffers = buffers};
	for (int i = 0; i < SPEED_LEGS; i++)
		l->legs[i].ends = (struct probe_pair){-1, -1};
	for (int i = 0; i < SPEED_LEGS && !err; i++)
		err = open_leg(&l->legs[i], layer, suite, &buffers->scratch, what);
	return err;
}

void speed_legs_close(struct speed_legs *l)
{
	for (int i = 0; l->buffers && i < SPEED_LEGS; i++) {
		record_free(take_ptr(l->legs[i].record));
		probe_pair_close(&l->legs[i].ends);
	}
	l->buffers = NULL;
}

/* --- work ------------------------------------------------------------------------------------- */

/* Writes n bytes of content, and has the client drop them. */
static int write_all(struct speed_legs *l, struct speed_leg *leg, size_t n, uint64_t *ns)
{
	size_t written = 0, arrived = 0;

	while (arrived < n) {
		const uint64_t begun_ns = cpu_ns();
		ssize_t r = written < n ? record_write(leg->record, l->buffers->data, n - written)
					: record_flush(leg->record);

		*ns += cpu_ns() - begun_ns;
		if (r < 0 && r != -EAGAIN)
			return (int)r;
		written += r > 0 ? (size_t)r : 0;
		r = speed_client_skip(leg->ends.near, &leg->skip, n - arrived);
		if (r < 0)
			return (int)r;
		arrived += (size_t)r;
	}
	return 0;
}

/* The client sends wire[0..len), with UP_BYTES of content in it, as fast as they are read. */
static int read_all(struct speed_legs *l, struct speed_leg *leg, const uint8_t *wire, size_t len,
		    uint64_t *ns)
{
	size_t sent = 0, done = 0;
	int empty = 0;

	while (done < UP_BYTES) {
		ssize_t r = speed_client_send(leg->ends.near, wire + sent, len - sent);
		uint64_t begun_ns;

		if (r < 0)
			return (int)r;
		sent += (size_t)r;
		if (!probe_wait(leg->ends.far, POLLIN) || empty == EMPTY_MAX)
			return -ETIMEDOUT;
		begun_ns = cpu_ns();
		r = record_read(leg->record, l->buffers->data, RECORD_READ_BYTES);
		*ns += cpu_ns() - begun_ns;
		if (!r || (r < 0 && r != -EAGAIN && r != -EINTR))
			return r ? (int)r : -EPIPE;
		empty = r > 0 ? 0 : empty + 1;
		done += r > 0 ? (size_t)r : 0;
	}
	return done == UP_BYTES ? 0 : -EBADMSG;
}

/* kedge's part: a request of each leg is here. It reads each and answers. */
static int answer(struct speed_legs *l, uint64_t *ns)
{
	uint8_t *data = l->buffers->data;
	const uint64_t begun_ns = cpu_ns();

	for (int i = 0; i < SPEED_REQUEST_LEGS; i++) {
		struct record *r = l->legs[i].record;
		ssize_t n = record_read(r, data, RECORD_READ_BYTES);

		if (n == SPEED_REQUEST_BYTES)
			n = record_write(r, data, SPEED_RESPONSE_BYTES);
		if (n != SPEED_RESPONSE_BYTES)
			return n < 0 ? (int)n : -EBADMSG;
	}
	*ns += cpu_ns() - begun_ns;
	return memcmp(data, speed_request_text(), SPEED_REQUEST_BYTES) != 0 ? -EBADMSG : 0;
}

/* The client's part: it has asked, and waits for the response. */
static int take_response(struct speed_leg *leg)
{
	size_t left = SPEED_RESPONSE_BYTES;

	while (left) {
		ssize_t n = speed_client_skip(leg->ends.near, &leg->skip, left);

		if (n < 0)
			return (int)n;
		left -= (size_t)n;
	}
	return 0;
}

static int ask(const struct speed_leg *leg, const struct speed_sealed *request)
{
	ssize_t n = speed_client_send(leg->ends.near, request->bytes, request->len);

	if (n < 0)
		return (int)n;
	return (size_t)n == request->len ? 0 : -ENOBUFS;
}

int speed_legs_requests(struct speed_legs *l, const struct speed_client *c, uint64_t *ns)
{
	int err = 0;

	for (int i = 0; i < SPEED_REQUEST_LEGS && !err; i++)
		err = ask(&l->legs[i], &c->request);
	for (int i = 0; i < SPEED_REQUEST_LEGS && !err; i++)
		err = probe_wait(l->legs[i].ends.far, POLLIN) ? 0 : -ETIMEDOUT;
	if (!err)
		err = answer(l, ns);
	for (int i = 0; i < SPEED_REQUEST_LEGS && !err; i++)
		err = take_response(&l->legs[i]);
	return err;
}

int speed_legs_down(struct speed_legs *l, uint64_t *ns)
{
	struct speed_leg *leg = &l->legs[SPEED_REQUEST_LEGS];
	int err = 0;

	for (int i = 0; i < SPEED_BODY_BYTES / RECORD_READ_BYTES && !err; i++)
		err = write_all(l, leg, RECORD_READ_BYTES, ns);
	return err;
}

int speed_legs_up(struct speed_legs *l, const struct speed_client *c, uint64_t *ns)
{
	struct speed_leg *leg = &l->legs[SPEED_REQUEST_LEGS];
	const size_t pieces = SPEED_BODY_BYTES / UP_BYTES, wire = c->body.len / pieces;
	int err = 0;

	for (size_t i = 0; i < pieces && !err; i++)
		err = read_all(l, leg, c->body.bytes + i * wire, wire, ns);
	return err;
}
