/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads the guard's program without attaching it. See guard_probe.h. */
#include "guard/guard_probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "bpf/kbpf_host.h"
#include "base/cleanup.h"
#include "guard.skel.h"
#include "guard/guard_attach.h"

static void destroyp(struct guard_bpf **skel)
{
	guard_bpf__destroy(*skel);
}

static int load(struct guard_bpf *skel, char why[KBPF_WHY_SIZE])
{
	int err = guard_bpf__load(skel);
	char caps[80];

	if (!err)
		return 0;
	kbpf_missing_caps(caps, sizeof(caps));
	if (caps[0])
		return kbpf_why(why, err, "no %s", caps);
	return kbpf_load_why(err, NULL, why);
}

int guard_probe_load(char why[KBPF_WHY_SIZE])
{
	_cleanup_(destroyp)
	struct guard_bpf *skel = guard_bpf__open();

	kbpf_log();
	return skel ? load(skel, why) : kbpf_why(why, -errno, "BPF object: %s", strerror(errno));
}

/* Programs replace functions of the dispatcher. Here the guard replaces its own. */
int guard_probe_dispatcher(char why[KBPF_WHY_SIZE])
{
	_cleanup_(destroyp)
	struct guard_bpf *target = guard_bpf__open();
	_cleanup_(destroyp)
	struct guard_bpf *skel = guard_bpf__open();
	int err;

	kbpf_log();
	if (!target || !skel)
		return kbpf_why(why, -ENOMEM, "out of memory");
	err = load(target, why);
	if (err)
		return err;
	err = bpf_program__set_attach_target(
		skel->progs.kdg_guard, bpf_program__fd(target->progs.kdg_guard), GUARD_PROGRAM);
	bpf_program__set_type(skel->progs.kdg_guard, BPF_PROG_TYPE_EXT);
	bpf_program__set_expected_attach_type(skel->progs.kdg_guard, 0);
	err = err ? err : guard_bpf__load(skel);
	return err ? kbpf_why(why, err, "programs of type EXT are refused: %s", strerror(-err)) : 0;
}
