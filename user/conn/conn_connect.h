/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_*.c only: CONNECT: the socket to the application. It may be opened while the handshake still
 * runs (connect-early): then it is ready when the client's first request is.
 */
#pragma once

#include <stdint.h>

#include "conn/types.h"
#include "conn/verdict.h"

/*
 * HANDSHAKE: the client has said hello, or is done, so that the application may be asked. It is
 * asked once; later calls do nothing.
 */
void conn_connect_early(struct conn *c);

/* HANDSHAKE and IDLE: what happened to that leg; `events` are EPOLL*. */
void conn_connect_early_event(struct conn *c, uint32_t events);

struct conn_verdict conn_connect_enter(struct conn *c);
struct conn_verdict conn_connect_event(struct conn *c, uint32_t events);
struct conn_verdict conn_connect_expired(struct conn *c);
/* Its turn has come in the queue. */
struct conn_verdict conn_connect_again(struct conn *c);
void conn_connect_leave(struct conn *c);
