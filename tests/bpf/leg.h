/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests: an app leg with both ends in this process. kedge's end has an editor, and the test reads
 * the application's end. An error fails the running cmocka test.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/kbpf.h"
#include "http/edit_bpf.h"
#include "http/edit_user.h"

struct bytes {
	uint8_t *p;
	size_t len, room;
};

void bytes_add(struct bytes *b, const void *p, size_t n);
void bytes_free(struct bytes *b);

struct leg {
	int kedge, app; /* app is non-blocking */
	struct edit *edit;
	struct kbpf *bpf;           /* NULL: edited in user space */
	struct kbpf_flow flow_copy; /* what was handed to the editor */
	struct kedge_stats *stats;
	struct bytes got; /* by the application */
};

/* How the app leg is made. */
struct leg_opts {
	struct kbpf *bpf; /* NULL: edit_user */
	const struct http1_conf *conf;
	bool bypass;
	int listen_family; /* AF_INET, AF_INET6; 0: AF_INET */
	bool mapped;       /* a dual-stack IPv6 listener, reached by IPv4 */
	unsigned worker;
};

void leg_open(struct leg *l, const struct leg_opts *o);
void leg_close(struct leg *l);

/* Reads all available bytes into got. False at the end of the stream. */
bool leg_drain(struct leg *l);

/* Shuts kedge's side down and reads to the end, for ten seconds at most. */
void leg_finish(struct leg *l);

/* The result of feeding a stream. */
struct outcome {
	int error;   /* 0, or what edit_send() gave */
	size_t took; /* bytes of the input */
	unsigned upgrades;
};

/*
 * Feeds in[0..len) in pieces that end at cuts[0..n) (ascending) and at len. The application reads
 * meanwhile. Upgrades are answered at once: the i-th with a tunnel if bit i of `tunnels` is set.
 */
struct outcome leg_feed(struct leg *l, const void *in, size_t len, const size_t *cuts, size_t n,
			uint64_t tunnels);

/* A cgroup v2 of this test program, made and entered; removed by cgroup_leave(). */
const char *cgroup_enter(const char *name);
void cgroup_leave(void);

/* The descriptor of this program's BPF map of that name. */
int map_find(const char *name);

/* Skips (exit status 77) without root; allows for thousands of descriptors. */
void need_root(void);
