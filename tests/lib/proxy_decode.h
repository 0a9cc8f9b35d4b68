/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a strict reader of PROXY headers, written from the specification and not from
 * user/http/proxy_proto.c. It takes one spelling of each header only: what a careful sender writes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODED_TLVS_MAX 512

struct decoded_tlv {
	uint8_t type;
	size_t len;
	const uint8_t *value; /* into the input */
};

struct decoded {
	int version;
	bool local;       /* command LOCAL */
	char family;      /* '4', '6', 'u' (unix) or '-' (not specified, or UNKNOWN) */
	uint8_t src[108]; /* 4, 16 or 108 bytes of it */
	uint8_t dst[108];
	unsigned sport, dport;
	struct decoded_tlv tlvs[DECODED_TLVS_MAX];
	size_t tlvs_count;
	bool crc; /* the last TLV is a checksum, and right */
	bool ssl; /* there is one */
	unsigned ssl_client;
	unsigned long ssl_verify;
	struct decoded_tlv sub[DECODED_TLVS_MAX]; /* of SSL */
	size_t sub_count;
};

/* Reads exactly bytes[0..n). NULL, or what is wrong with it. */
const char *proxy_decode(struct decoded *out, const uint8_t *bytes, size_t n);

/* The first TLV of this type, or NULL; among those of SSL. */
const struct decoded_tlv *decoded_find(const struct decoded *d, uint8_t type);
const struct decoded_tlv *decoded_find_sub(const struct decoded *d, uint8_t type);
