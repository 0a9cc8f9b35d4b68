/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second opinion on a script. The model runs kedge's own automaton, so both could read a request
 * wrongly in the same way. The reference was written from the rules alone. It reads what the client
 * says, and what the application is to get of it.
 */
#include "script_parts.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/http1_agree.h"
#include "tests/lib/http1_reference.h"
#include "world.h"

/* Do both read the same requests? With the reference's client, whose address is always the same. */
static void judge_input(const struct script *s, const struct http1_conf *http1)
{
	const char *wrong;
	struct http1_conf conf;

	http1_case_conf(&conf, (enum http1_mode)http1->mode, http1->flags);
	conf.head_bytes_max = http1->head_bytes_max;
	wrong = http1_disagree(&conf, s->tunnel, s->say.data, s->say.len, NULL);
	if (wrong)
		world_fail("the reference reads a script otherwise: %s: '%s'", wrong,
			   world_show(&s->say, 0));
}

/* Behind the last request that is whole, a head that is not may be cut anywhere. */
static size_t judged_to(const struct script *s)
{
	if (s->ends != KEDGE_HEAD && s->refused_at == SIZE_MAX)
		return s->want.len;
	for (unsigned i = s->requests; i; i--)
		if (s->request[i - 1].say_end)
			return s->request[i - 1].end;
	return 0;
}

/* The client's address is the last value of the only X-Forwarded-For. */
static bool names_client(const struct script *s, const struct http1_conf *http1,
			 const struct reference_request *q)
{
	if (http1->mode == HTTP1_XFF_NEVER)
		return true;
	if (q->forwarded != 1)
		return false;
	return http1->mode == HTTP1_XFF_IF_NONE ||
	       (q->last_len == http1->ours_len &&
		!memcmp(s->want.data + q->last, http1->text + HTTP1_PREFIX_LEN, q->last_len));
}

static void judge_request(const struct script *s, const struct http1_conf *http1,
			  const struct reference_request *q, unsigned i)
{
	const struct script_request *p = &s->request[i];

	if (q->head_end != p->head_end || (p->say_end && q->end != p->end))
		world_fail("request %u: the application reads another end: '%s'", i,
			   world_show(&s->want, q->begin));
	if (!names_client(s, http1, q))
		world_fail("request %u: the application reads another client: '%s'", i,
			   world_show(&s->want, q->begin));
}

/* What the application gets, read as an application reads it. */
static void judge_output(const struct script *s, const struct http1_conf *http1)
{
	struct reference *r = calloc(1, sizeof(*r));
	size_t n = judged_to(s);
	unsigned most = s->requests;

	r->mode = HTTP1_XFF_NEVER;
	r->tunnel = s->tunnel;
	/* With our lines, a head may exceed the limits. */
	r->limits = (struct reference_limits){2 * KEDGE_HEAD_BYTES_MAX, KEDGE_LINE_BYTES_MAX,
					      KEDGE_FIELDS_MAX + 8};
	reference_read(r, s->want.data, n);
	if (r->refused)
		world_fail("the application would refuse what it gets: %s, at %zu: '%s'", r->why,
			   r->fault, world_show(&s->want, 0));
	while (most && s->request[most - 1].head_end > n)
		most--;
	if (r->requests != most)
		world_fail("the application reads %u requests, not %u: '%s'", r->requests, most,
			   world_show(&s->want, 0));
	for (unsigned i = 0; i < most; i++)
		judge_request(s, http1, &r->request[i], i);
	reference_free(r);
	free(r);
}

void script_judge(const struct script *s, const struct http1_conf *http1)
{
	judge_input(s, http1);
	judge_output(s, http1);
}
