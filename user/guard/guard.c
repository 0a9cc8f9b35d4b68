/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads the guard and keeps it going. See guard.h. */
#include "guard/guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "bpf/kbpf_map.h"
#include "bpf/kbpf_pins.h"
#include "base/cleanup.h"
#include "guard.skel.h"
#include "guard/guard_attach.h"
#include "guard/guard_keeper.h"
#include "guard/guard_lock.h"
#include "guard/guard_port.h"
#include "guard/guard_rules.h"
#include "base/log.h"
#include "base/clock.h"

#define RENEW_MS 1000
/* A main thread that is busy with a reload must not end it. */
#define LEASE_NS 15000000000ULL
#define FOREVER  UINT64_MAX

/*
 * Two kedges that start at once would take each other's guard for a dead one: one after the other.
 */
#define START_TRIES 100
#define START_MS    100

#define GUARD_PIN "-guard"

#define SYNCOOKIES        "/proc/sys/net/ipv4/tcp_syncookies"
#define SYNCOOKIES_ALWAYS 2

struct guard {
	struct guard_bpf *skel;
	struct xdp_program *prog;
	struct kedge_guard_config *config; /* mmapped */
	size_t config_size;
	struct guard_rules rules[2]; /* as they stand in the maps, by side */
	struct guard_interface *interfaces;
	size_t interfaces_wanted, interfaces_count; /* how many; on how many of them it is */
	struct ifaddrs *addresses;                  /* of the machine, at the start */
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

/* Puts one side's rows in, or takes them out. 0 or -errno of the first that failed. */
static int put_rules(struct guard *g, struct guard_rules *rules, unsigned side, bool in)
{
	int listener = bpf_map__fd(g->skel->maps.kdg_guard_listener);
	int allow = bpf_map__fd(g->skel->maps.kdg_guard_allow), err = 0;
	const __u8 one = 1;

	for (size_t i = 0; i < rules->prefixes_count && !err; i++) {
		struct kedge_guard_prefix *p = &rules->prefixes[i];

		p->side = side;
		if (in && bpf_map_update_elem(allow, p, &one, BPF_ANY))
			err = -errno;
		else if (!in)
			bpf_map_delete_elem(allow, p); /* twice in the list: once here */
	}
	for (size_t i = 0; i < rules->rules_count && !err; i++) {
		struct guard_rule *r = &rules->rules[i];

		r->at.side = side;
		if (in && bpf_map_update_elem(listener, &r->at, &r->listener, BPF_ANY))
			err = -errno;
		else if (!in)
			bpf_map_delete_elem(listener, &r->at);
	}
	return err;
}

static unsigned other_side(const struct guard *g)
{
	return !g->config->side;
}

int guard_prepare(struct guard *g, const struct conf *conf, const uint16_t *ports,
		  char why[KBPF_WHY_SIZE])
{
	unsigned side = other_side(g);
	struct guard_rules *rules = &g->rules[side];
	int err = guard_rules_make(rules, conf, ports, why, KBPF_WHY_SIZE);

	if (err)
		return err;
	err = put_rules(g, rules, side, true);
	if (!err)
		return 0;
	guard_cancel(g);
	return kbpf_why(why, err, "its maps can not be changed: %s: restart kedge", strerror(-err));
}

void guard_cancel(struct guard *g)
{
	unsigned side = other_side(g);

	put_rules(g, &g->rules[side], side, false);
	guard_rules_clear(&g->rules[side]);
}

static uint32_t flags_of(const struct conf_guard *conf)
{
	return (conf->observe ? KEDGE_GUARD_OBSERVE : 0u) |
	       (conf->cookies ? KEDGE_GUARD_COOKIES : 0u) |
	       (conf->follow ? KEDGE_GUARD_FOLLOW : 0u);
}

/* Cookies are made without asking only by a kernel that is told to always make them. */
static void warn_cookies(const struct guard *g, const struct conf_guard *conf)
{
	_cleanup_(fclosep)
	FILE *f = conf->cookies ? fopen(SYNCOOKIES, "re") : NULL;
	int mode = -1;

	if (!conf->cookies)
		return;
	if (!g->skel->rodata->guard_can_cookie)
		log_warn("guard-over: cookie: this kernel makes none for XDP: dropping instead");
	else if (!f || fscanf(f, "%d", &mode) != 1 || mode != SYNCOOKIES_ALWAYS)
		log_warn("guard-over: cookie: dropping instead until sysctl "
			 "net.ipv4.tcp_syncookies=2 (it is %d)",
			 mode);
}

void guard_commit(struct guard *g, const struct conf *conf)
{
	const struct conf_guard *c = &conf->guard;
	struct kedge_guard_config *to = g->config;

	__atomic_store_n(&to->source_rate, c->source_rate, __ATOMIC_RELAXED);
	__atomic_store_n(&to->source_burst, c->source_burst, __ATOMIC_RELAXED);
	__atomic_store_n(&to->total_rate, c->total_rate, __ATOMIC_RELAXED);
	__atomic_store_n(&to->total_burst, c->total_burst, __ATOMIC_RELAXED);
	__atomic_store_n(&to->source_bits_v4, c->source_bits_v4, __ATOMIC_RELAXED);
	__atomic_store_n(&to->source_bits_v6, c->source_bits_v6, __ATOMIC_RELAXED);
	__atomic_store_n(&to->flags, flags_of(c), __ATOMIC_RELAXED);
	__atomic_store_n(&to->side, other_side(g), __ATOMIC_RELEASE);
	guard_cancel(g); /* what is on the other side now */
	if (g->armed)
		warn_cookies(g, c);
}

/* --- open ------------------------------------------------------------------------------------- */

static int share(struct guard *g, char why[KBPF_WHY_SIZE])
{
	g->config = kbpf_map_values(g->skel->maps.kdg_guard_config, &g->config_size);
	if (!g->config)
		return kbpf_why(why, -errno, "its maps: cannot mmap: %s", strerror(errno));
	g->config->version = KEDGE_GUARD_ABI_VERSION;
	return 0;
}

/*
 * What a port of a bridge or a bond receives is for that one, or for somebody behind it: for
 * all-listeners it counts as one that is down.
 */
static void leave_out_ports(struct ifaddrs *have)
{
	char kind[GUARD_PORT_KIND_SIZE];

	for (; have; have = have->ifa_next) {
		guard_port_kind(kind, if_nametoindex(have->ifa_name));
		if (guard_port_takes_all(kind))
			have->ifa_flags &= ~(unsigned)IFF_UP;
	}
}

static int find_interfaces(struct guard *g, const struct conf *conf, char why[KBPF_WHY_SIZE])
{
	if (getifaddrs(&g->addresses) < 0)
		return kbpf_why(why, -errno, "the machine's addresses: %s", strerror(errno));
	leave_out_ports(g->addresses);
	return guard_interfaces_find(&g->interfaces, &g->interfaces_wanted, conf, g->addresses, why,
				     KBPF_WHY_SIZE);
}

static int start_lock(char why[KBPF_WHY_SIZE])
{
	const struct timespec pause = {.tv_nsec = START_MS * 1000000L};
	char lacks[KBPF_WHY_SIZE];
	int fd = -EADDRINUSE;

	for (int i = 0; i < START_TRIES && fd == -EADDRINUSE; i++) {
		if (i)
			nanosleep(&pause, NULL);
		fd = guard_lock(GUARD_LOCK_START);
	}
	if (fd == -EADDRINUSE)
		return kbpf_why(why, fd, "another kedge is starting: try again");
	if (fd < 0) {
		snprintf(lacks, sizeof(lacks),
			 "its locks (kedge-guard-lock on /sys/fs/bpf): %s: run as root, with a "
			 "bpffs that may be written to",
			 strerror(-fd));
		return kbpf_load_why(fd, lacks, why);
	}
	guard_lock_sweep();
	return fd;
}

/* A dead one that is alone on an interface, without libxdp's dispatcher, has to go first. */
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
	int starting = start_lock(why);
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
	if (!err && guard_keeper_start(&g->keeper, guard_attach_id(g->prog), g->interfaces,
				       g->interfaces_count, g->lock) < 0)
		err = kbpf_why(why, -errno, "no process for its keeper: %s", strerror(errno));
	return err;
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

/* By a bridge packets go to others than this machine, and no routing table knows it. */
static void warn_ports(const struct guard *g, const struct conf *conf)
{
	bool everywhere = false;
	char kind[GUARD_PORT_KIND_SIZE];

	for (size_t i = 0; i < conf->listeners_count; i++)
		everywhere |= addr_is_wildcard(&conf->listeners[i].addr);
	for (size_t i = 0; everywhere && i < g->interfaces_count; i++) {
		guard_port_kind(kind, g->interfaces[i].index);
		if (guard_port_forwards(kind))
			log_warn(
				"guard: interface %s is a port of a bridge: packets to others "
				"behind "
				"it are judged too where they are for a port of kedge's: let kedge "
				"listen on its own addresses",
				g->interfaces[i].name);
	}
}

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
	warn_ports(g, conf);
	warn_cookies(g, &conf->guard);
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
	_cleanup_(freep)
	struct guard_interface *wanted = NULL;
	size_t count = 0;
	char why[KBPF_WHY_SIZE] = "";

	if (guard_interfaces_find(&wanted, &count, conf, g->addresses, why, sizeof(why)) < 0)
		log_warn("guard: %s", why);
	for (size_t i = 0; i < count; i++) {
		bool on = false;

		for (size_t k = 0; k < g->interfaces_count; k++)
			on |= !strcmp(wanted[i].name, g->interfaces[k].name);
		if (!on)
			log_warn("guard: interface %s: it is not there before a restart",
				 wanted[i].name);
	}
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
	const size_t numbers = sizeof(*sum) / sizeof(uint64_t);
	const __u32 row = 0;
	_cleanup_(freep)
	uint64_t *all = g ? calloc(g->cores, sizeof(*sum)) : NULL;

	*sum = (struct kedge_guard_stats){0};
	if (!all || bpf_map_lookup_elem(bpf_map__fd(g->skel->maps.kdg_guard_stats), &row, all) < 0)
		return;
	for (size_t core = 0; core < g->cores; core++)
		for (size_t i = 0; i < numbers; i++)
			((uint64_t *)sum)[i] += all[core * numbers + i];
}

/* Keeps rows[0..count) in order, the most packets first. */
static size_t insert(struct guard_refused *rows, size_t count, size_t max,
		     const struct guard_refused *row)
{
	size_t at = count;

	while (at > 0 && rows[at - 1].what.packets < row->what.packets)
		at--;
	if (at == max)
		return count;
	if (count == max)
		count--;
	memmove(&rows[at + 1], &rows[at], (count - at) * sizeof(*rows));
	rows[at] = *row;
	return count + 1;
}

size_t guard_refused(const struct guard *g, struct guard_refused *rows, size_t max)
{
	int fd = g ? bpf_map__fd(g->skel->maps.kdg_guard_refused) : -1;
	struct guard_refused row = {0};
	uint64_t now = monotonic_ns();
	size_t count = 0;
	void *before = NULL;
	uint8_t key[16];

	/*
	 * Rows come and go meanwhile; a walk that is thrown back to its beginning ends somewhere.
	 */
	for (int i = 0; g && i < KEDGE_GUARD_REFUSED_MAX; i++) {
		if (bpf_map_get_next_key(fd, before, row.ip))
			break;
		if (!bpf_map_lookup_elem(fd, row.ip, &row.what)) {
			row.age_ms =
				now > row.what.last_ns ? (now - row.what.last_ns) / 1000000 : 0;
			count = insert(rows, count, max, &row);
		}
		memcpy(key, row.ip, sizeof(key));
		before = key;
	}
	return count;
}

const struct guard_interface *guard_interfaces(const struct guard *g, size_t *count)
{
	*count = g->interfaces_count;
	return g->interfaces;
}

/* --- close ------------------------------------------------------------------------------------ */

/* By the keeper; where it never was, we have our privileges still. */
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
	if (err && err != -EIO) /* which the keeper has explained */
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
	for (int side = 0; side < 2; side++)
		guard_rules_clear(&g->rules[side]);
	guard_unlock(&g->lock, g->prog ? guard_attach_id(g->prog) : 0);
	freeifaddrs(g->addresses);
	free(g->interfaces);
	guard_attach_close(g->prog);
	guard_bpf__destroy(g->skel);
	free(g);
}
