/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.c only: PREFIX and HANDSHAKE: from the first byte to a client leg that is ready. Each
 * function returns what becomes of the connection (verdict.h). `events` are EPOLL*.
 */
#pragma once

#include <stdint.h>

#include "conn/types.h"
#include "conn/verdict.h"

struct conn_verdict conn_prefix_enter(struct conn *c);
struct conn_verdict conn_prefix_run(struct conn *c, uint32_t events);
struct conn_verdict conn_prefix_expired(struct conn *c);

/* The client's address is known: to the TLS handshake, or straight to the application. */
struct conn_verdict conn_client_known(struct conn *c);

/* bytes_wait: there is no event for bytes that came before. */
struct conn_verdict conn_handshake_enter(struct conn *c, bool bytes_wait);
struct conn_verdict conn_handshake_run(struct conn *c);
struct conn_verdict conn_handshake_expired(struct conn *c);

/* Gives up what the handshake holds. */
void conn_handshake_leave(struct conn *c);
