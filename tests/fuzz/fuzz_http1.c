/*
 * The request automaton. The driver over pieces of an input and the model over its bytes agree, in
 * what goes on, in what is refused and in the state they end in; the model agrees with a second
 * reading of the rules (tests/lib/http1_agree.h), and http-parser with what goes on. The first four
 * bytes choose mode, flags and cuts, and how an upgrade is answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "other_parser.h"
#include "tests/lib/http1_agree.h"
#include "tests/lib/http1_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

/* What goes on of complete requests, as an application would read it. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_conf conf;
	struct http1_model m = {.conf = &conf};
	struct http1_run r = {.conf = &conf};
	bool tunnel;

	if (size < 4)
		return -1;
	http1_case_conf(&conf, data[0] % 4, data[1] % 32);
	tunnel = data[3] & 1;
	both(&m, &r, data + 4, size - 4, 1 + data[2], tunnel);
	check_output(&m, tunnel);
	no_quarrel(http1_disagree(&conf, tunnel, data + 4, size - 4, NULL));
	http1_model_free(&m);
	http1_run_free(&r);
	return 0;
}
