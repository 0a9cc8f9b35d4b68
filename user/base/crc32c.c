/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The polynomial is 0x82f63b78, reflected. Four bits a step: inputs are short, and the table fits
 * two cache lines.
 */
#include "base/crc32c.h"

uint32_t crc32c_update(uint32_t crc, const uint8_t *bytes, size_t n)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return crc;
}
