/* SPDX-License-Identifier: BSD-2-Clause */
/* Pending requests of one flow. See access.h. */
#include "access/access.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/check.h"

/* Common has but the first ones. */
enum field { FIELD_HOST, FIELD_REQUEST_ID, FIELD_REFERER, FIELD_AGENT, FIELDS };
#define FIELDS_COMMON FIELD_REFERER

static const struct {
	const char *name;
	size_t max;
} fields[FIELDS] = {
	[FIELD_HOST] = {"host:", ACCESS_HOST_MAX},
	[FIELD_REQUEST_ID] = {"x-request-id:", ACCESS_REQUEST_ID_MAX},
	[FIELD_REFERER] = {"referer:", ACCESS_FIELD_MAX},
	[FIELD_AGENT] = {"user-agent:", ACCESS_FIELD_MAX},
};

/* A request without its response. The texts follow in text[]: its first line, its fields. */
struct pending {
	STAILQ_ENTRY(pending) link;
	uint64_t begun_us;
	uint16_t request_len, field_len[FIELDS];
	char text[];
};

struct access_flow {
	struct access_log *log;
	const uint64_t *now_us;
	unsigned worker;
	enum field fields; /* so many are in a line */
	const char *sni;
	STAILQ_HEAD(, pending) pending;
	struct access_entry base; /* the part that all entries share */
	char listener[ADDR_TEXT_MAX];
	char id[];
};

#ifdef KEDGE_CHECKS
static void flow_check(const struct access_flow *a)
{
	const struct pending *p;

	CHECK(a, a->base.listener_len < ADDR_TEXT_MAX);
	CHECK(a, a->base.id_len <= ACCESS_ID_MAX);
	CHECK(a, a->base.reason < KEDGE_REASON_COUNT);
	CHECK(a, memchr(a->base.client, '\0', sizeof(a->base.client)));
	STAILQ_FOREACH(p, &a->pending, link) {
		CHECK(p, p->request_len <= ACCESS_REQUEST_MAX);
		for (int i = 0; i < FIELDS; i++)
			CHECK(p, p->field_len[i] <= fields[i].max);
		CHECK(p, p->begun_us <= *a->now_us);
	}
}
#endif

struct access_flow *access_flow_new(struct access_log *log, unsigned worker,
				    const struct access_facts *facts, const uint64_t *now_us)
{
	struct access_flow *a = calloc(1, sizeof(*a) + facts->id_len);

	if (!a)
		return NULL;
	a->log = log;
	a->worker = worker;
	a->now_us = now_us;
	a->fields = access_log_format(log) == ACCESS_FORMAT_COMMON ? FIELDS_COMMON : FIELDS;
	STAILQ_INIT(&a->pending);
	a->base.record = (uint8_t)facts->record;
	a->base.tls_version = facts->tls_version;
	a->base.tls_suite = facts->tls_suite;
	a->base.edit_kernel = facts->edit_kernel;
	a->base.bypass = facts->bypass;
	a->base.splice = facts->splice;
	a->base.client_port = addr_port(facts->client);
	addr_format_ip(a->base.client, facts->client);
	a->base.listener_len = (uint16_t)strnlen(facts->listener, sizeof(a->listener));
	memcpy(a->listener, facts->listener, a->base.listener_len);
	a->sni = facts->sni;
	a->base.sni_len = facts->sni ? (uint16_t)strnlen(facts->sni, ACCESS_SNI_MAX) : 0;
	a->base.id_len = facts->id_len;
	if (facts->id_len)
		memcpy(a->id, facts->id, facts->id_len);
	return a;
}

void access_joined(struct access_flow *a, bool edit_kernel, bool bypass, bool splice)
{
	a->base.edit_kernel = edit_kernel;
	a->base.bypass = bypass;
	a->base.splice = splice;
}

/* --- from a head to a pending request --------------------------------------------------------- */

struct piece {
	const char *p;
	size_t len;
};

static struct piece cut(const char *p, const char *end, size_t max)
{
	struct piece piece = {p, (size_t)(end - p)};

	if (piece.len && p[piece.len - 1] == '\r')
		piece.len--;
	if (piece.len > max)
		piece.len = max;
	return piece;
}

/* The value of a line, if the line has this name. */
static bool take_field(struct piece *value, const char *line, const char *end, enum field f)
{
	size_t len = strlen(fields[f].name);

	if ((size_t)(end - line) < len || strncasecmp(line, fields[f].name, len) != 0)
		return false;
	line += len;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	*value = cut(line, end, fields[f].max);
	return true;
}

static const char *line_end(const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));

	return lf ? lf : end;
}

/* Of each name the first line counts. */
static void find_fields(struct piece found[FIELDS], enum field wanted, const char *p,
			const char *end)
{
	unsigned missing = wanted;

	while (p < end && missing) {
		const char *lf = line_end(p, end);

		for (enum field f = 0; f < wanted; f++)
			if ((*p | 0x20) == fields[f].name[0] && !found[f].p)
				missing -= take_field(&found[f], p, lf, f);
		p = lf + 1;
	}
}

void access_request(void *arg, const char *head, size_t len)
{
	struct access_flow *a = arg;
	const char *end = head + len, *lf = line_end(head, end);
	struct piece request = cut(head, lf, ACCESS_REQUEST_MAX), found[FIELDS] = {0};
	size_t size = request.len;
	struct pending *p;
	char *text;

	if (lf < end)
		find_fields(found, a->fields, lf + 1, end);
	for (enum field f = 0; f < FIELDS; f++)
		size += found[f].len;
	p = malloc(sizeof(*p) + size);
	if (!p)
		return; /* this request gets no line; the others keep their order */
	p->begun_us = *a->now_us;
	p->request_len = (uint16_t)request.len;
	memcpy(p->text, request.p, request.len);
	text = p->text + request.len;
	for (enum field f = 0; f < FIELDS; f++) {
		p->field_len[f] = (uint16_t)found[f].len;
		if (found[f].len)
			memcpy(text, found[f].p, found[f].len);
		text += found[f].len;
	}
	STAILQ_INSERT_TAIL(&a->pending, p, link);
	CHECKED(flow_check(a));
}

/* --- from a pending request to an entry ------------------------------------------------------- */

static void forget_oldest(struct access_flow *a)
{
	struct pending *p = STAILQ_FIRST(&a->pending);

	STAILQ_REMOVE_HEAD(&a->pending, link);
	free(p);
}

/* Ends the oldest request. duration_us UINT64_MAX: from its head until now. */
static void emit(struct access_flow *a, unsigned status, uint64_t bytes, uint64_t duration_us)
{
	static const struct pending none;
	struct pending *p = STAILQ_FIRST(&a->pending);
	const struct pending *of = p ? p : &none;
	uint64_t begun_us = p ? p->begun_us : *a->now_us;
	struct access_entry e = a->base;
	struct access_texts t = {.listener = a->listener, .id = a->id, .sni = a->sni};

	e.status = (uint16_t)status;
	e.bytes = bytes;
	e.duration_us = duration_us == UINT64_MAX ? *a->now_us - begun_us : duration_us;
	e.begun_us = *a->now_us - e.duration_us;
	e.request_len = of->request_len;
	e.host_len = of->field_len[FIELD_HOST];
	e.request_id_len = of->field_len[FIELD_REQUEST_ID];
	e.referer_len = of->field_len[FIELD_REFERER];
	e.agent_len = of->field_len[FIELD_AGENT];
	t.request = of->text;
	t.host = t.request + e.request_len;
	t.request_id = t.host + e.host_len;
	t.referer = t.request_id + e.request_id_len;
	t.agent = t.referer + e.referer_len;
	access_log_put(a->log, a->worker, &e, &t);
	if (p)
		forget_oldest(a);
}

void access_response(struct access_flow *a, unsigned status, uint64_t bytes, uint64_t duration_us)
{
	CHECKED(flow_check(a));
	if (!STAILQ_EMPTY(&a->pending))
		emit(a, status, bytes, duration_us);
}

void access_own(struct access_flow *a, unsigned status, uint64_t bytes)
{
	emit(a, status, bytes, UINT64_MAX);
}

void access_cut(struct access_flow *a, unsigned status, uint64_t bytes)
{
	if (!STAILQ_EMPTY(&a->pending))
		emit(a, status, bytes, UINT64_MAX);
}

void access_again(struct access_flow *a)
{
	while (!STAILQ_EMPTY(&a->pending))
		forget_oldest(a);
}

void access_reason(struct access_flow *a, enum kedge_reason reason)
{
	a->base.reason = (uint8_t)reason;
}

void access_flow_end(struct access_flow *a)
{
	if (!a)
		return;
	while (!STAILQ_EMPTY(&a->pending))
		emit(a, 0, 0, UINT64_MAX);
	free(a);
}
