/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/lib/proxy_decode.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* --- version 1 -------------------------------------------------------------------------------- */

/*
 * Reads the line with sscanf(), and writes it again: the two are the same only if no number has a
 * sign or a zero too many, no space is doubled, and each address has its shortest form.
 */
static const char *decode_v1(struct decoded *d, const uint8_t *bytes, size_t n)
{
	char line[108] = "", again[256], src[64], dst[64], shown_src[64], shown_dst[64], digit;
	int family;

	if (n > 107 || memchr(bytes, '\0', n))
		return "too long, or with a NUL";
	memcpy(line, bytes, n);
	d->version = 1;
	d->family = '-';
	if (!strcmp(line, "PROXY UNKNOWN\r\n"))
		return NULL;
	if (sscanf(line, "PROXY TCP%c %63s %63s %u %u", &digit, src, dst, &d->sport, &d->dport) !=
	    5)
		return "not a line of version 1";
	family = digit == '4' ? AF_INET : AF_INET6;
	if (inet_pton(family, src, d->src) != 1 || inet_pton(family, dst, d->dst) != 1)
		return "not an address of this family";
	inet_ntop(family, d->src, shown_src, sizeof(shown_src));
	inet_ntop(family, d->dst, shown_dst, sizeof(shown_dst));
	snprintf(again, sizeof(again), "PROXY TCP%c %s %s %u %u\r\n", family == AF_INET ? '4' : '6',
		 shown_src, shown_dst, d->sport & 0xffff, d->dport & 0xffff);
	d->family = family == AF_INET ? '4' : '6';
	return strcmp(line, again) ? "the line has another spelling" : NULL;
}

/* --- version 2 -------------------------------------------------------------------------------- */

static unsigned u16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static unsigned long u32(const uint8_t *p)
{
	return u16(p) * 65536ul + u16(p + 2);
}

/* Bit by bit, as RFC 4960, appendix B, defines it. The four bytes at `hole` count as 0. */
static unsigned long crc32c(const uint8_t *bytes, size_t n, size_t hole)
{
	unsigned long crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return crc ^ 0xffffffff;
}

/* TLVs that fill bytes[0..n) exactly. */
static const char *take_tlvs(struct decoded_tlv *tlvs, size_t *count, const uint8_t *bytes,
			     size_t n)
{
	size_t at = 0;

	*count = 0;
	while (at < n) {
		struct decoded_tlv *t = &tlvs[*count];

		if (*count == DECODED_TLVS_MAX)
			return "too many TLVs for this reader";
		if (n - at < 3 || n - at - 3 < u16(bytes + at + 1))
			return "a TLV is longer than what is left";
		*t = (struct decoded_tlv){bytes[at], u16(bytes + at + 1), bytes + at + 3};
		at += 3 + t->len;
		++*count;
	}
	return NULL;
}

static const char *take_ssl(struct decoded *d, const struct decoded_tlv *t)
{
	const char *wrong;

	if (d->ssl)
		return "two of SSL";
	if (t->len < 5)
		return "SSL is too short";
	d->ssl = true;
	d->ssl_client = t->value[0];
	d->ssl_verify = u32(t->value + 1);
	wrong = take_tlvs(d->sub, &d->sub_count, t->value + 5, t->len - 5);
	if (wrong)
		return wrong;
	if (d->ssl_client & ~7u || !(d->ssl_client & 1))
		return "SSL has bits that mean nothing, or not that of SSL";
	if (!decoded_find_sub(d, 0x21))
		return "SSL without its version";
	if (!(d->ssl_client & 6) && (!d->ssl_verify || decoded_find_sub(d, 0x22)))
		return "SSL knows a certificate that was not shown";
	for (size_t i = 0; i < d->sub_count; i++)
		if (d->sub[i].type < 0x21 || d->sub[i].type > 0x25)
			return "SSL with a TLV that is not of SSL";
	return NULL;
}

static const char *check_tlv(struct decoded *d, size_t i, const uint8_t *bytes, size_t n)
{
	const struct decoded_tlv *t = &d->tlvs[i];

	switch (t->type) {
	case 0x03:
		if (i + 1 != d->tlvs_count || t->len != 4)
			return "the checksum is not the last TLV, or has not four bytes";
		d->crc = u32(t->value) == crc32c(bytes, n, (size_t)(t->value - bytes));
		return d->crc ? NULL : "the checksum is wrong";
	case 0x04:
		return "a NOOP, which says nothing";
	case 0x05:
		return t->len > 128 ? "the unique ID is too long" : NULL;
	case 0x20:
		return take_ssl(d, t);
	default:
		return NULL;
	}
}

/* The size of the address block. Negative: there is no such family. */
static int take_addresses(struct decoded *d, uint8_t family, const uint8_t *block, size_t n)
{
	const size_t size = family == 0x11 ? 4 : family == 0x21 ? 16 : family == 0x31 ? 108 : 0;
	const size_t ports = size == 4 || size == 16 ? 4 : 0;

	d->family = size == 4 ? '4' : size == 16 ? '6' : size ? 'u' : '-';
	if ((!size && family) || n < 2 * size + ports)
		return -1;
	memcpy(d->src, block, size);
	memcpy(d->dst, block + size, size);
	if (ports) {
		d->sport = u16(block + 2 * size);
		d->dport = u16(block + 2 * size + 2);
	}
	return (int)(2 * size + ports);
}

static const char *decode_v2(struct decoded *d, const uint8_t *bytes, size_t n)
{
	const char *wrong;
	int addresses;

	if (n < 16 || memcmp(bytes, "\r\n\r\n\0\r\nQUIT\n", 12))
		return "not the signature";
	if (bytes[12] != 0x20 && bytes[12] != 0x21)
		return "not version 2, or no such command";
	if (n != 16 + u16(bytes + 14))
		return "not as long as it says";
	d->version = 2;
	d->local = bytes[12] == 0x20;
	if (d->local && bytes[13])
		return "LOCAL with an address";
	addresses = take_addresses(d, bytes[13], bytes + 16, n - 16);
	if (addresses < 0)
		return "no such family, or its addresses are cut";
	wrong = take_tlvs(d->tlvs, &d->tlvs_count, bytes + 16 + addresses,
			  n - 16 - (size_t)addresses);
	for (size_t i = 0; !wrong && i < d->tlvs_count; i++)
		wrong = check_tlv(d, i, bytes, n);
	return wrong;
}

const char *proxy_decode(struct decoded *out, const uint8_t *bytes, size_t n)
{
	memset(out, 0, sizeof(*out));
	return n && bytes[0] == 'P' ? decode_v1(out, bytes, n) : decode_v2(out, bytes, n);
}

static const struct decoded_tlv *find(const struct decoded_tlv *tlvs, size_t count, uint8_t type)
{
	for (size_t i = 0; i < count; i++)
		if (tlvs[i].type == type)
			return &tlvs[i];
	return NULL;
}

const struct decoded_tlv *decoded_find(const struct decoded *d, uint8_t type)
{
	return find(d->tlvs, d->tlvs_count, type);
}

const struct decoded_tlv *decoded_find_sub(const struct decoded *d, uint8_t type)
{
	return find(d->sub, d->sub_count, type);
}
