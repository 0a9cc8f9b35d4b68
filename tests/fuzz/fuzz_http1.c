/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on the request automaton. The driver over pieces and the model over bytes must agree on
 * the output, on refusals and on the final state. The model must agree with a second parser
 * (tests/lib/http1_agree.h). If http-parser accepts the output, it must find the same boundaries.
 * The first four bytes choose mode, flags, cuts, the limit of a head, and the answer to an upgrade.
 * The rest stands for the stream, as stream.h says: a short input can make a long stream, which
 * reaches the bounds of what is kept for each line or request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kedge/limits.h"
#include "mutate.h"
#include "other_parser.h"
#include "stream.h"
#include "tests/lib/http1_agree.h"
#include "tests/lib/http1_driver.h"

#define CHOICES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

static void no_quarrel(const char *wrong)
{
	if (!wrong)
		return;
	fprintf(stderr, "broken: %s\n", wrong);
	abort();
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Feeds both until all is taken or the stream is refused; an upgrade is answered by the bit. */
static void both(struct http1_model *m, struct http1_run *r, const uint8_t *in, size_t n,
		 size_t piece, bool tunnel)
{
	const struct http1_cuts cuts = {piece, piece};

	while (n && m->h.state != HTTP1_REFUSED) {
		size_t taken;

		no_quarrel(http1_feed_both(m, r, in, n, cuts, &taken));
		in += taken;
		n -= taken;
		http1_resume(&m->h, tunnel);
		http1_resume(&r->h, tunnel);
	}
}

/* Reads the output of complete requests as an application would. */
static void check_output(const struct http1_model *m, bool tunnel)
{
	size_t n = m->h.state == HTTP1_REFUSED ? m->complete : m->out.len;
	struct reference *r = calloc(1, sizeof(*r));

	must(r);
	r->mode = HTTP1_XFF_NEVER;
	r->tunnel = tunnel;
	r->limits.fields = KEDGE_FIELDS_MAX + 8;
	r->limits.head_bytes = 2 * KEDGE_HEAD_BYTES_MAX;
	reference_read(r, m->out.data, n);
	no_quarrel(other_parser_disagrees(r, m->out.data, n));
	reference_free(r);
	free(r);
}

/*
 * The usual limit of a head, the largest, the least, or one above it: all that a configuration may
 * have.
 */
static __u32 head_bytes_max(uint8_t choice)
{
	static const __u32 usual[] = {KEDGE_HEAD_BYTES_DEFAULT, KEDGE_HEAD_BYTES_MAX,
				      KEDGE_HEAD_BYTES_LEAST};

	return choice < 3 ? usual[choice] : KEDGE_HEAD_BYTES_LEAST + choice * 5;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_bytes in = {0};
	struct http1_conf conf;
	struct http1_model m = {.conf = &conf};
	struct http1_run r = {.conf = &conf};
	size_t piece;
	bool tunnel;
	__u16 flags;

	if (size < CHOICES)
		return -1;
	flags = (__u16)(data[1] | (data[0] & 4 ? HTTP1_TRUSTED : 0));
	http1_case_conf(&conf, data[0] % 4, flags);
	conf.head_bytes_max = head_bytes_max(data[3] >> 1);
	tunnel = data[3] & 1;
	stream_expand(&in, conf.head_bytes_max, data + CHOICES, size - CHOICES);
	/* Most pieces are small; the last two are a record's and none. */
	piece = data[2] < 254 ? 1 + data[2] : data[2] == 254 ? KEDGE_SEND_BYTES_MAX : SIZE_MAX;
	both(&m, &r, in.data, in.len, piece, tunnel);
	check_output(&m, tunnel);
	no_quarrel(http1_disagree(&conf, tunnel, in.data, in.len, NULL));
	http1_model_free(&m);
	http1_run_free(&r);
	free(in.data);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	static const struct mutate m = {CHOICES, GRAMMAR_REQUESTS};

	return mutate(&m, data, n, max, seed);
}
