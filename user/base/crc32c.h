/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: CRC32c (Castagnoli), as RFC 4960, appendix B, has it. Pure. For short inputs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Goes on with bytes[0..n). Start with ~0 and complement the result; pieces give the same as the
 * whole. The number is in host byte order.
 */
uint32_t crc32c_update(uint32_t crc, const uint8_t *bytes, size_t n);
