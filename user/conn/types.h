/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the types that the files of this room share: what all workers are given, a worker, a
 * connection. What they do is in worker.h, conn.h and the header of each state's file.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "app/leg.h"
#include "base/addr.h"
#include "base/intern.h"
#include "base/loop.h"
#include "bpf/kbpf.h"
#include "conn/flow.h"
#include "kedge/abi.h"
#include "listen/door.h"
#include "listen/limit.h"
#include "listen/service.h"
#include "metrics/metrics.h"
#include "tls/record.h"

struct access_flow;
struct access_log;
struct conn_head;
struct conn_header;
struct conn_prefix;
struct doors;
struct guard;
struct peername;
struct source;
struct tls_conn;

/* Set up by cmd_run.c before the workers start, and read-only from then on. */
struct shared {
	struct limits *limits;
	struct kbpf *bpf;          /* NULL: nothing of kedge runs in BPF */
	struct peername *peername; /* NULL: applications see kedge as their peer */
	struct guard *guard;       /* NULL: anyone may connect */
	bool record_kernel;        /* the kernel carries some TLS version and suite both ways */
	bool edit_kernel;          /* flows are edited by BPF */
	bool bypass;               /* flows may bypass loopback TCP */
	struct access_log *access; /* NULL: requests are not logged */
	struct metrics *metrics;
	struct worker *workers; /* all of them; NULL: there is but one */
	unsigned workers_count;
	unsigned flows_max; /* room in the maps of bpf */
	int done_fd;        /* eventfd: a worker that ends, or has taken doors over, writes to it */
};

LIST_HEAD(conn_list, conn);
TAILQ_HEAD(conn_queue, conn);

/* Where conn.queue_link is. */
enum conn_queue_place {
	QUEUE_NONE,
	QUEUE_WAITS, /* worker.queue: for a server */
	QUEUE_IDLE,  /* worker.idle: its leg is idle, and others may want its place */
};

struct worker {
	unsigned index;
	const struct shared *shared;
	struct loop loop;
	struct record_scratch scratch;
	struct mover mover;
	struct legs legs;
	struct kedge_stats *stats;   /* this worker's row */
	struct metrics_row *metrics; /* likewise */
	struct acceptor acceptor;
	struct doors *doors;  /* what it listens with now */
	struct doors *posted; /* atomic: what it listens with from the next turn on */
	struct conn_list conns;
	struct conn_list graves; /* closed, and freed at the end of the turn */
	struct task bury;
	struct conn_queue queue, idle; /* conn_queue.h */
	struct timer queue_timer;
	uint64_t random;     /* for servers_choose() */
	struct intern names; /* that clients asked for */
	uint32_t conns_count;
	uint64_t names_look_ms;   /* when it looks again whether peername is attached */
	bool drain_asked;         /* atomic */
	bool closing_asked;       /* atomic: see worker_closing() */
	bool servers_asked;       /* atomic: see worker_servers() */
	bool queue_asked;         /* atomic: by conn_queue.c of another worker */
	bool idle_asked;          /* atomic: by worker_ask_idle() of another worker */
	unsigned asked, answered; /* atomic: by the main thread and by the worker */
	bool draining;

	pthread_t thread;
	bool started;
	bool ended;  /* atomic: the thread is about to return */
	int wake_fd; /* eventfd of the main thread: worker_drain(), worker_post() */
	struct watch wake;
	struct task obey; /* does it, at the end of the turn */
	struct timer drain_timer;
};

struct conn {
	struct watch client_watch;
	struct timer timer;
	struct task again; /* its share of a turn was used up */
	LIST_ENTRY(conn) link;
	struct worker *worker;
	struct service *service; /* a reference: the configuration that applies to it */
	struct source *source; /* its address, if connections of an address are counted; or NULL */
	struct source *refused_source; /* the same if it was refused for that, and is told so */
	struct tls_conn *tls;          /* during HANDSHAKE */
	struct flow flow;              /* from the end of the handshake on */
	struct access_flow *access;    /* NULL: its requests are not logged */
	const char *name; /* that its ClientHello asked for, of worker.names; NULL: none */
	TAILQ_ENTRY(conn) queue_link;
	union {
		uint64_t tried; /* in CONNECT: bit i: server i has failed it */
		struct conn_head
			*head; /* in IDLE, owned: of a request that comes in parts; or NULL */
	};
	uint64_t connect_ms;        /* when CONNECT began */
	struct conn_prefix *prefix; /* owned: see conn_header.h; NULL once the header is made */
	struct conn_header *header; /* owned: what each leg begins with; NULL: nothing */
	uint64_t active_ms;         /* last time bytes moved; HANDSHAKE: when it began */
	uint64_t head_ms;           /* a head has been incomplete since; 0: none is */
	uint64_t body_due_ms;       /* a body is too slow from then on; 0: none is awaited */
	uint64_t answer_ms;   /* waits for the application's answer only, since; 0: it does not */
	uint64_t take_due_ms; /* the client must have taken enough by then; 0: it keeps up */
	union {
		uint64_t handshake_began_us; /* during HANDSHAKE */
		uint64_t take_acked; /* bytes that it had acknowledged when take_due_ms was set */
	};
	uint64_t down_bytes;          /* that the application has sent for it */
	uint64_t idle_acked;          /* the same when idle-timeout was last over */
	uint32_t requests, responses; /* on legs that it does not have any more */
	uint32_t head_index;          /* which head that is */
	uint32_t body_index;          /* the request that body_due_ms and body_begun belong to */
	uint32_t body_rest;     /* what body_due_ms is short of, as a fraction of body-rate-min */
	union addr_inet client; /* who the client is: from the prefix, or the socket's peer */
	int client_fd;
	uint16_t route; /* that its ClientHello chose at the listener, from 1; 0: none */
	uint16_t prefix_bytes;
	uint16_t port; /* that the client connected to, host order: from the prefix or the socket */
	uint8_t state; /* enum conn_state; only conn.c writes it */
	uint8_t tries; /* in CONNECT: servers that were tried at once */
	uint8_t avoid; /* 1 and the index of the server that has lost the request; 0: none has */
	uint8_t queue; /* enum conn_queue_place; only conn_queue.c writes it */
	uint8_t tls_version, tls_suite; /* enums of ktls.h, with TLS, after the handshake */
	bool handshaking;               /* counted as such */
	bool trusted;                   /* the socket's peer may send a prefix */
	bool early;                     /* the application was asked during HANDSHAKE */
	bool nobody;                    /* the prefix says that nobody knows the client */
	bool body_begun;   /* the client has no reason to hold the body back any more */
	bool counted;      /* the reason why it ends */
	bool client_error; /* the client leg is dead; its queue may still be worth reading */
};

/* An idle client costs this, and what its record layer keeps. So little is easily lost again. */
_Static_assert(sizeof(struct conn) <= 488, "struct conn has grown: malloc(3) takes 16 bytes more");

#define CONN_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/* While draining, a flow is looked at this often; one without a request yet gets as long. */
#define CONN_DRAIN_LOOK_MS 1000

/* A client whose record layer may hide something is read once more after this long a silence. */
#define CONN_QUIET_LOOK_MS 200

static inline union addr conn_client(const struct conn *c)
{
	return addr_from_inet(&c->client);
}

static inline const struct conf *conn_conf(const struct conn *c)
{
	return c->service->generation->conf;
}

/* NULL: it has what the listener has itself. Until the ClientHello has come, there is none. */
static inline const struct conf_route *conn_route(const struct conn *c)
{
	return c->route ? &c->service->conf->routes[c->route - 1] : NULL;
}

static inline struct servers *conn_servers(const struct conn *c)
{
	const struct conf_route *r = conn_route(c);

	return &c->service->generation->apps[r ? r->app : c->service->conf->app];
}

/* The server of its leg, which has one. */
static inline const struct conf_server *conn_server(const struct conn *c)
{
	return &conn_servers(c)->conf->servers.set[c->flow.leg->index];
}

/* Requests whose heads were complete. */
static inline uint32_t conn_requests(const struct conn *c)
{
	return c->requests + (flow_is_joined(&c->flow) ? flow_requests(&c->flow) : 0);
}

/* No word of HTTP may be read or said. */
static inline bool conn_is_tcp(const struct conn *c)
{
	const struct conf_route *r = conn_route(c);

	return (r ? r->mode : c->service->conf->mode) == MODE_TCP;
}
