/* SPDX-License-Identifier: BSD-2-Clause */
/* Attaches and detaches through libxdp. See guard_attach.h. */
#include "guard/guard_attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "bpf/kbpf_host.h"
#include "base/cleanup.h"
#include "guard/guard_lock.h"
#include "base/log.h"

static void multiprog_closep(struct xdp_multiprog **mp)
{
	xdp_multiprog__close(*mp);
}

static int log_libxdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	if (level != LIBXDP_DEBUG)
		log_vemit(LOG_LEVEL_DEBUG, 0, fmt, ap);
	return 0;
}

void guard_attach_log(void)
{
	libxdp_set_print(log_libxdp);
}

/* Asks each time, because other programs come and go. NULL: there is none. */
static struct xdp_multiprog *programs_on(unsigned ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);

	return libxdp_get_error(mp) ? NULL : mp;
}

/* --- on --------------------------------------------------------------------------------------- */

struct xdp_program *guard_attach_open(struct bpf_object *obj, unsigned priority,
				      char why[KBPF_WHY_SIZE])
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .obj = obj, .prog_name = GUARD_PROGRAM);
	struct xdp_program *prog = xdp_program__create(&opts);
	long err = libxdp_get_error(prog);

	if (err) {
		kbpf_why(why, (int)err, "XDP program: cannot open: %s", strerror((int)-err));
		return NULL;
	}
	err = xdp_program__set_run_prio(prog, priority);
	err = err ? err : xdp_program__set_chain_call_enabled(prog, XDP_PASS, true);
	/* Packets larger than a page. The program reads only headers, and they come first. */
	err = err ? err : xdp_program__set_xdp_frags_support(prog, true);
	if (!err)
		return prog;
	kbpf_why(why, (int)err, "XDP program: libxdp refuses: %s", strerror((int)-err));
	xdp_program__close(prog);
	return NULL;
}

void guard_attach_close(struct xdp_program *prog)
{
	if (prog)
		xdp_program__close(prog);
}

unsigned guard_attach_id(const struct xdp_program *prog)
{
	return xdp_program__id(prog);
}

static int attach_why(const struct guard_interface *i, enum guard_mode mode, int err,
		      char why[KBPF_WHY_SIZE])
{
	const char *name = mode == GUARD_NATIVE ? "native" : "generic";
	char caps[80];

	kbpf_missing_caps(caps, sizeof(caps));
	if (caps[0])
		return kbpf_why(why, err,
				"interface %s: no %s: run as root, or grant them (docs/guard.md)",
				i->name, caps);
	switch (err) {
	case -EPERM:
	case -ENOSYS:
		return kbpf_load_why(err, NULL, why);
	case -EBUSY:
	case -EEXIST:
		return kbpf_why(why, err,
				"interface %s: another XDP program is there, which leaves no room "
				"for one beside it: xdp-loader status %s names it",
				i->name, i->name);
	case -EOPNOTSUPP:
		return kbpf_why(why, err,
				"interface %s: its driver has no XDP of its "
				"own: --guard-mode generic",
				i->name);
	default:
		return kbpf_why(
			why, err,
			"interface %s: cannot attach in %s mode: %s: --log-level debug shows "
			"what libxdp says",
			i->name, name, strerror(-err));
	}
}

static void note_chain(struct guard_interface *i)
{
	_cleanup_(multiprog_closep)
	struct xdp_multiprog *mp = programs_on(i->index);

	i->chained = mp && !xdp_multiprog__is_legacy(mp);
}

int guard_attach(struct xdp_program *prog, struct guard_interface *i, enum guard_mode mode,
		 char why[KBPF_WHY_SIZE])
{
	int err = -EOPNOTSUPP;

	i->index = if_nametoindex(i->name);
	if (!i->index)
		return kbpf_why(why, -errno,
				"interface %s: %s: `ip link` shows those that are there", i->name,
				strerror(errno));
	i->mode = GUARD_NATIVE;
	if (mode != GUARD_GENERIC)
		err = xdp_program__attach(prog, (int)i->index, XDP_MODE_NATIVE, 0);
	if (err && mode != GUARD_NATIVE) {
		i->mode = GUARD_GENERIC;
		err = xdp_program__attach(prog, (int)i->index, XDP_MODE_SKB, 0);
	}
	if (err)
		return attach_why(i, i->mode, err, why);
	note_chain(i);
	return 0;
}

/* --- off -------------------------------------------------------------------------------------- */

/* Called for each guard on an interface: should it be detached? */
typedef bool (*guard_chosen_fn)(unsigned id, unsigned arg);

static bool is_guard(const struct xdp_program *prog)
{
	const char *name = prog ? xdp_program__name(prog) : NULL;

	return name && !strcmp(name, GUARD_PROGRAM);
}

/*
 * Detaches the first guard that is chosen. If a dispatcher called it, libxdp makes a new one for
 * the others. 1; 0: none was chosen; or -errno.
 */
static int detach_one(const struct guard_interface *i, guard_chosen_fn chosen, unsigned arg)
{
	_cleanup_(multiprog_closep)
	struct xdp_multiprog *mp = programs_on(i->index);
	struct xdp_program *prog = NULL;
	int err;

	if (!mp)
		return 0;
	if (xdp_multiprog__is_legacy(mp)) {
		prog = xdp_multiprog__main_prog(mp);
		if (!is_guard(prog) || !chosen(xdp_program__id(prog), arg))
			return 0;
		err = xdp_multiprog__detach(mp);
		return err ? err : 1;
	}
	while ((prog = xdp_multiprog__next_prog(prog, mp))) {
		if (!is_guard(prog) || !chosen(xdp_program__id(prog), arg))
			continue;
		err = xdp_program__detach(prog, (int)i->index, xdp_multiprog__attach_mode(mp), 0);
		return err ? err : 1;
	}
	return 0;
}

static bool is_own(unsigned id, unsigned own)
{
	return id == own;
}

int guard_detach(unsigned id, const struct guard_interface *i)
{
	int n = detach_one(i, is_own, id);

	return n < 0 ? n : n ? 0 : -ENOENT;
}

static bool is_dead(unsigned id, unsigned own)
{
	int lock = id == own ? -1 : guard_lock(id);
	bool dead = lock >= 0;

	guard_unlock(&lock, id);
	return dead;
}

int guard_remove_dead(unsigned own, const struct guard_interface *i)
{
	int n, removed = 0;

	while ((n = detach_one(i, is_dead, own)) > 0)
		removed++;
	return n < 0 ? n : removed;
}
