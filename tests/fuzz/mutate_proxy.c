/* SPDX-License-Identifier: BSD-2-Clause */
#include "mutate_proxy.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "http/proxy_proto.h"
#include "tests/lib/random.h"

/* libFuzzer's own. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define V2_HEAD 16
#define TLV_CRC 3

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";

struct prefix {
	uint8_t *p;
	size_t n, max;
	uint32_t x;
};

static uint32_t below(struct prefix *w, size_t n)
{
	return random_next(&w->x) % (uint32_t)n;
}

static void add(struct prefix *w, const void *p, size_t n)
{
	if (w->n + n > w->max)
		return;
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

/* --- version 1 -------------------------------------------------------------------------------- */

static void make_v1(struct prefix *w)
{
	static const char *const families[] = {"TCP4", "TCP6", "UNKNOWN", "UDP4", "tcp4"};
	static const char *const ips[] = {"192.0.2.1",
					  "255.255.255.255",
					  "2001:db8::1",
					  "::ffff:192.0.2.1",
					  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
					  "01.2.3.4",
					  "::1",
					  ""};
	static const char *const ports[] = {"1", "0", "65535", "65536", "080", ""};
	char line[256];
	int n = snprintf(line, sizeof(line), "PROXY %s %s %s %s %s",
			 families[below(w, COUNT(families))], ips[below(w, COUNT(ips))],
			 ips[below(w, COUNT(ips))], ports[below(w, COUNT(ports))],
			 ports[below(w, COUNT(ports))]);
	size_t want = PROXY_V1_BYTES_MAX - 2 + below(w, 3) - 1;

	w->n = 0;
	add(w, line, (size_t)n);
	/* A line of the longest length, or past it by one. */
	while (!below(w, 4) && w->n < want)
		add(w, below(w, 2) ? "a" : " ", 1);
	add(w, "\r\n", 2);
}

/* --- version 2 -------------------------------------------------------------------------------- */

static bool is_v2(const struct prefix *w)
{
	return w->n >= V2_HEAD && !memcmp(w->p, signature, sizeof(signature));
}

static void set_length(struct prefix *w, size_t length)
{
	w->p[14] = (uint8_t)(length >> 8);
	w->p[15] = (uint8_t)length;
}

static size_t addresses(uint8_t family)
{
	static const uint8_t bytes[] = {0, 12, 36, 216};

	return bytes[family >> 4 & 3];
}

static void add_tlv(struct prefix *w)
{
	static const uint8_t types[] = {1, 2, TLV_CRC, 4, 5, 0x20, 0x30, 0xea};
	static const uint16_t lengths[] = {0, 1, 3, 4, 4, 5, 128, 255, 256, 1000, 3000};
	uint16_t n = lengths[below(w, COUNT(lengths))];
	uint8_t tlv[3 + 3000] = {types[below(w, COUNT(types))], (uint8_t)(n >> 8), (uint8_t)n};

	add(w, tlv, 3u + n);
}

static void make_v2(struct prefix *w)
{
	static const uint8_t families[] = {0x11, 0x11, 0x21, 0x21, 0x12, 0x31, 0x00, 0x41, 0x13};
	uint8_t head[V2_HEAD + 216] = {0};
	uint8_t family = families[below(w, COUNT(families))];

	memcpy(head, signature, sizeof(signature));
	head[12] = (uint8_t)(0x20 + below(w, 9) % 3);
	head[13] = family;
	for (size_t i = V2_HEAD; i < sizeof(head); i++)
		head[i] = (uint8_t)below(w, 256);
	w->n = 0;
	add(w, head, V2_HEAD + addresses(family));
	for (uint32_t tlvs = below(w, 4); tlvs; tlvs--)
		add_tlv(w);
	if (w->n >= V2_HEAD)
		set_length(w, w->n - V2_HEAD);
}

/* Another TLV at the end of a v2 prefix; its length follows. */
static void append_tlv(struct prefix *w)
{
	add_tlv(w);
	set_length(w, w->n - V2_HEAD);
}

/* The bytes of the last TLV, up to the longest prefix, or past it by one. */
static void stretch(struct prefix *w)
{
	size_t want = PROXY_V2_BYTES_MAX + below(w, 3) - 1, body;
	uint8_t zero[256] = {0};

	if (w->n + 3 > want || want > w->max)
		return;
	body = want - w->n - 3;
	add(w, (uint8_t[]){4, (uint8_t)(body >> 8), (uint8_t)body}, 3);
	while (w->n < want)
		add(w, zero, want - w->n < sizeof(zero) ? want - w->n : sizeof(zero));
	set_length(w, w->n - V2_HEAD);
}

/* A length of the prefix, or of a TLV, misses by one. */
static void miss(struct prefix *w)
{
	size_t at = V2_HEAD + addresses(w->p[13]) + 2;

	if (below(w, 2) || at >= w->n)
		at = 15;
	w->p[at] = (uint8_t)(w->p[at] + (below(w, 2) ? 1 : -1));
}

static uint32_t crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0U;

	while (n--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* Where the walk of the TLVs finds a checksum, it gets the right one. */
static void sign(struct prefix *w)
{
	size_t end = V2_HEAD + ((size_t)w->p[14] << 8 | w->p[15]);
	size_t at = V2_HEAD + addresses(w->p[13]);

	if (end > w->n)
		return;
	while (at + 3 <= end) {
		size_t len = (size_t)w->p[at + 1] << 8 | w->p[at + 2];
		uint32_t crc;

		if (w->p[at] == TLV_CRC && len == 4 && at + 7 <= end) {
			memset(w->p + at + 3, 0, 4);
			crc = crc32c(w->p, end);
			for (int k = 0; k < 4; k++)
				w->p[at + 3 + k] = (uint8_t)(crc >> (24 - 8 * k));
			return;
		}
		at += 3 + len;
	}
}

/* Bytes of the connection behind it. */
static void follow(struct prefix *w)
{
	static const char *const behind[] = {"GET / HTTP/1.1\r\n", "\x16\x03\x01", "PROXY ",
					     "\r\n"};
	const char *more = behind[below(w, COUNT(behind))];

	add(w, more, strlen(more));
}

static void change(struct prefix *w)
{
	switch (below(w, 10)) {
	case 0:
		make_v1(w);
		break;
	case 1:
		make_v2(w);
		break;
	case 2:
		follow(w);
		break;
	case 3:
	case 4:
		w->n = LLVMFuzzerMutate(w->p, w->n, w->max);
		break;
	case 5:
		if (is_v2(w))
			miss(w);
		break;
	case 6:
		if (is_v2(w))
			stretch(w);
		break;
	default:
		if (is_v2(w))
			append_tlv(w);
	}
}

size_t mutate_proxy(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	struct prefix w = {data, n, max, seed * 2654435761U | 1};

	for (uint32_t i = 0; i < 4; i++)
		random_next(&w.x);
	for (uint32_t k = 1 + below(&w, 3); k; k--)
		change(&w);
	if (is_v2(&w) && below(&w, 4))
		sign(&w);
	return w.n;
}
