/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: those at the other ends of kedge's sockets: clients, and the application's end of
 * each leg. What one of them will do is decided when it is made, as far as it can be.
 */
#pragma once

#include "script.h"
#include "world.h"

/* Responses to a client that are remembered. */
#define ITEMS_MAX 16600

struct tls_client;

/* How one ends its connection. */
enum end_how {
	END_SHUT,  /* FIN, and reads on */
	END_CLOSE, /* closes; that is a RST if it has not read everything */
	END_RESET,
	END_STAY, /* never: it falls silent */
};

/* How an application gives up a leg that is idle, or was a moment ago. */
enum hang_up {
	HANGS_NEVER,
	HANGS_IDLE,    /* after some time without a request */
	HANGS_CROSSED, /* when a request is on its way: a FIN, and a RST for the bytes */
	HANGS_UNREAD,  /* when the request has arrived, and before it reads it */
	HANGS_LINGERS, /* when it has read some of it: a FIN and a RST, in one moment */
	HANGS_HALF,    /* when it has read a part of it */
	HANGS_READ,    /* when it has read all of it */
	HANGS_SAYS,    /* not at once: it says something unasked on one that is in the pool */
	HANGS,
};

/* One response to a client. */
struct item {
	size_t begin, end;  /* in its stream; end SIZE_MAX: it has none, or none is known */
	bool final, closes; /* closes: it says that the connection ends */
	bool to_end;        /* its body ends with the connection */
	bool tunnel;        /* bytes without a form follow */
	bool head;          /* it answers a HEAD */
	bool doubtful;      /* nothing is wrong with it, but kedge gives the leg up behind it */
	bool hasty;         /* the application did not have all of its request */
	bool premature;     /* kedge had it all, and had not sent all of its request */
	bool crossed;       /* kedge read it, and had something else to send */
	bool odd;           /* nobody can know what becomes of it and all behind it */
	bool surplus; /* one more than was asked for; if it passes, nothing is known any more */
	bool judged, banned, early; /* by the oracle, when kedge reads its first byte */
};

/*
 * The application's end of a leg, as long as it is one client's: when kedge lends the leg to
 * another client, this one keeps what went over it, and another one goes on (oracle_pool.c). The
 * stream of a client is what it is to get of all its legs, one behind the other. A leg has its
 * place in the stream, and among the requests, once a byte has been sent on it.
 */
struct served {
	struct sock *s;
	struct client *client;
	struct served
		*before;      /* the client's last one that was used; NULL: none, or not used yet */
	bool used;            /* a byte was sent on it */
	unsigned first;       /* its first request is the script's with this index */
	size_t want_begin;    /* its first byte is that one of script.want */
	size_t begin, cut;    /* its part of the stream; cut SIZE_MAX: not over yet */
	size_t given;         /* bytes that kedge has sent on it; not all may have arrived */
	size_t taken_between; /* of the client, when the last byte was sent between requests */
	uint64_t made_ms, moved_ms; /* when bytes last went over it */
	bool repeats;               /* it got what another one had lost */
	bool again;                 /* kedge sends what was under way on it again */
	bool lent;                  /* it has served others */
	uint64_t idle_ms;           /* lent: and since then nobody */
	bool pooled, was_pooled;    /* any client may have it next; it has been so */
	uint64_t pooled_ms;         /* since when */
	unsigned stale_turns;       /* for so many, kedge could know that it is over */
	uint64_t generation;        /* of its client's configuration, when it was given back */
	uint64_t sent_us;           /* the last byte was sent */
	uint64_t served_us;         /* the last response was read; 0: none was */
	bool plain;                 /* it does what it should */
	bool over;                  /* it has closed, or does nothing more */
	int connect_err;
	uint64_t wake_ms;
	unsigned answered;     /* the next request to answer */
	unsigned continued;    /* requests that got a 100 */
	unsigned leaves_after; /* closes behind so many responses */
	enum end_how leaves;
	bool slow, never_reads;
	bool hasty;              /* it answers a request that is not whole */
	bool breaks;             /* it resets within an endless response: see app.c */
	bool drags;              /* it sends parts of a response, with pauses */
	unsigned odd_at;         /* the response to this request is odd */
	struct http1_bytes todo; /* made, and not sent yet */
	size_t todo_at;
	bool shut_behind;          /* it closes when all of that is sent */
	struct http1_bytes header; /* the PROXY header that it got, or a part of it */
	bool header_done;          /* all of it */
	enum hang_up hangs_up;
	uint64_t hang_up_ms; /* then it does; 0: not known yet */
};

struct client {
	unsigned id;
	struct sock *s;    /* NULL: it has not connected */
	unsigned listener; /* index in the configuration */
	bool tls, tcp, reads_prefix;
	bool plain; /* it does what it should, and as fast as it can */
	struct tls_client *t;
	struct script script;
	union addr from;

	uint64_t wake_ms;         /* it sleeps until then */
	uint64_t alarm_ms;        /* it waits, at most until then; 0: for ever */
	size_t prefix_said, said; /* bytes given to the network, or to its TLS */
	uint64_t paused_ms;       /* since then it waits; 0: it does not */
	unsigned pause;
	enum end_how ends; /* when all is said */
	size_t leaves_at;  /* and what it does at this byte of what it says; SIZE_MAX: nothing */
	uint64_t quiet_since_ms;
	enum end_how leaves;
	bool over; /* it has ended its connection, or does nothing more */
	bool shut; /* its direction has ended */
	bool drips, slow, never_reads;

	struct served *leg;  /* the last one */
	struct served *used; /* the last one that was used */
	struct item *item;   /* owned */
	unsigned items;
	bool elsewhere;   /* what a fresh leg has lost may be sent again */
	unsigned twice;   /* 1 and the request that was sent again last; 0: none was */
	bool reuse;       /* by its configuration: a leg may follow another */
	bool shares;      /* and others may have it */
	bool unknown;     /* kedge went on behind an odd response: nobody knows with what */
	bool told;        /* kedge has told it that the connection ends */
	bool own;         /* an answer of kedge's own begins at `matched` */
	bool notified;    /* a close_notify came behind what it got */
	unsigned records; /* it was sent so many */
	uint64_t app_idle_ms;
	enum conf_send_proxy send_proxy; /* what each of its legs begins with */
	unsigned proxy_tlvs;
	union addr named; /* in that header; AF_UNSPEC: nobody */
	uint16_t named_port;
	uint64_t moved_ms, state_ms; /* bytes went over its own socket; kedge changed its state */
	struct http1_bytes got;      /* what kedge has sent to it, in clear */
	size_t heard;                /* of it, what it has read */
	size_t matched;              /* of it, what is of its stream */
	size_t records_at;           /* of what it was sent, so much is whole records */

	/* The connection in kedge. */
	size_t says_read;       /* what it had read of the script; SIZE_MAX: unknown */
	enum kedge_reason says; /* the reason of kedge's own answer */
	enum kedge_reason reason;
	bool counted;
	bool accepted, ended;
	bool drained;     /* it ended in the drain */
	bool dropped;     /* kedge had no memory for it */
	bool turned_away; /* over a limit, at once */
	uint8_t state;
};

#define CLIENTS_MAX 64
#define LEGS_MAX    4000

struct people {
	struct client *client[CLIENTS_MAX];
	unsigned clients;
	struct served *leg[LEGS_MAX];
	unsigned legs;
};

extern struct people people;

enum client_mood {
	CLIENT_ANY,
	CLIENT_PLAIN,
	CLIENT_KEPT,  /* small requests, one after the other */
	CLIENT_FAULT, /* its one fault is in a request */
};

/* A client of this listener. It connects at `ms`. */
struct client *client_new(unsigned listener, const struct conf_listener *l, enum client_mood mood,
			  uint64_t ms);
/* Does one thing, if there is one to do now. */
bool client_act(struct client *c);
/* Final responses that it has read. */
unsigned client_heard(const struct client *c);
/* How many bytes of its script kedge can have read; with TLS it may be fewer. */
size_t client_read(const struct client *c);
/* False: it may be fewer. */
bool client_read_is_exact(const struct client *c);

/* Of its stream, what there is, and what kedge has read. */
static inline size_t stream_len(const struct client *c)
{
	return c->used ? c->used->begin + c->used->s->in.len : 0;
}

static inline size_t stream_read(const struct client *c)
{
	return c->used ? c->used->begin + c->used->s->in_taken : 0;
}

/* The application's end of a socket that connects for this client. */
struct served *served_new(struct sock *s, struct client *c);
/* And of one that was `before`, and that this client has now. */
struct served *served_lent(struct sock *s, struct client *c, struct served *before);
/* The last item on it; NULL: there is none. */
static inline const struct item *served_last(const struct served *l)
{
	const struct client *c = l->client;

	return l == c->used && c->items ? &c->item[c->items - 1] : NULL;
}
bool served_act(struct served *l);
/* No client has the leg, and kedge is about to look for one: it may give it up just now. */
void served_crosses(struct served *l);
/* Adds an interim response. */
void served_continue(struct served *l);
/* Makes the response to its next request. */
void served_answer(struct served *l);

/* Frees all. */
void people_end(void);

/* --- TLS -------------------------------------------------------------------------------------- */

struct tls_client *tls_client_new(bool plain);
void tls_client_free(struct tls_client *t);
/* Is the handshake over? */
bool tls_client_ready(const struct tls_client *t);
/* Takes bytes from the wire; decrypted ones go to c->got. False: nothing was there. */
bool tls_client_hear(struct client *c, size_t n);
/* Seals p[0..n), which then waits to be sent. */
void tls_client_say(struct client *c, const void *p, size_t n);
/* Does anything wait to be sent? */
bool tls_client_waits(const struct tls_client *t);

/* What it sends first is no TLS; it may be a prefix. */
bool tls_client_garbage(const struct tls_client *t);
/* A byte of what it sent was wrong. */
bool tls_client_damaged(const struct tls_client *t);
/* Sends some of what waits. False: nothing does, or there is no room. */
bool tls_client_push(struct client *c);
/* A close_notify. */
void tls_client_bye(struct client *c);
