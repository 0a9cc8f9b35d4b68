/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads, attaches and pins bpf/peername.bpf.c. See peername.h. */
#include "bpf/peername.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "bpf/kbpf_map.h"
#include "bpf/kbpf_pins.h"
#include "base/cleanup.h"
#include "peername.skel.h"

/* sockops, and getpeername(2) for two families; on up to two cgroups. */
#define PROGRAMS_MAX 3
#define LINKS_MAX    (2 * PROGRAMS_MAX)

/* Of kdg_coming, for connections whose client has left. */
#define SPARE_ROWS 1024

struct peername {
	struct peername_bpf *skel;
	struct bpf_link *links[LINKS_MAX];
	unsigned links_count;
	struct kedge_peer_stats *stats; /* mmapped */
	size_t stats_size;
	struct kbpf_pins pins;
};

/*
 * --- cgroups ------------------------------------------------------------------------------------
 */

/* Is the directory `inner` the same as `outer`, or inside it? */
static bool covers(int outer, int inner)
{
	char link[64], a[PATH_MAX] = "", b[PATH_MAX] = "";
	size_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", outer);
	if (readlink(link, a, sizeof(a) - 1) < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", inner);
	if (readlink(link, b, sizeof(b) - 1) < 0)
		return false;
	n = strlen(a);
	return !strncmp(a, b, n) && (b[n] == '\0' || b[n] == '/');
}

static int attach_to(struct peername *p, int cgroup, const char *name, char why[KBPF_WHY_SIZE])
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, p->skel->obj) {
		struct bpf_link *link = bpf_program__attach_cgroup(prog, cgroup);

		if (!link)
			return kbpf_why(why, -errno, "cgroup %s: cannot attach %s: %s", name,
					bpf_program__name(prog), strerror(errno));
		assert(p->links_count < LINKS_MAX);
		p->links[p->links_count++] = link;
	}
	return 0;
}

/* Attaches once per cgroup: twice, a program would run and count twice for one socket. */
static int attach(struct peername *p, const struct peername_opts *opts, char why[KBPF_WHY_SIZE])
{
	_cleanup_(close_fdp)
	int own = -1;
	_cleanup_(close_fdp)
	int app = -1;
	int err = 0;

	if (opts->everywhere) {
		own = kbpf_cgroup_open_root(why);
		return own < 0 ? own : attach_to(p, own, "root of the hierarchy", why);
	}
	own = kbpf_cgroup_open(opts->cgroup, why);
	if (own < 0)
		return own;
	if (opts->app_cgroup) {
		app = kbpf_cgroup_open(opts->app_cgroup, why);
		if (app < 0)
			return app;
	}
	if (app < 0 || !covers(app, own))
		err = attach_to(p, own, opts->cgroup ? opts->cgroup : "of kedge", why);
	if (!err && app >= 0 && !covers(own, app))
		err = attach_to(p, app, opts->app_cgroup, why);
	/* Each covers the other: they are the same. */
	if (!err && !p->links_count)
		err = attach_to(p, own, opts->app_cgroup, why);
	return err;
}

void peername_unpin(struct peername *p)
{
	if (p)
		kbpf_pins_close(&p->pins);
}

int peername_give(struct peername *p, uid_t uid, gid_t gid)
{
	return kbpf_pins_give(&p->pins, uid, gid);
}

/*
 * --- open and close -----------------------------------------------------------------------------
 */

static int open_in(struct peername *p, const struct peername_opts *opts, char why[KBPF_WHY_SIZE])
{
	int err;

	p->skel = peername_bpf__open();
	if (!p->skel)
		return kbpf_why(why, -errno, "BPF object: cannot open: %s", strerror(errno));
	err = bpf_map__set_max_entries(p->skel->maps.kdg_coming, opts->flows_max + SPARE_ROWS);
	if (err)
		return kbpf_why(why, err, "BPF maps: cannot set their sizes");
	err = peername_bpf__load(p->skel);
	if (err)
		return kbpf_load_why(err, NULL, why);
	p->stats = kbpf_map_values(p->skel->maps.kdg_peer_stats, &p->stats_size);
	if (!p->stats)
		return kbpf_why(why, -errno, "BPF maps: cannot mmap: %s", strerror(errno));
	err = attach(p, opts, why);
	/* Only the maps: a pinned link would stay when we end. */
	if (!err && opts->pin)
		err = kbpf_pins_open(&p->pins, p->skel->obj, opts->pin, PEERNAME_PIN, why);
	return err;
}

int peername_open(struct peername **out, const struct peername_opts *opts, char why[256])
{
	struct peername *p = calloc(1, sizeof(*p));
	int err;

	why[0] = '\0';
	if (!p)
		return kbpf_why(why, -ENOMEM, "out of memory");
	p->pins = (struct kbpf_pins)KBPF_PINS_NONE;
	kbpf_log();
	err = open_in(p, opts, why);
	if (err) {
		peername_close(p);
		return err;
	}
	*out = p;
	return 0;
}

void peername_close(struct peername *p)
{
	if (!p)
		return;
	peername_unpin(p);
	for (unsigned i = 0; i < p->links_count; i++)
		bpf_link__destroy(p->links[i]);
	if (p->stats)
		munmap(p->stats, p->stats_size);
	peername_bpf__destroy(p->skel);
	free(p);
}

/*
 * --- at work ------------------------------------------------------------------------------------
 */

bool peername_may_set(struct peername *p)
{
	return kbpf_map_may_change(p->skel->maps.kdg_client, &(int){-1}); /* no descriptor */
}

int peername_set(struct peername *p, int fd, const union addr *client)
{
	const union addr nobody = {
		.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(KEDGE_NOBODY_IP4)}};
	struct kedge_client value = {0};

	if (client && addr_ip(value.ip, client))
		value.port = addr_port(client);
	else
		addr_ip(value.ip, &nobody);
	if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.kdg_client), &fd, &value, BPF_ANY))
		return -errno;
	return 0;
}

static bool is_ipv4(const struct kedge_client *client)
{
	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)client->ip);
}

int peername_outcome(struct peername *p, int fd)
{
	struct kedge_client now;

	if (bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.kdg_client), &fd, &now))
		return -errno;
	switch ((enum kedge_peer_state)now.state) {
	case KEDGE_PEER_HEARD6:
		return 0;
	case KEDGE_PEER_HEARD4:
		return is_ipv4(&now) ? 0 : -EAFNOSUPPORT;
	case KEDGE_PEER_NO_ROOM:
		return -ENOSPC;
	case KEDGE_PEER_SET:
	case KEDGE_PEER_UNHEARD:
		break;
	}
	return -ENXIO;
}

bool peername_attached(const struct peername *p)
{
	for (unsigned i = 0; i < p->links_count; i++) {
		struct bpf_link_info info = {0};
		__u32 len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_link__fd(p->links[i]), &info, &len) ||
		    !info.cgroup.cgroup_id)
			return false;
	}
	return true;
}

void peername_clear_stats(struct peername *p)
{
	memset(p->stats, 0, sizeof(*p->stats));
}

const struct kedge_peer_stats *peername_stats(const struct peername *p)
{
	return p->stats;
}
