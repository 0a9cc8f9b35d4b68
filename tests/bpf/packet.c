/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void add(struct packet *p, const void *bytes, size_t n)
{
	assert_true(p->len + n <= sizeof(p->bytes));
	memcpy(p->bytes + p->len, bytes, n);
	p->len += n;
}

static void add_fill(struct packet *p, uint8_t byte, size_t n)
{
	assert_true(p->len + n <= sizeof(p->bytes));
	memset(p->bytes + p->len, byte, n);
	p->len += n;
}

static void add8(struct packet *p, unsigned value)
{
	add(p, &(uint8_t){(uint8_t)value}, 1);
}

static void add16(struct packet *p, unsigned value)
{
	add(p, &(uint16_t){htons((uint16_t)value)}, 2);
}

static void add32(struct packet *p, uint32_t value)
{
	add(p, &(uint32_t){htonl(value)}, 4);
}

void packet_ip(uint8_t ip[16], const char *text)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(ip, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, text, ip + 12) == 1 || inet_pton(AF_INET6, text, ip) == 1)
		return;
	fail_msg("%s is no address", text);
}

static void ethernet(struct packet *p, const struct packet_spec *s, unsigned type)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	add(p, macs, sizeof(macs));
	for (size_t i = 0; i < 4 && s->tags[i]; i++) {
		add16(p, s->tags[i]);
		add16(p, 100);
	}
	add16(p, s->ethertype ? s->ethertype : type);
	p->l3 = p->len;
}

static void set_length(struct packet *p, const struct packet_spec *s, size_t at, size_t right)
{
	uint16_t length = htons((uint16_t)(s->length ? s->length : (int32_t)right));

	if (s->length < 0)
		length = 0;
	memcpy(p->bytes + at, &length, 2);
}

/* One's complement sum over the IPv4 header. */
static void set_ipv4_checksum(struct packet *p)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = p->l3; i + 1 < p->l4; i += 2)
		sum += (uint32_t)p->bytes[i] << 8 | p->bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	word = htons((uint16_t)~sum);
	memcpy(p->bytes + p->l3 + 10, &word, 2);
}

static void ipv4(struct packet *p, const struct packet_spec *s)
{
	uint8_t from[16], to[16];

	packet_ip(from, s->from);
	packet_ip(to, s->to);
	add8(p, (s->version ? s->version : 4u) << 4 | (s->ihl ? s->ihl : 5u + s->options / 4));
	add8(p, 0);
	add16(p, 0); /* length: set when it is known */
	add16(p, s->id);
	add16(p, s->fragment);
	add8(p, 64);
	add8(p, s->protocol ? s->protocol : IPPROTO_TCP);
	add16(p, 0);
	add(p, from + 12, 4);
	add(p, to + 12, 4);
	add_fill(p, 1, s->options); /* no-operation */
}

static unsigned extension_type(char c)
{
	switch (c) {
	case 'h':
	case 'l':
		return 0;
	case 'd':
	case 'D':
		return 60;
	case 'r':
	case 'R':
		return 43;
	case 'f':
		return 44;
	}
	fail_msg("no such extension header: %c", c);
	return 0;
}

static void extension(struct packet *p, const struct packet_spec *s, char c, unsigned next)
{
	size_t more = c == 'D' ? 24 : 0;

	add8(p, next);
	if (c == 'f') {
		add8(p, 0);
		add16(p, (s->fragment & 0x1fffu) << 3 | !!(s->fragment & MORE));
		add32(p, s->id);
		return;
	}
	add8(p, c == 'l' ? 255 : more / 8);
	if (c == 'r' || c == 'R') {
		add8(p, 4); /* segment routing */
		add8(p, c == 'R');
		add32(p, 0);
		return;
	}
	add8(p, 1); /* PadN over the rest */
	add8(p, 4 + more);
	add_fill(p, 0, 4 + more);
}

static void ipv6(struct packet *p, const struct packet_spec *s)
{
	unsigned last = s->protocol ? s->protocol : IPPROTO_TCP;
	size_t chain = s->ext ? strlen(s->ext) : 0;
	size_t count = chain * (s->ext_times ? s->ext_times : 1u);
	uint8_t from[16], to[16];

	packet_ip(from, s->from);
	packet_ip(to, s->to);
	add32(p, (s->version ? s->version : 6u) << 28);
	add16(p, 0); /* length: set when it is known */
	add8(p, count ? extension_type(s->ext[0]) : last);
	add8(p, 64);
	add(p, from, 16);
	add(p, to, 16);
	for (size_t i = 0; i < count; i++)
		extension(p, s, s->ext[i % chain],
			  i + 1 < count ? extension_type(s->ext[(i + 1) % chain]) : last);
}

static void tcp(struct packet *p, const struct packet_spec *s)
{
	unsigned doff = s->doff ? s->doff : 5u + s->tcp_room / 4;

	p->l4 = p->len;
	p->tcp = doff * 4u;
	add16(p, s->from_port ? s->from_port : 40000);
	add16(p, s->to_port);
	add32(p, 0x01020304);
	add32(p, s->flags & ACK ? 0x05060708 : 0);
	add8(p, doff << 4);
	add8(p, s->flags);
	add16(p, 64240);
	add32(p, 0); /* checksum, urgent pointer */
	if (s->tcp_options)
		add(p, s->tcp_options, s->tcp_room);
	else
		add_fill(p, 1, s->tcp_room);
	add_fill(p, 'x', s->data);
}

void packet_make(struct packet *p, const struct packet_spec *s)
{
	int six = strchr(s->to, ':') != NULL;

	p->len = 0;
	ethernet(p, s, six ? 0x86dd : 0x0800);
	if (six)
		ipv6(p, s);
	else
		ipv4(p, s);
	tcp(p, s);
	if (six)
		set_length(p, s, p->l3 + 4, p->len - p->l3 - 40);
	else
		set_length(p, s, p->l3 + 2, p->len - p->l3);
	if (!six)
		set_ipv4_checksum(p);
	add_fill(p, 0xff, s->padding);
}
