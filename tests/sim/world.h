/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: the world around the worker: sockets, an epoll, a clock, a log of events.
 *
 * A socket here has kedge's end (a descriptor) and the peer's end, which client.c and app.c use
 * through the far_ functions. In between is a network that carries bytes when network_step() is
 * called. The rules are those of Linux's TCP: what poll(2) says (tcp_poll()), which changes wake an
 * epoll, when a full socket has room again, what a RST does to bytes on their way and to bytes that
 * have arrived, which error comes first. All bytes of a socket are kept until the end of the run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/addr.h"
#include "choices.h"
#include "tests/lib/http1_corpus.h"

#define WORLD_FD      1000 /* descriptors from here on are the world's */
#define WORLD_FDS     512
#define WORLD_SOCKETS 5000
#define WORLD_BACKLOG 256

enum sock_kind {
	SOCK_FREE,
	SOCK_STREAM_NEW,
	SOCK_LISTENER,
	SOCK_CLIENT,
	SOCK_APP,
	SOCK_DATAGRAM,
	SOCK_EPOLL,
	SOCK_EVENT
};

/* Of a connection. */
enum sock_state { TCP_UNCONNECTED, TCP_CONNECTING, TCP_OPEN, TCP_DEAD };

struct sock {
	enum sock_kind kind;
	enum sock_state state;
	unsigned id; /* for the log; never used again */
	int fd;      /* kedge's; -1: closed, or not accepted yet */
	union addr near, far;
	void *owner; /* the client or the leg at the other end */

	/* From the peer to kedge. */
	struct http1_bytes in;
	size_t in_taken; /* by kedge */
	size_t in_room;
	bool in_fin;
	size_t urgent_at; /* a byte of urgent data was sent here; SIZE_MAX: none */

	/* From kedge to the peer. */
	struct http1_bytes out;
	size_t out_arrived;  /* in the peer's system */
	size_t out_acked;    /* and kedge has been told so: it may come later */
	size_t out_taken;    /* read by the peer */
	size_t taken_at_fin; /* before it ended its direction; SIZE_MAX: it has not */
	size_t out_room, far_room;
	bool given_up;    /* closed while it was connecting */
	bool full;        /* SOCK_NOSPACE: a wakeup is due when there is room */
	bool shut;        /* our FIN is behind out */
	bool fin_arrived; /* and has come to the peer */

	int err;         /* sk_err */
	bool peer_gone;  /* it has closed: whatever arrives there is answered by a RST */
	bool peer_reset; /* a RST of ours has arrived there */
	bool closed;     /* by kedge */
	bool reset_on_close, nodelay;
	bool was_open;
	bool self;     /* connected to itself */
	bool end_read; /* kedge has read the FIN */

	/* epoll */
	bool watched, ready;
	uint32_t events;
	void *data;

	/* SOCK_LISTENER */
	struct sock *queue[WORLD_BACKLOG];
	unsigned queued;
	/* SOCK_EVENT */
	uint64_t count;
};

struct world {
	struct choices *choices;
	uint64_t now_us;
	struct sock *socks[WORLD_SOCKETS];
	unsigned count;
	struct sock *by_fd[WORLD_FDS];
	struct sock *ready[WORLD_SOCKETS]; /* of the epoll, in its order */
	unsigned readies;
	unsigned fds; /* open */
	uint64_t hash, events;
	uint64_t moved;             /* calls of the worker that took or gave something */
	unsigned descriptor_faults; /* so many of the next accept4() or socket() fail */
	bool memory_faults;         /* there was one */
	unsigned memory_after;      /* kedge's allocation behind so many fails; 0: none does */
	bool kedge_runs;            /* not the world */
	uint16_t next_port;
	uint64_t next_id;
	bool looks; /* all sockets are told again of what is known */
	bool on;
};

extern struct world world;

void world_begin(struct choices *c);
/* Frees all. */
void world_end(void);

/* Everything that is decided by chance in this run. */
static inline uint32_t dice(uint32_t n)
{
	return choice(world.choices, n);
}

static inline bool dice_rare(uint32_t n)
{
	return choice_rare(world.choices, n);
}

static inline uint32_t dice_between(uint32_t least, uint32_t most)
{
	return choice_between(world.choices, least, most);
}

static inline uint64_t world_ms(void)
{
	return world.now_us / 1000;
}

/* The log: what happened to which socket (0: none), and two numbers. `what` is a literal. */
void world_log(const char *what, unsigned id, uint64_t a, uint64_t b);
/* The last events, to standard error. */
void world_log_print(void);
void world_log_verbose(bool on);
/* If each event is printed: some more about one. */
void world_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Bytes from `at` on as text, for a message; up to two are kept. */
const char *world_show(const struct http1_bytes *b, size_t at);
/* Prints why, the last events, and aborts. */
void world_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* In a function that kedge calls: until its end, the world runs. */
static inline bool world_takes_over(void)
{
	bool kedge = world.kedge_runs;

	world.kedge_runs = false;
	return kedge;
}

static inline void world_gives_back(bool *kedge)
{
	world.kedge_runs = *kedge;
}

#define WORLD_RUNS() \
	bool kedge_ran_ __attribute__((cleanup(world_gives_back), unused)) = world_takes_over()

/* --- kedge's end ------------------------------------------------------------------------------ */

struct sock *sock_new(enum sock_kind kind);
/* The lowest free descriptor, or -1: there is none. */
int sock_open(struct sock *s);
/* The socket of a descriptor of the world; NULL if it is closed. */
struct sock *sock_of(int fd);

/*
 * What went over it so far is divided from what will: the result has the former, and is closed. The
 * peer reads first what is left for it.
 */
struct sock *sock_divide(struct sock *s);

/* As tcp_poll(). */
uint32_t sock_poll(struct sock *s);
/* Something has changed: an epoll that waits for one of these events (0: all) is told. */
void sock_wake(struct sock *s, uint32_t key);
bool sock_writable(const struct sock *s);
/* Bytes of ours that the peer's system does not have. */
static inline size_t sock_pending(const struct sock *s)
{
	return s->out.len - s->out_arrived;
}

/* --- the peer's end, and the network ---------------------------------------------------------- */

/* What arrived and was not read. */
static inline size_t far_waiting(const struct sock *s)
{
	return s->out_arrived - s->out_taken;
}

/* How much of p[0..n) the network took. */
size_t far_send(struct sock *s, const void *p, size_t n);
/* Reads up to n bytes: they are at out.data + out_taken - (what it returns). */
size_t far_take(struct sock *s, size_t n);
/* Sends a byte of urgent data. */
void far_urgent(struct sock *s);
/* Ends its direction. */
void far_shut(struct sock *s);
/* Closes. With bytes that it has not read, or `reset`, kedge gets a RST. */
void far_close(struct sock *s, bool reset);
/* All that kedge sent was read, and its FIN has come. */
static inline bool far_sees_end(const struct sock *s)
{
	return s->fin_arrived && !far_waiting(s);
}

/* Something could be carried. */
bool network_has(const struct sock *s);
/* Carries up to n bytes of kedge's to the peer; behind the last one our FIN. */
void network_step(struct sock *s, size_t n);

/* A connection in kedge's queue. NULL if nobody listens there, or the queue is full. */
struct sock *listener_connect(struct sock *listener, const union addr *from);
/* The result of a connect() that is under way. err 0: connected. */
void connect_over(struct sock *s, int err);
