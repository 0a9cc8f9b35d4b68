/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: answers GET /metrics on its own address and in its own thread. Neither workers nor the
 * main thread wait for a scraper, and scrapers do not wait for each other.
 */
#pragma once

#include "base/addr.h"
#include "metrics/metrics_text.h"

struct metrics_server;

/* Binds and listens. 0 with *out; -errno after a logged line. */
int metrics_server_open(struct metrics_server **out, const union addr *addr);

/* The port it is bound to, host order. */
uint16_t metrics_server_port(const struct metrics_server *s);

/* Begins to answer. *source is copied, what it points to is borrowed. 0 or -errno, logged. */
int metrics_server_start(struct metrics_server *s, const struct metrics_source *source);

/* Ends the thread and every scrape. NULL is fine. */
void metrics_server_close(struct metrics_server *s);
