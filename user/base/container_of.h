/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: from a member to the struct that it is in, as in the kernel. */
#pragma once

#include <stddef.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
