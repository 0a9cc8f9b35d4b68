/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the editor of mode tcp, which changes nothing. */
#pragma once

#include "http/edit.h"

/* For a flow without HTTP: a tunnel from its first byte on. NULL when out of memory. */
struct edit *edit_none_new(int fd, struct kedge_stats *stats);
