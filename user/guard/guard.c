/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of the guard. See guard.h. */
#include "guard/guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "bpf/kbpf_map.h"
#include "bpf/kbpf_pins.h"
#include "base/cleanup.h"
#include "guard.skel.h"
#include "guard/guard_attach.h"
#include "guard/guard_counts.h"
#include "guard/guard_keeper.h"
#include "guard/guard_lock.h"
#include "guard/guard_port.h"
#include "guard/guard_sides.h"
#include "guard/guard_warn.h"
#include "base/log.h"
#include "base/clock.h"

#define RENEW_MS 1000
/* Long enough for a main thread that is busy with a reload. */
#define LEASE_NS 15000000000ULL
#define FOREVER  UINT64_MAX

#define GUARD_PIN "-guard"

struct guard {
	struct guard_bpf *skel;
	struct xdp_program *prog;
	struct kedge_guard_config *config; /* mmapped */
	size_t config_size;
	struct guard_sides sides;
	struct guard_interface *interfaces;
	size_t interfaces_wanted, interfaces_count; /* how many; how many have it */
	struct ifaddrs *addresses;                  /* of the machine, at startup */
	struct guard_keeper keeper;
	struct kbpf_pins pins;
	int lock;
	bool keep, armed, keeper_missed;
	unsigned cores;
	uint64_t next_ms; /* on the clock of monotonic_ms() */
};

static void set_lease(struct guard *g, uint64_t ns)
{
	__atomic_store_n(&g->config->lease_ns, ns, __ATOMIC_RELEASE);
}

/* --- rules ------------------------------------------------------------------------------------ */

static void warn_cookies(const struct guard *g, const struct conf *conf)
{
	guard_warn_cookies(&conf->guard, g->skel->rodata->guard_can_cookie);
}

int guard_prepare(struct guard *g, const struct conf *conf, const uint16_t *ports,
		  char why[KBPF_WHY_SIZE])
{
	return guard_sides_prepare(&g->sides, conf, ports, why);
}

void guard_cancel(struct guard *g)
{
	guard_sides_cancel(&g->sides);
}

void guard_commit(struct guard *g, const struct conf *conf)
{
	guard_sides_commit(&g->sides, &conf->guard);
	if (g->armed)
		warn_cookies(g, conf);
}

/* --- open ------------------------------------------------------------------------------------- */

static int share(struct guard *g, char why[KBPF_WHY_SIZE])
{
	g->config = kbpf_map_values(g->skel->maps.kdg_guard_config, &g->config_size);
	if (!g->config)
		return kbpf_why(why, -errno, "its maps: cannot mmap: %s", strerror(errno));
	g->config->version = KEDGE_GUARD_ABI_VERSION;
	g->sides.config = g->config;
	g->sides.listener = bpf_map__fd(g->skel->maps.kdg_guard_listener);
	g->sides.allow = bpf_map__fd(g->skel->maps.kdg_guard_allow);
	return 0;
}

static int find_interfaces(struct guard *g, const struct conf *conf, char why[KBPF_WHY_SIZE])
{
	if (getifaddrs(&g->addresses) < 0)
		return kbpf_why(why, -errno, "the machine's addresses: %s", strerror(errno));
	guard_port_leave_out(g->addresses);
	return guard_interfaces_find(&g->interfaces, &g->interfaces_wanted, conf, g->addresses, why,
				     KBPF_WHY_SIZE);
}

/* Without libxdp's dispatcher there is room for one guard only: a dead one has to go first. */
static int attach_to(struct guard *g, struct guard_interface *i, enum guard_mode mode,
		     char why[KBPF_WHY_SIZE])
{
	int err = guard_attach(g->prog, i, mode, why);

	if (err != -EBUSY || guard_remove_dead(0, i) <= 0)
		return err;
	log_info("guard: interface %s: one that a dead kedge left was in the way: removed",
		 i->name);
	return guard_attach(g->prog, i, mode, why);
}

static int attach(struct guard *g, const struct conf *conf, char why[KBPF_WHY_SIZE])
{
	int err = 0;

	for (size_t i = 0; !err && i < g->interfaces_wanted; i++) {
		err = attach_to(g, &g->interfaces[i], conf->guard.mode, why);
		g->interfaces_count += !err;
	}
	if (err)
		return err;
	g->lock = guard_lock(guard_attach_id(g->prog));
	return g->lock < 0 ? kbpf_why(why, g->lock, "its lock: %s", strerror(-g->lock)) : 0;
}

static int load(struct guard *g, const struct conf *conf, char why[KBPF_WHY_SIZE])
{
	_cleanup_(close_fdp)
	int starting = guard_lock_start(why);
	int err;

	if (starting < 0)
		return starting;
	g->skel = guard_bpf__open();
	if (!g->skel)
		return kbpf_why(why, -errno, "BPF object: cannot open: %s", strerror(errno));
	g->skel->rodata->guard_can_cookie =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_tcp_gen_syncookie, NULL) == 1;
	err = bpf_map__set_map_flags(g->skel->maps.kdg_guard_config, BPF_F_MMAPABLE);
	if (err)
		return kbpf_why(why, err, "BPF object: %s", strerror(-err));
	g->prog = guard_attach_open(g->skel->obj, conf->guard.priority, why);
	if (!g->prog)
		return -EINVAL;
	err = attach(g, conf, why);
	if (err)
		return err;
	err = guard_keeper_start(&g->keeper, guard_attach_id(g->prog), g->interfaces,
				 g->interfaces_count, g->lock);
	return err ? kbpf_why(why, err, "no process for its keeper: %s", strerror(-err)) : 0;
}

static int open_in(struct guard *g, const struct conf *conf, char why[KBPF_WHY_SIZE])
{
	int err = find_interfaces(g, conf, why);

	if (!err && !g->interfaces_wanted)
		err = kbpf_why(why, -ENODEV,
			       "no interface carries a listener: name them in guard-interfaces");
	err = err ? err : load(g, conf, why);
	err = err ? err : share(g, why);
	if (!err && conf->pin)
		err = kbpf_pins_open(&g->pins, g->skel->obj, conf->pin, GUARD_PIN, why);
	err = err ? err : guard_prepare(g, conf, NULL, why);
	if (!err)
		guard_commit(g, conf);
	return err;
}

int guard_open(struct guard **out, const struct conf *conf, char why[KBPF_WHY_SIZE])
{
	struct guard *g = calloc(1, sizeof(*g));
	int cores = libbpf_num_possible_cpus(), err;

	why[0] = '\0';
	if (!g || cores < 1) {
		free(g);
		return kbpf_why(why, -ENOMEM, "out of memory");
	}
	g->pins = (struct kbpf_pins)KBPF_PINS_NONE;
	g->keeper = (struct guard_keeper)GUARD_KEEPER_NONE;
	g->lock = -1;
	g->keep = conf->guard.keep;
	g->cores = (unsigned)cores;
	kbpf_log();
	guard_attach_log();
	err = open_in(g, conf, why);
	if (err) {
		guard_close(g);
		return err;
	}
	*out = g;
	return 0;
}

/* --- at work ---------------------------------------------------------------------------------- */

void guard_arm(struct guard *g, const struct conf *conf)
{
	char modes[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < g->interfaces_count; i++) {
		const struct guard_interface *at = &g->interfaces[i];

		if (len < sizeof(modes))
			len += (size_t)snprintf(modes + len, sizeof(modes) - len, "%s%s (%s%s)",
						i ? ", " : "", at->name,
						at->mode == GUARD_NATIVE ? "native" : "generic",
						at->chained ? "" : ", without a dispatcher");
	}
	g->armed = true;
	guard_run(g);
	for (size_t i = 0; i < g->interfaces_count; i++)
		if (guard_remove_dead(guard_attach_id(g->prog), &g->interfaces[i]) > 0)
			log_info("guard: interface %s: one that a dead kedge left is removed",
				 g->interfaces[i].name);
	log_info("guard: on %s", modes);
	guard_warn_ports(g->interfaces, g->interfaces_count, conf);
	warn_cookies(g, conf);
	if (g->keep)
		guard_keeper_dismiss(&g->keeper);
}

int guard_wait_ms(const struct guard *g)
{
	uint64_t now = monotonic_ms();

	if (!g || !g->armed || g->keep)
		return -1;
	return g->next_ms > now ? (int)(g->next_ms - now) : 0;
}

void guard_run(struct guard *g)
{
	if (!g || !g->armed || (!g->keep && guard_wait_ms(g)))
		return;
	set_lease(g, g->keep ? FOREVER : monotonic_ns() + LEASE_NS);
	g->next_ms = monotonic_ms() + RENEW_MS;
	if (g->keep || g->keeper_missed || guard_keeper_lives(&g->keeper))
		return;
	g->keeper_missed = true;
	log_warn("guard: its keeper was killed: it stays on the interfaces when kedge ends, and "
		 "lets everything "
		 "pass then: restart kedge");
}

void guard_warn_uncovered(const struct guard *g, const struct conf *conf)
{
	guard_warn_missing(g->interfaces, g->interfaces_count, conf, g->addresses);
}

int guard_give(struct guard *g, uid_t uid, gid_t gid)
{
	return kbpf_pins_give(&g->pins, uid, gid);
}

bool guard_may_update(struct guard *g)
{
	const struct kedge_guard_address nowhere = {.side = UINT32_MAX};

	return kbpf_map_may_change(g->skel->maps.kdg_guard_listener, &nowhere);
}

/* --- what it sees ----------------------------------------------------------------------------- */

void guard_stats(const struct guard *g, struct kedge_guard_stats *sum)
{
	*sum = (struct kedge_guard_stats){0};
	if (g)
		guard_counts_sum(bpf_map__fd(g->skel->maps.kdg_guard_stats), g->cores, sum);
}

size_t guard_refused(const struct guard *g, struct guard_refused *rows, size_t max)
{
	if (!g)
		return 0;
	return guard_counts_refused(bpf_map__fd(g->skel->maps.kdg_guard_refused), monotonic_ns(),
				    rows, max);
}

const struct guard_interface *guard_interfaces(const struct guard *g, size_t *count)
{
	*count = g->interfaces_count;
	return g->interfaces;
}

/* --- close ------------------------------------------------------------------------------------ */

/* Through the keeper. If it was never started, we still have our privileges. */
static void detach(struct guard *g)
{
	int err = 0;

	if (g->config)
		set_lease(g, 0);
	if (g->keeper.pid)
		err = guard_keeper_end(&g->keeper);
	else
		for (size_t i = 0; i < g->interfaces_count && !err; i++)
			err = guard_detach(guard_attach_id(g->prog), &g->interfaces[i]);
	if (err && err != -EIO) /* -EIO: the keeper has said why */
		log_emit(LOG_LEVEL_WARN, -err,
			 "guard: not detached; everything passes, and the next kedge takes it off");
}

void guard_leave(struct guard *g)
{
	if (!g)
		return;
	if (!g->keep || !g->armed)
		detach(g);
	kbpf_pins_close(&g->pins);
}

void guard_close(struct guard *g)
{
	if (!g)
		return;
	guard_leave(g);
	if (g->config)
		munmap(g->config, g->config_size);
	guard_sides_clear(&g->sides);
	guard_unlock(&g->lock, g->prog ? guard_attach_id(g->prog) : 0);
	freeifaddrs(g->addresses);
	free(g->interfaces);
	guard_attach_close(g->prog);
	guard_bpf__destroy(g->skel);
	free(g);
}
