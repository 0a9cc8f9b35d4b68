/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/http/proxy_proto.c: the samples of tests/corpus/proxy/ next to guard pages. The first word
 * of a file's name is its verdict. The tables here have the other results.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "http/proxy_proto.h"
#include "proxy_samples.h"
#include "tests/lib/guard.h"

#define CORPUS     "tests/corpus/proxy/"
#define COUNT(a)   (sizeof(a) / sizeof(*(a)))
#define SAMPLE_MAX 8192

struct sample {
	char name[NAME_MAX + 1];
	enum proxy_verdict verdict;
	uint8_t bytes[SAMPLE_MAX];
	size_t len;
};

static enum proxy_verdict verdict_of_name(const char *name)
{
	static const struct {
		const char *start;
		enum proxy_verdict verdict;
	} words[] = {{"done_", PROXY_DONE},
		     {"bad_", PROXY_BAD},
		     {"none_", PROXY_NONE},
		     {"more_", PROXY_MORE}};

	for (size_t i = 0; i < COUNT(words); i++)
		if (!strncmp(name, words[i].start, strlen(words[i].start)))
			return words[i].verdict;
	fail_msg("%s: begins with no verdict", name);
	return PROXY_NONE;
}

static void sample_load(struct sample *s, const char *name)
{
	char path[sizeof(CORPUS) + NAME_MAX];
	_cleanup_(fclosep)
	FILE *f = NULL;

	snprintf(path, sizeof(path), CORPUS "%s", name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s: %s (the tests run from the top of the tree)", path, strerror(errno));
	s->len = fread(s->bytes, 1, sizeof(s->bytes), f);
	assert_true(feof(f) && !ferror(f));
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->verdict = verdict_of_name(name);
}

static int is_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Calls check for every sample with this verdict. Fails if there is none. */
static void for_each_sample(enum proxy_verdict verdict, void (*check)(const struct sample *s))
{
	struct dirent **names;
	int n = scandir(CORPUS, &names, is_visible, alphasort);
	size_t seen = 0;
	struct sample s;

	if (n < 0)
		fail_msg(CORPUS ": %s (the tests run from the top of the tree)", strerror(errno));
	for (int i = 0; i < n; i++) {
		sample_load(&s, names[i]->d_name);
		free(names[i]);
		if (s.verdict != verdict)
			continue;
		seen++;
		check(&s);
	}
	free(names);
	assert_true(seen > 0);
}

/* proxy_parse() of bytes[0..n), from memory that ends there. */
static enum proxy_verdict parse(struct proxy_prefix *out, const uint8_t *bytes, size_t n)
{
	enum proxy_verdict verdict;
	struct guard g;

	guard_new(&g, bytes, n, GUARD_AFTER);
	verdict = proxy_parse(out, g.data, n);
	if (verdict == PROXY_DONE &&
	    out->tlvs) /* the caller looks at them after the guard is gone */
		out->tlvs = bytes + (out->tlvs - g.data);
	guard_free(&g);
	return verdict;
}

static void assert_untouched(const struct proxy_prefix *p)
{
	struct proxy_prefix fresh;

	memset(&fresh, 0xaa, sizeof(fresh));
	assert_memory_equal(p, &fresh, sizeof(fresh));
}

static const struct done *find_done(const char *name)
{
	for (size_t i = 0; i < COUNT(done); i++)
		if (!strcmp(done[i].name, name))
			return &done[i];
	fail_msg("%s: not in the table of this test", name);
	return NULL;
}

static void list_tlvs(char *buf, size_t size, const struct proxy_prefix *p)
{
	size_t pos = 0, at = 0;
	struct proxy_tlv tlv;

	buf[0] = '\0';
	while (proxy_next_tlv(p, &pos, &tlv))
		at += (size_t)snprintf(buf + at, size - at, "%02x:%u ", tlv.type, tlv.len);
	assert_int_equal(pos, p->tlvs_len);
}

static void assert_done(const struct sample *s, const struct proxy_prefix *p)
{
	const struct done *want = find_done(s->name);
	char text[ADDR_TEXT_MAX], tlvs[256];

	assert_int_equal(p->len, s->len);
	assert_int_equal(p->version, s->name[strlen("done_v")] - '0');
	assert_int_equal(p->local, !!(want->flags & LOCAL));
	assert_int_equal(p->crc_present, !!(want->flags & CRC));
	assert_int_equal(p->src.family, want->family);
	assert_int_equal(p->dst.family != p->src.family, !!(want->flags & OTHER));
	addr_format(text, &p->src);
	assert_string_equal(text, want->src);
	addr_format(text, &p->dst);
	assert_string_equal(text, want->dst);
	list_tlvs(tlvs, sizeof(tlvs), p);
	assert_string_equal(tlvs, want->tlvs);
	assert_int_equal(!p->tlvs, !p->tlvs_len);
}

static void check_done(const struct sample *s)
{
	struct proxy_prefix p;

	if (parse(&p, s->bytes, s->len) != PROXY_DONE)
		fail_msg("%s: not done", s->name);
	assert_done(s, &p);
}

static void good_prefixes_are_read(void **state)
{
	for_each_sample(PROXY_DONE, check_done);
	for (size_t i = 0; i < COUNT(done); i++) {
		struct sample s;

		sample_load(&s, done[i].name); /* no row without its file */
	}
}

static enum kedge_reason reason_of(const struct sample *s)
{
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (!strcmp(reasons[i].name, s->name))
			return reasons[i].reason;
	return KEDGE_REASON_prefix_bad;
}

static void check_bad(const struct sample *s)
{
	struct proxy_prefix p;

	if (parse(&p, s->bytes, s->len) != PROXY_BAD)
		fail_msg("%s: not bad", s->name);
	if (p.reason != reason_of(s))
		fail_msg("%s: reason %u", s->name, p.reason);
	assert_int_equal(p.version, s->name[strlen("bad_v")] - '0');
	assert_int_equal(p.src.family, AF_UNSPEC);
}

static void malformed_prefixes_are_bad_with_their_reason(void **state)
{
	for_each_sample(PROXY_BAD, check_bad);
	for (size_t i = 0; i < COUNT(reasons); i++) {
		struct sample s;

		sample_load(&s, reasons[i].name);
		assert_int_equal(s.verdict, PROXY_BAD);
	}
}

static void check_undecided_or_foreign(const struct sample *s)
{
	struct proxy_prefix p;

	memset(&p, 0xaa, sizeof(p));
	if (parse(&p, s->bytes, s->len) != s->verdict)
		fail_msg("%s: another verdict", s->name);
	assert_untouched(&p);
}

static void other_protocols_are_no_prefix(void **state)
{
	for_each_sample(PROXY_NONE, check_undecided_or_foreign);
}

static void incomplete_prefixes_want_more(void **state)
{
	for_each_sample(PROXY_MORE, check_undecided_or_foreign);
	/* before the first read there may be no buffer yet */
	assert_int_equal(proxy_parse(&(struct proxy_prefix){0}, NULL, 0), PROXY_MORE);
}

/* Bytes come in any pieces: MORE until the one verdict, which no later byte changes. */
static void check_every_split(const struct sample *s)
{
	bool is_settled = false;

	for (size_t n = 0; n <= s->len; n++) {
		struct proxy_prefix p;
		enum proxy_verdict verdict;

		memset(&p, 0xaa, sizeof(p));
		verdict = parse(&p, s->bytes, n);
		if (verdict == PROXY_MORE) {
			if (is_settled || (n == s->len && s->verdict != PROXY_MORE))
				fail_msg("%s: more after %zu bytes", s->name, n);
			assert_untouched(&p);
			continue;
		}
		is_settled = true;
		if (verdict != s->verdict)
			fail_msg("%s: verdict %d after %zu bytes", s->name, verdict, n);
		if (verdict == PROXY_DONE && n < s->len)
			fail_msg("%s: done after %zu of %zu bytes", s->name, n, s->len);
		if (verdict == PROXY_BAD && p.reason != reason_of(s))
			fail_msg("%s: reason %u after %zu bytes", s->name, p.reason, n);
	}
}

static void every_split_gives_the_same_verdict(void **state)
{
	for_each_sample(PROXY_DONE, check_every_split);
	for_each_sample(PROXY_BAD, check_every_split);
	for_each_sample(PROXY_NONE, check_every_split);
	for_each_sample(PROXY_MORE, check_every_split);
}

static void what_is_hopeless_is_not_waited_for(void **state)
{
	for (size_t i = 0; i < COUNT(settled); i++) {
		struct proxy_prefix p;
		struct sample s;

		sample_load(&s, settled[i].name);
		if (parse(&p, s.bytes, settled[i].bytes - 1) != PROXY_MORE)
			fail_msg("%s: settled before byte %zu", s.name, settled[i].bytes);
		if (parse(&p, s.bytes, settled[i].bytes) != s.verdict)
			fail_msg("%s: not settled at byte %zu", s.name, settled[i].bytes);
	}
}

static void check_trailing_bytes(const struct sample *s)
{
	static const char *const trailers[] = {"\r\n",
					       "\n",
					       " ",
					       "\x16\x03\x01\x02",
					       "GET / HTTP/1.1\r\n",
					       "PROXY UNKNOWN\r\n",
					       "\r\n\r\n",
					       "\x03",
					       "\xff\xff\xff\xff"};
	uint8_t bytes[SAMPLE_MAX + 32];

	memcpy(bytes, s->bytes, s->len);
	for (size_t i = 0; i < COUNT(trailers); i++) {
		size_t more = strlen(trailers[i]);
		struct proxy_prefix p;

		memcpy(bytes + s->len, trailers[i], more);
		if (parse(&p, bytes, s->len + more) != PROXY_DONE)
			fail_msg("%s: not done with bytes behind it", s->name);
		assert_done(s, &p);
	}
	/* and a NUL, which no string can hold */
	bytes[s->len] = 0;
	assert_int_equal(parse(&(struct proxy_prefix){0}, bytes, s->len + 1), PROXY_DONE);
}

static void bytes_behind_a_prefix_do_not_matter(void **state)
{
	for_each_sample(PROXY_DONE, check_trailing_bytes);
}

static void check_underrun(const struct sample *s)
{
	struct proxy_prefix p;
	struct guard g;

	guard_new(&g, s->bytes, s->len, GUARD_BEFORE);
	assert_int_equal(proxy_parse(&p, g.data, g.len), s->verdict);
	guard_free(&g);
}

static void nothing_is_read_before_the_bytes(void **state)
{
	for_each_sample(PROXY_DONE, check_underrun);
	for_each_sample(PROXY_BAD, check_underrun);
	for_each_sample(PROXY_NONE, check_underrun);
}

/* Marks the bytes of lengths. Returns the place of the CRC's type byte. */
static size_t mark_lengths(bool *is_length, const struct proxy_prefix *p, const uint8_t *bytes)
{
	size_t pos = 0, crc_type = 0, first = (size_t)(p->tlvs - bytes);
	struct proxy_tlv tlv;

	is_length[14] = is_length[15] = true;
	for (size_t at = 0; proxy_next_tlv(p, &pos, &tlv); at = pos) {
		is_length[first + at + 1] = is_length[first + at + 2] = true;
		if (tlv.type == 3)
			crc_type = first + at;
	}
	return crc_type;
}

/*
 * A change of three bytes can remove the checksum itself: the command (LOCAL), the family (UNSPEC
 * in either half), and the type of the CRC's TLV. Then the prefix has less information, but never
 * other information.
 */
static enum proxy_verdict expected_of_mutant(const uint8_t *mutant, size_t at, size_t crc_type)
{
	if (at < 12)
		return PROXY_NONE;
	if (at == 12 && mutant[12] == 0x20)
		return PROXY_DONE;
	if (at == 13 && mutant[13] >> 4 <= 3 && (mutant[13] & 15) == 0)
		return PROXY_DONE;
	if (at == 13 && mutant[13] >> 4 == 0 && (mutant[13] & 15) <= 2)
		return PROXY_DONE;
	return at == crc_type ? PROXY_DONE : PROXY_BAD;
}

static void check_mutants(const struct sample *s)
{
	bool is_length[SAMPLE_MAX] = {false};
	struct proxy_prefix p;
	struct guard g;
	size_t crc_type;

	if (!(find_done(s->name)->flags & CRC) || s->len > 256)
		return;
	assert_int_equal(parse(&p, s->bytes, s->len), PROXY_DONE);
	crc_type = mark_lengths(is_length, &p, s->bytes);
	assert_true(crc_type > 0);
	guard_new(&g, s->bytes, s->len, GUARD_AFTER);
	for (size_t at = 0; at < s->len; at++) {
		for (unsigned int flip = 1; flip < 256 && !is_length[at]; flip++) {
			enum proxy_verdict verdict;

			g.data[at] = s->bytes[at] ^ (uint8_t)flip;
			verdict = proxy_parse(&p, g.data, g.len);
			if (verdict != expected_of_mutant(g.data, at, crc_type))
				fail_msg("%s: verdict %d with byte %zu = 0x%02x", s->name, verdict,
					 at, g.data[at]);
			if (verdict == PROXY_DONE) {
				assert_false(p.crc_present);
				assert_true(at == crc_type || p.src.family == AF_UNSPEC);
			}
		}
		g.data[at] = s->bytes[at];
	}
	guard_free(&g);
}

static void no_changed_byte_gets_past_the_checksum(void **state)
{
	for_each_sample(PROXY_DONE, check_mutants);
}

static void tlv_values_are_those_that_were_sent(void **state)
{
	struct proxy_prefix p;
	struct proxy_tlv tlv;
	struct sample s;
	size_t pos = 0;

	sample_load(&s, "done_v2_tlvs_tcp4");
	assert_int_equal(proxy_parse(&p, s.bytes, s.len), PROXY_DONE);
	assert_true(proxy_next_tlv(&p, &pos, &tlv));
	assert_memory_equal(tlv.value, "h2", 2);
	assert_true(proxy_next_tlv(&p, &pos, &tlv));
	assert_memory_equal(tlv.value, "example.org", 11);
	assert_true(proxy_next_tlv(&p, &pos, &tlv));
	assert_true(proxy_next_tlv(&p, &pos, &tlv));
	assert_memory_equal(tlv.value, "request-17", 10);
}

/* The walk is safe even on bytes that were never parsed. */
static void the_tlv_walk_stays_inside_its_bytes(void **state)
{
	static const uint8_t bytes[] = {4, 0, 2, 'a', 'b', 4, 0, 3, 'c', 'd'};

	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct proxy_prefix p = {.tlvs_len = n};
		struct proxy_tlv tlv;
		struct guard g;
		size_t pos = 0, found = 0;

		guard_new(&g, bytes, n, GUARD_AFTER);
		p.tlvs = g.data;
		while (proxy_next_tlv(&p, &pos, &tlv))
			found++;
		assert_int_equal(found, n >= 5);
		assert_int_equal(pos, n >= 5 ? 5 : 0);
		pos = n + 1;
		assert_false(proxy_next_tlv(&p, &pos, &tlv));
		guard_free(&g);
	}
}

static bool begins(const uint8_t *bytes, size_t n)
{
	struct guard g;
	bool answer;

	guard_new(&g, bytes, n, GUARD_AFTER);
	answer = proxy_begins(g.data, n);
	guard_free(&g);
	return answer;
}

static void check_begins(const struct sample *s)
{
	size_t min = s->bytes[0] == '\r' ? PROXY_BEGIN_V2_BYTES_MIN : PROXY_BEGIN_BYTES_MIN;

	for (size_t n = 0; n <= s->len; n++)
		if (begins(s->bytes, n) != (n >= min))
			fail_msg("%s: not told by %zu bytes", s->name, n);
}

static void check_begins_not(const struct sample *s)
{
	if (begins(s->bytes, s->len))
		fail_msg("%s: taken for a prefix", s->name);
}

static void a_prefix_that_nobody_reads_is_told_by_its_first_bytes(void **state)
{
	static const char request[] = "PROXY / HTTP/1.1\r\nHost: a\r\n\r\n";

	for_each_sample(PROXY_DONE, check_begins);
	for_each_sample(PROXY_NONE, check_begins_not);
	assert_false(begins((const uint8_t *)request, sizeof(request) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_prefixes_are_read),
		cmocka_unit_test(malformed_prefixes_are_bad_with_their_reason),
		cmocka_unit_test(other_protocols_are_no_prefix),
		cmocka_unit_test(incomplete_prefixes_want_more),
		cmocka_unit_test(every_split_gives_the_same_verdict),
		cmocka_unit_test(what_is_hopeless_is_not_waited_for),
		cmocka_unit_test(bytes_behind_a_prefix_do_not_matter),
		cmocka_unit_test(nothing_is_read_before_the_bytes),
		cmocka_unit_test(no_changed_byte_gets_past_the_checksum),
		cmocka_unit_test(tlv_values_are_those_that_were_sent),
		cmocka_unit_test(a_prefix_that_nobody_reads_is_told_by_its_first_bytes),
		cmocka_unit_test(the_tlv_walk_stays_inside_its_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
