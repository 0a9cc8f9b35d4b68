/* SPDX-License-Identifier: BSD-2-Clause */
/* Rounds in which both layers take turns. See probe_speed.h. */
#include "daemon/probe_speed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/errno_text.h"
#include "base/log.h"
#include "daemon/probe_record.h"
#include "daemon/speed_client.h"
#include "daemon/speed_legs.h"

/* Of a suite: after this no round begins, if there were SPEED_ROUNDS_MIN. */
#define SUITE_MS 600
/* Turns of requests in a round, so that they take about as long as a body. */
#define TURNS    16

struct bench {
	struct speed_buffers buffers;
	const char *what; /* was at work when something failed */
	struct speed_client client;
	struct speed_legs legs[SPEED_LAYERS];
	struct speed_rounds works[SPEED_WORKS];
	int layers; /* SPEED_LAYERS, or 1: only SPEED_USER */
};

static void bench_close(struct bench *b)
{
	for (int layer = 0; layer < SPEED_LAYERS; layer++)
		speed_legs_close(&b->legs[layer]);
	speed_buffers_close(&b->buffers);
	speed_client_close(&b->client);
}

static int bench_open(struct bench *b, enum tls_suite suite)
{
	int err = speed_client_open(&b->client, suite);

	b->what = "buffers";
	if (!err)
		err = speed_buffers_open(&b->buffers);
	for (int layer = 0; layer < b->layers && !err; layer++)
		err = speed_legs_open(&b->legs[layer], (enum speed_layer)layer, suite, &b->buffers,
				      &b->what);
	return err;
}

/* --- a round ---------------------------------------------------------------------------------- */

/* The layer whose turn comes `n`th in this round: each goes first in every other round. */
static int nth_layer(const struct bench *b, unsigned round, int n)
{
	return b->layers == 1 ? 0 : (int)((round + (unsigned)n) % 2);
}

static int do_work(struct bench *b, enum speed_work work, int layer, uint64_t *ns)
{
	struct speed_legs *legs = &b->legs[layer];

	b->what = layer == SPEED_KERNEL ? "the kernel's records" : "records in user space";
	switch (work) {
	case SPEED_REQUEST:
		return speed_legs_requests(legs, &b->client, ns);
	case SPEED_DOWN:
		return speed_legs_down(legs, ns);
	default:
		return speed_legs_up(legs, &b->client, ns);
	}
}

/* Before the layers have their turn; what the client sends is the same for both. */
static int seal(struct bench *b, enum speed_work work)
{
	b->what = "buffers";
	switch (work) {
	case SPEED_REQUEST:
		return speed_client_seal_request(&b->client);
	case SPEED_UP:
		return speed_client_seal_body(&b->client);
	default:
		return 0;
	}
}

/* Adds to ns[]. */
static int take_turns(struct bench *b, unsigned round, enum speed_work work, uint64_t *ns)
{
	int err = seal(b, work);

	for (int n = 0; n < b->layers && !err; n++) {
		const int layer = nth_layer(b, round, n);

		err = do_work(b, work, layer, &ns[layer]);
	}
	return err;
}

/* The figures of one work, for one request or one body. */
static int one_round(struct bench *b, unsigned round, enum speed_work work,
		     uint64_t ns[SPEED_LAYERS])
{
	const bool request = work == SPEED_REQUEST;
	int err = 0;

	for (int turn = 0; turn < (request ? TURNS : 1) && !err; turn++)
		err = take_turns(b, round, work, ns);
	for (int layer = 0; layer < b->layers && !err; layer++) {
		ns[layer] /= request ? TURNS * SPEED_REQUEST_LEGS : 1;
		if (!ns[layer]) {
			b->what = "this system's clock of CPU time";
			err = -ETIME;
		}
	}
	return err;
}

static void keep(struct speed_rounds *r, const uint64_t ns[SPEED_LAYERS])
{
	for (int layer = 0; layer < SPEED_LAYERS; layer++)
		r->ns[layer][r->count] = ns[layer];
	r->count++;
}

/* --- a suite ---------------------------------------------------------------------------------- */

/* Round 0 is not kept: windows, caches and contexts are cold. */
static int run_rounds(struct bench *b)
{
	const uint64_t until_ms = monotonic_ms() + SUITE_MS;
	int err = 0;

	for (unsigned round = 0; round <= SPEED_ROUNDS_MAX && !err; round++) {
		if (round > SPEED_ROUNDS_MIN && monotonic_ms() >= until_ms)
			break;
		for (int work = 0; work < SPEED_WORKS && !err; work++) {
			uint64_t ns[SPEED_LAYERS] = {0};

			err = one_round(b, round, (enum speed_work)work, ns);
			if (!err && round)
				keep(&b->works[work], ns);
		}
	}
	return err;
}

static const char *next_step(int err)
{
	switch (err) {
	case -EMFILE:
		return "allow 64 descriptors (ulimit -n)";
	case -ENFILE:
		return "no descriptor is left on this host: raise fs.file-max";
	case -ENETUNREACH:
	case -EADDRNOTAVAIL:
		return "is the loopback interface up? (ip link set lo up)";
	case -ENOMEM:
	case -ENOBUFS:
		return "free some memory: 4 MB are enough";
	case -ETIMEDOUT:
		return "does something on this host filter or hold up loopback TCP?";
	case -ETIME:
		return "it is too coarse to measure by";
	default:
		return "kedge probe tries each step of it alone";
	}
}

static int suite_failed(const char *what, int err)
{
	log_error("speed: %s: %s: nothing was measured: %s", what, errno_text(-err),
		  next_step(err));
	return err;
}

static int measure(struct speed_suite *out, enum tls_suite suite)
{
	_cleanup_(bench_close)
	struct bench b = {.layers = out->missing ? 1 : SPEED_LAYERS};
	int err = bench_open(&b, suite);

	if (!err)
		err = run_rounds(&b);
	if (err)
		return suite_failed(b.what, err);
	out->rounds = b.works[0].count;
	for (int work = 0; work < SPEED_WORKS; work++)
		speed_figures(&out->works[work], &b.works[work], !out->missing);
	return 0;
}

/* Why the kernel cannot carry this suite, as the probe found it; NULL if it can. */
static const struct probe_row *missing(const struct probe_report *r, enum tls_suite suite)
{
	const struct probe_row *found = NULL;

	if (ktls_can(&r->caps, VERSION_TLS13, suite))
		return NULL;
	for (size_t i = 0; i < r->count; i++)
		if (!r->rows[i].ok &&
		    (!found || !strcmp(r->rows[i].name, probe_record_name(VERSION_TLS13, suite))))
			found = &r->rows[i];
	return found;
}

int probe_speed(struct speed_report *r)
{
	memset(r, 0, sizeof(*r));
	probe_record(&r->probe);
	for (int s = 0; s < SUITE_COUNT; s++) {
		int err;

		r->suites[s].missing = missing(&r->probe, (enum tls_suite)s);
		err = measure(&r->suites[s], (enum tls_suite)s);
		if (err)
			return err;
	}
	return 0;
}
