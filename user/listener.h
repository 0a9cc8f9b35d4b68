/*
 * user only: bind, listen, accept. One listening socket a listener and worker, joined by
 * SO_REUSEPORT.
 */
#pragma once

#include <stddef.h>

#include "config.h"
#include "loop.h"

struct worker;
struct metrics_listener;
struct tls_ctx;

struct listener {
	struct watch watch;
	struct timer resume; /* accepting was paused: out of descriptors */
	struct worker *worker;
	const struct conf_listener *conf;
	struct tls_ctx *tls;              /* NULL without TLS */
	struct metrics_listener *metrics; /* this worker's */
	char name[ADDR_TEXT_MAX];         /* where it is bound */
	uint16_t port;                    /* bound, host order */
	int fd;
};

/*
 * Opens `count` sockets that share one address (port 0: the port the kernel chose for the first)
 * and writes the bound address to name[]. An address that another process listens on is an error,
 * although SO_REUSEPORT would let us join it. 0 or -errno after a logged line; then no socket is
 * left open.
 */
int listener_open(int *fds, size_t count, const struct conf_listener *conf,
		  char name[ADDR_TEXT_MAX]);

/* Begins and ends accepting. */
int listener_start(struct listener *l, struct loop *loop);
void listener_stop(struct listener *l, struct loop *loop);
