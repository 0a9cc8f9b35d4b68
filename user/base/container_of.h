/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: finds the struct that a member is in, as in the kernel. */
#pragma once

#include <stddef.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
