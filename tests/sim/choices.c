/* SPDX-License-Identifier: BSD-2-Clause */
#include "choices.h"

void choices_seed(struct choices *c, uint64_t seed)
{
	*c = (struct choices){.state = seed};
}

void choices_bytes(struct choices *c, const uint8_t *bytes, size_t n)
{
	*c = (struct choices){.bytes = bytes, .left = n};
}

/* splitmix64: every seed is a good one, also 0. */
static uint32_t generate(struct choices *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ z >> 31) >> 16);
}

static uint32_t take_byte(struct choices *c)
{
	if (!c->left)
		return 0;
	c->left--;
	return *c->bytes++;
}

uint32_t choice(struct choices *c, uint32_t n)
{
	uint32_t v;

	if (n < 2)
		return 0;
	if (!c->bytes)
		return generate(c) % n;
	v = take_byte(c);
	for (uint32_t most = 255; n - 1 > most; most = most << 8 | 255) {
		v = v << 8 | take_byte(c);
		if (most >= 0xffffff)
			break;
	}
	return v % n;
}
