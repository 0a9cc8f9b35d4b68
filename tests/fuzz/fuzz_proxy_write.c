/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on user/http/proxy_write.c: the input is made into facts, the facts into a header. The
 * header is read again, by kedge's own reader and by the strict one of the tests. Both must find
 * the facts. It fits exactly in a buffer of its size, and in no smaller one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/proxy_write.h"
#include "invariant.h"
#include "tests/lib/proxy_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What is left of the input. */
struct input {
	const uint8_t *at;
	size_t left;
};

static uint8_t take(struct input *in)
{
	return in->left ? in->left--, *in->at++ : 0;
}

static const uint8_t *take_bytes(struct input *in, size_t *n)
{
	const uint8_t *at = in->at;

	if (*n > in->left)
		*n = in->left;
	in->at += *n;
	in->left -= *n;
	return at;
}

static void fill(struct input *in, void *to, size_t n)
{
	const uint8_t *from = take_bytes(in, &n);

	if (n)
		memcpy(to, from, n);
}

/* --- facts ------------------------------------------------------------------------------------ */

static union addr take_addr(struct input *in)
{
	union addr a = {0};

	switch (take(in) % 5) {
	case 0:
		break;
	case 1:
		a.in.sin_family = AF_INET;
		fill(in, &a.in.sin_port, 2);
		fill(in, &a.in.sin_addr, 4);
		break;
	case 2:
		a.in6.sin6_family = AF_INET6;
		fill(in, &a.in6.sin6_port, 2);
		fill(in, &a.in6.sin6_addr, 16);
		break;
	case 3:
		a.in6.sin6_family = AF_INET6;
		memset(a.in6.sin6_addr.s6_addr + 10, 0xff, 2);
		fill(in, &a.in6.sin6_port, 2);
		fill(in, a.in6.sin6_addr.s6_addr + 12, 4);
		break;
	case 4:
		a.un.sun_family = AF_UNIX;
		fill(in, a.un.sun_path, take(in) % (sizeof(a.un.sun_path) + 1));
		break;
	}
	return a;
}

static struct proxy_value take_value(struct input *in, size_t max)
{
	struct proxy_value v = {.len = take(in)};

	if (v.len > max)
		return (struct proxy_value){0};
	v.at = take_bytes(in, &v.len);
	return v;
}

struct text {
	char chars[64];
};

/* A string, or NULL. */
static const char *take_text(struct input *in, struct text *t)
{
	size_t n = take(in) % (2 * sizeof(t->chars));

	if (n >= sizeof(t->chars))
		return NULL;
	memset(t, 0, sizeof(*t));
	fill(in, t->chars, n);
	return t->chars;
}

/* Everything that the facts point to. */
struct made {
	struct proxy_facts facts;
	union addr src, dst;
	struct proxy_tls tls;
	struct text texts[5];
	struct proxy_prefix pass;
};

static void make_tls(struct made *m, struct input *in)
{
	const uint8_t flags = take(in);

	m->tls = (struct proxy_tls){.version = "TLSv1.3",
				    .cipher = take_text(in, &m->texts[0]),
				    .sig_alg = take_text(in, &m->texts[1]),
				    .key_alg = take_text(in, &m->texts[2]),
				    .cn = take_text(in, &m->texts[3]),
				    .cert_conn = flags & 1,
				    .cert_sess = flags & 2,
				    .verified = flags & 4};
	m->facts.tls = flags & 8 ? &m->tls : NULL;
}

static void make(struct made *m, struct input *in)
{
	const uint8_t flags = take(in);

	memset(m, 0, sizeof(*m));
	m->src = take_addr(in);
	m->dst = take_addr(in);
	m->facts = (struct proxy_facts){
		.local = flags & 1,
		.src = flags & 2 ? NULL : &m->src,
		.dst = &m->dst,
		.alpn = take_value(in, 200),
		.authority = take_value(in, 200),
		.unique_id = take_value(in, PROXY_UNIQUE_ID_MAX),
		.crc32c = flags & 4,
	};
	make_tls(m, in);
	/* The rest: also TLVs that do not end where they should, which no prefix has. */
	m->pass = (struct proxy_prefix){.tlvs = in->at, .tlvs_len = in->left};
	m->facts.pass = flags & 8 ? &m->pass : NULL;
}

/* --- what is read of them --------------------------------------------------------------------- */

/* The family that the header has to have, from the facts. */
static char family_of(const struct made *m)
{
	const union addr *src = m->facts.src, *dst = m->facts.dst;
	uint8_t ip[16];

	if (m->facts.local || !src)
		return '-';
	if (src->family == AF_UNIX && dst->family == AF_UNIX)
		return 'u';
	if (!addr_ip(ip, src) || !addr_ip(ip, dst))
		return '-';
	return addr_is_ipv4(src) && addr_is_ipv4(dst) ? '4' : '6';
}

static void check_addr(const union addr *want, const uint8_t *is, unsigned port, char family)
{
	const size_t skip = family == '4' ? 12 : 0;
	uint8_t ip[16];

	INVARIANT(addr_ip(ip, want) && addr_port(want) == port);
	INVARIANT(!memcmp(ip + skip, is, sizeof(ip) - skip));
}

static void check_addresses(const struct made *m, const struct decoded *d,
			    const struct proxy_prefix *p)
{
	const char family = family_of(m);

	INVARIANT(d->local == (d->version == 2 && m->facts.local));
	if (d->version == 1 && family == 'u') {
		INVARIANT(d->family == '-');
		return;
	}
	INVARIANT(d->family == family);
	INVARIANT((p->src.family == AF_UNSPEC) == (family == '-' || family == 'u'));
	if (family != '4' && family != '6')
		return;
	check_addr(m->facts.src, d->src, d->sport, family);
	check_addr(m->facts.dst, d->dst, d->dport, family);
	INVARIANT(addr_equal(&p->src, m->facts.src) && addr_equal(&p->dst, m->facts.dst));
}

static void check_value(const struct decoded *d, uint8_t type, const struct proxy_value *want)
{
	const struct decoded_tlv *tlv = decoded_find(d, type);

	if (!want->at)
		return; /* one may have been passed on */
	INVARIANT(tlv && tlv->len == want->len && !memcmp(tlv->value, want->at, want->len));
	for (const struct decoded_tlv *t = d->tlvs; t < d->tlvs + d->tlvs_count; t++)
		INVARIANT(t == tlv || t->type != type);
}

static void check_text(const struct decoded *d, uint8_t type, const char *want)
{
	const struct decoded_tlv *tlv = decoded_find_sub(d, type);

	INVARIANT(!tlv == !want);
	INVARIANT(!want || (tlv->len == strlen(want) && !memcmp(tlv->value, want, tlv->len)));
}

static void check_tls(const struct decoded *d, const struct proxy_tls *tls)
{
	INVARIANT(d->ssl == !!tls);
	if (!tls)
		return;
	INVARIANT(d->ssl_client == (1u | (tls->cert_conn ? 2u : 0) | (tls->cert_sess ? 4u : 0)));
	INVARIANT(!d->ssl_verify == (tls->verified && d->ssl_client > 1));
	check_text(d, 0x21, tls->version);
	check_text(d, 0x22, d->ssl_client > 1 ? tls->cn : NULL);
	check_text(d, 0x23, tls->cipher);
	check_text(d, 0x24, tls->sig_alg);
	check_text(d, 0x25, tls->key_alg);
}

/* Those passed on are in the header as they came, in their order. */
static void check_passed(const struct made *m, const struct decoded *d)
{
	struct proxy_tlv tlv;
	size_t pos = 0, at = 0;

	while (m->facts.pass && proxy_next_tlv(m->facts.pass, &pos, &tlv)) {
		if (tlv.type <= 5 || tlv.type == 0x20)
			continue;
		while (at < d->tlvs_count && (d->tlvs[at].type <= 5 || d->tlvs[at].type == 0x20))
			at++;
		INVARIANT(at < d->tlvs_count && d->tlvs[at].type == tlv.type);
		INVARIANT(d->tlvs[at].len == tlv.len &&
			  !memcmp(d->tlvs[at].value, tlv.value, tlv.len));
		at++;
	}
}

/* --- a header --------------------------------------------------------------------------------- */

typedef ssize_t writer(uint8_t *buf, size_t size, const struct proxy_facts *facts);

/* In a buffer of exactly this size, whose ends the sanitizer watches. */
static ssize_t write_exactly(writer *write, uint8_t **buf, size_t size,
			     const struct proxy_facts *facts)
{
	*buf = malloc(size ? size : 1);
	INVARIANT(*buf);
	return write(*buf, size, facts);
}

static void check_smaller(writer *write, size_t n, const struct proxy_facts *facts, uint8_t any)
{
	const size_t sizes[] = {n - 1, n * any / 256};

	for (size_t i = 0; i < 2; i++) {
		uint8_t *buf;

		INVARIANT(write_exactly(write, &buf, sizes[i], facts) == -ENOSPC);
		free(buf);
	}
}

/* A unique ID that is too long, or too many TLVs, can only come from those that are passed on. */
static bool odd_pass(const struct made *m)
{
	struct proxy_tlv tlv;
	size_t pos = 0, count = 0;
	bool odd = false;

	while (m->facts.pass && proxy_next_tlv(m->facts.pass, &pos, &tlv)) {
		odd |= tlv.type == 5 && tlv.len > PROXY_UNIQUE_ID_MAX;
		count++;
	}
	return odd || count > DECODED_TLVS_MAX - 8;
}

static void check_header(writer *write, const struct made *m, size_t n, uint8_t any)
{
	static struct decoded d;
	struct proxy_prefix p;
	uint8_t *buf;
	const char *wrong;

	INVARIANT(write_exactly(write, &buf, n, &m->facts) == (ssize_t)n);
	INVARIANT(proxy_parse(&p, buf, n) == PROXY_DONE && p.len == n);
	wrong = odd_pass(m) ? NULL : proxy_decode(&d, buf, n);
	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	INVARIANT(!wrong);
	if (!odd_pass(m)) {
		check_addresses(m, &d, &p);
		INVARIANT(d.crc == (d.version == 2 && m->facts.crc32c));
	}
	if (!odd_pass(m) && d.version == 2) {
		check_value(&d, 1, &m->facts.alpn);
		check_value(&d, 2, &m->facts.authority);
		check_value(&d, 5, &m->facts.unique_id);
		check_tls(&d, m->facts.tls);
		check_passed(m, &d);
	}
	free(buf);
	check_smaller(write, n, &m->facts, any);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static uint8_t buf[2 * PROXY_WRITE_BYTES_MAX];
	struct input in = {bytes, n};
	const uint8_t any = take(&in);
	struct made m;
	ssize_t r;

	make(&m, &in);
	r = proxy_write_v1(buf, PROXY_V1_BYTES_MAX, &m.facts);
	INVARIANT(r > 0);
	check_header(proxy_write_v1, &m, (size_t)r, any);
	r = proxy_write_v2(buf, sizeof(buf), &m.facts);
	INVARIANT(r == -ENOSPC || (r > 0 && r <= PROXY_WRITE_BYTES_MAX));
	/* What kedge says by itself always fits. */
	INVARIANT(r > 0 || (m.facts.pass && m.pass.tlvs_len > PROXY_WRITE_BYTES_MAX / 2));
	if (r > 0)
		check_header(proxy_write_v2, &m, (size_t)r, any);
	return 0;
}
