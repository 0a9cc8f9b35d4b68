/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: a client leg without TLS. See record.h. */
#pragma once

#include "tls/record.h"

/* NULL when out of memory. */
struct record *record_plain_new(int fd, struct record_scratch *scratch);

/* record_drain() of a socket without records: takes the bytes as they come. */
ssize_t record_socket_drain(int fd, void *buf, size_t len);
