/* SPDX-License-Identifier: BSD-2-Clause */
/* conn*.c only: what the files of a connection call in each other. See conn.h. */
#pragma once

#include "conn/conn.h"
#include "listen/service.h"
#include "conn/worker.h"

#define CONN_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/* While draining, a flow is looked at this often; one without a request yet gets as long. */
#define CONN_DRAIN_LOOK_MS 1000

/* A client whose record layer may hide something is read once more when it was quiet this long. */
#define CONN_QUIET_LOOK_MS 200

static inline const struct conf *conn_conf(const struct conn *c)
{
	return c->service->generation->conf;
}

/* Not a word of HTTP may be read or said. */
static inline bool conn_is_tcp(const struct conn *c)
{
	return c->service->conf->mode == MODE_TCP;
}

/* conn.c: the state, and its deadline from now on. */
void conn_enter(struct conn *c, enum conn_state state, uint32_t timeout_ms);

/* conn_open.c: what happened may let the state go on. `events` are EPOLL*. */
void conn_prefix_run(struct conn *c, uint32_t events);
void conn_handshake_run(struct conn *c);
void conn_handshake_expired(struct conn *c);
/* The client's address is known: TLS, or straight to the application. */
void conn_client_known(struct conn *c);

/* Counted as a handshake no longer. */
void conn_handshake_over(struct conn *c);

/* conn_connect.c */
/* The client has said hello: the application may be asked already. Once; later calls do nothing. */
void conn_connect_early(struct conn *c);
/* The client leg is ready. */
void conn_connect(struct conn *c);
/* How its requests are to be edited. */
void conn_http1_conf(const struct conn *c, struct http1_conf *out);
/* HANDSHAKE and CONNECT: what happened to the application's leg. */
void conn_app_event(struct conn *c, uint32_t events);

/* conn_leg.c; a reason other than NONE: the connection is to be refused for it. */
/* A new leg: what the kernel is to do for it. */
void conn_leg_choose(struct conn *c);
/* Before its connect: BPF knows the socket from its first packet on. */
enum kedge_reason conn_leg_register(struct conn *c);
/* It is connected: puts it under BPF, if it was registered. */
enum kedge_reason conn_leg_join(struct conn *c);
/* The kernel does not take it, for this errno: user space does. False when that is not allowed. */
bool conn_leg_lost(struct conn *c, int err);
/* It is about to be closed. */
void conn_leg_over(struct conn *c);

/* conn_move.c */
/* Both legs are joined. */
void conn_move_begin(struct conn *c);
void conn_move_run(struct conn *c);

/* conn_deadline.c */
/*
 * After the mover ran and had `up` bytes from the client, and `down` from the application: how long
 * it may take from now on.
 */
void conn_deadline_set(struct conn *c, uint64_t up, uint64_t down);
void conn_move_expired(struct conn *c);
/*
 * What so many bytes are worth at `rate` bytes a second; what is less than a millisecond is carried
 * on in *rest, which is 0 to begin with.
 */
static inline uint64_t conn_worth_ms(uint64_t bytes, uint32_t rate, uint32_t *rest)
{
	uint64_t worth = bytes * 1000 + *rest;

	*rest = (uint32_t)(worth % rate);
	return worth / rate;
}
/* Bytes that the client has acknowledged. */
uint64_t conn_acknowledged(const struct conn *c);

/* conn_end.c; each may free what the legs hold: touch nothing but c->state afterwards. */
void conn_count_reason(struct conn *c, enum kedge_reason reason);
/* Answers the client with the status that belongs to the reason, where one does and there may be an
 * answer (mover_may_say()), and ends. In mode tcp, and within a response, both legs are reset. */
void conn_reply(struct conn *c, enum kedge_reason reason);
/*
 * CONNECT: the same once the client has asked for something; a request is what an answer belongs
 * to.
 */
void conn_refuse(struct conn *c, enum kedge_reason reason);
void conn_hear_run(struct conn *c);
/* Goes on with the answer when there is room. */
void conn_reply_run(struct conn *c);
/* A client that still takes what comes before the answer gets more time. */
void conn_reply_expired(struct conn *c);
/* Closes the application's leg, if there is one; reset: so that it is not taken for finished. */
void conn_app_close(struct conn *c, bool reset);
/* Ends our direction of the client leg in order, with nothing more to say. */
void conn_finish(struct conn *c);
/* Our direction has ended: waits for the client's end. */
void conn_linger(struct conn *c);
void conn_linger_read(struct conn *c);
void conn_linger_expired(struct conn *c);
/*
 * The record layer ended the client leg by the rules of TLS (record.told): lets its alert arrive.
 */
void conn_record_fault(struct conn *c, enum kedge_reason reason);
/* A failed handshake has sent its alert: lets it arrive. */
void conn_linger_after_alert(struct conn *c);
/* Closes both legs as they are. Nothing is counted but the connection. */
void conn_close(struct conn *c);
