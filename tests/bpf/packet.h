/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests: makes frames from a description. Everything that the description leaves out is correct.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PACKET_BYTES_MAX 3000

#define FIN 1
#define SYN 2
#define RST 4
#define ACK 16

#define MORE 0x2000 /* struct packet_spec.fragment: more fragments come */

/* 0 is the usual value: no tags, no options, TCP, no fragment, right lengths. */
struct packet_spec {
	const char *from, *to; /* both IPv4 or both IPv6 */
	uint16_t from_port;    /* 0: 40000 */
	uint16_t to_port;
	uint8_t flags;      /* of TCP */
	uint16_t ethertype; /* instead of that of the family */
	uint16_t tags[4];   /* EtherTypes of VLAN tags, the outer first */
	uint8_t version;    /* in the IP header, instead of the right one */
	uint8_t ihl;        /* instead of the right one */
	uint8_t options;    /* bytes of IPv4 options, a multiple of 4 */
	/*
	 * Extension headers in their order: h hop-by-hop, d destination options, D the same with 24
	 * bytes more, r routing, R routing with segments left, f fragment (`fragment`, `id`), l a
	 * hop-by-hop longer than the packet.
	 */
	const char *ext;
	uint8_t ext_times;       /* the whole chain so often; 0: once */
	uint8_t protocol;        /* instead of TCP, in front of the same bytes */
	uint16_t fragment;       /* as in IPv4: MORE, and the offset in 8 bytes */
	uint32_t id;             /* of fragments */
	uint8_t doff;            /* instead of the right one */
	uint8_t tcp_room;        /* bytes of TCP options */
	const char *tcp_options; /* the bytes themselves; NULL: no-operations */
	uint16_t data;           /* bytes behind the TCP header */
	int32_t length;          /* in the IP header, instead of the right one; -1: 0 */
	uint16_t padding;        /* bytes behind the datagram */
};

struct packet {
	uint8_t bytes[PACKET_BYTES_MAX];
	size_t len;
	size_t l3, l4; /* where the IP and the TCP header begin */
	size_t tcp;    /* bytes of the TCP header, as it says */
};

void packet_make(struct packet *p, const struct packet_spec *s);

/* An address as 16 bytes, IPv4 as v4-mapped. Fails the running test if it is none. */
void packet_ip(uint8_t ip[16], const char *text);
