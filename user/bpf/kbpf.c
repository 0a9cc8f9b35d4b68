/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads, attaches and pins the programs of bpf/flow.bpf.c, and keeps the entries of flows. No other
 * file touches these maps. See kbpf.h.
 */
#include "bpf/kbpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "bpf/kbpf_map.h"
#include "bpf/kbpf_pins.h"
#include "bpf/kbpf_slots.h"
#include "base/cleanup.h"
#include "flow.skel.h"
#include "kedge/flow.h"

struct kbpf {
	struct flow_bpf *skel;
	struct bpf_link *sockops;
	int request_link; /* -1: attached the old way, or not at all */
	int response_link;
	uint32_t request_prog; /* its id, if there is a request_link */
	struct kedge_note *notes;
	struct kedge_text *texts;
	struct kedge_stats *stats;
	size_t notes_size, texts_size, stats_size;
	struct kbpf_slots *slots;
	uint64_t *left; /* by slot: the cookie of a flow whose row is still there; 0: none */
	bool bypass;
	struct kbpf_pins pins;
};

static int set_sizes(struct flow_bpf *skel, const struct kbpf_opts *opts, uint32_t slots)
{
	/* The application may close its ends late: room for twice as many. */
	uint32_t ends = opts->bypass ? 2 * slots : 1;

	/* A socket leaves a sockhash when it is closed, which is after its entry in kdg_flow. */
	if (bpf_map__set_max_entries(skel->maps.kdg_flow,
				     opts->flows_each ? opts->flows_max : slots) ||
	    bpf_map__set_max_entries(skel->maps.kdg_note, slots) ||
	    bpf_map__set_max_entries(skel->maps.kdg_text, slots) ||
	    bpf_map__set_max_entries(skel->maps.kdg_stats, opts->workers) ||
	    bpf_map__set_max_entries(skel->maps.kdg_leg, 2 * slots) ||
	    bpf_map__set_max_entries(skel->maps.kdg_appleg, ends) ||
	    bpf_map__set_max_entries(skel->maps.kdg_app, ends) ||
	    bpf_map__set_max_entries(skel->maps.kdg_pair, ends))
		return -EINVAL;
	bpf_program__set_autoload(skel->progs.kdg_sockops, opts->bypass);
	bpf_program__set_autoload(skel->progs.kdg_response, opts->bypass);
	return 0;
}

/* What the programs need and this kernel does not have, or NULL. */
static const char *kernel_lacks(void)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return "BPF programs refused: no /sys/kernel/btf/vmlinux: "
		       "the kernel needs CONFIG_DEBUG_INFO_BTF";
	if (libbpf_probe_bpf_map_type(BPF_MAP_TYPE_SOCKHASH, NULL) == 0)
		return "BPF programs refused: no sockhash maps: "
		       "the kernel needs CONFIG_BPF_STREAM_PARSER and CONFIG_CGROUP_BPF";
	return NULL;
}

/*
 * Puts a sk_msg program on all sockets of a sockhash. Uses a link if the kernel has them for maps
 * (6.10): *link is its descriptor. Else *link is -1, and the program stays as long as the map.
 */
static int attach_msg(const struct bpf_program *prog, const struct bpf_map *map, int *link)
{
	int prog_fd = bpf_program__fd(prog), map_fd = bpf_map__fd(map);

	*link = bpf_link_create(prog_fd, map_fd, BPF_SK_MSG_VERDICT, NULL);
	if (*link >= 0)
		return 0;
	*link = -1;
	return bpf_prog_attach(prog_fd, map_fd, BPF_SK_MSG_VERDICT, 0) ? -errno : 0;
}

static uint32_t prog_id(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len) ? 0 : info.id;
}

static int attach(struct kbpf *bpf, const struct kbpf_opts *opts, char why[KBPF_WHY_SIZE])
{
	_cleanup_(close_fdp)
	int cgroup = -1;
	int err;

	err = attach_msg(bpf->skel->progs.kdg_request, bpf->skel->maps.kdg_leg, &bpf->request_link);
	if (err)
		return kbpf_why(why, err, "sk_msg program: cannot attach: %s", strerror(-err));
	bpf->request_prog = prog_id(bpf->skel->progs.kdg_request);
	if (!opts->bypass)
		return 0;
	err = attach_msg(bpf->skel->progs.kdg_response, bpf->skel->maps.kdg_appleg,
			 &bpf->response_link);
	if (err)
		return kbpf_why(why, err, "sk_msg program: cannot attach: %s", strerror(-err));
	cgroup = kbpf_cgroup_open(opts->cgroup, why);
	if (cgroup < 0)
		return cgroup;
	bpf->sockops = bpf_program__attach_cgroup(bpf->skel->progs.kdg_sockops, cgroup);
	if (!bpf->sockops)
		return kbpf_why(why, -errno, "cgroup %s: cannot attach the sockops program: %s",
				opts->cgroup ? opts->cgroup : "of kedge", strerror(errno));
	return 0;
}

static int share(struct kbpf *bpf, char why[KBPF_WHY_SIZE])
{
	bpf->notes = kbpf_map_values(bpf->skel->maps.kdg_note, &bpf->notes_size);
	bpf->texts = kbpf_map_values(bpf->skel->maps.kdg_text, &bpf->texts_size);
	bpf->stats = kbpf_map_values(bpf->skel->maps.kdg_stats, &bpf->stats_size);
	if (!bpf->notes || !bpf->texts || !bpf->stats)
		return kbpf_why(why, -errno, "BPF maps: cannot mmap: %s", strerror(errno));
	return 0;
}

static int open_in(struct kbpf *bpf, const struct kbpf_opts *opts, char why[KBPF_WHY_SIZE])
{
	uint32_t each = opts->flows_each;
	int err;

	if (!each)
		each = (opts->flows_max + opts->workers - 1) / opts->workers;

	kbpf_log();
	bpf->skel = flow_bpf__open();
	if (!bpf->skel)
		return kbpf_why(why, -errno, "BPF object: cannot open: %s", strerror(errno));
	err = set_sizes(bpf->skel, opts, each * opts->workers);
	if (err)
		return kbpf_why(why, err, "BPF maps: cannot set their sizes");
	err = flow_bpf__load(bpf->skel);
	if (err)
		return kbpf_load_why(err, kernel_lacks(), why);
	err = share(bpf, why);
	if (err)
		return err;
	bpf->slots = kbpf_slots_new(opts->workers, each);
	bpf->left = calloc((size_t)each * opts->workers, sizeof(*bpf->left));
	if (!bpf->slots || !bpf->left)
		return kbpf_why(why, -ENOMEM, "out of memory for %u flows", opts->flows_max);
	/*
	 * Before attaching: it fails if another kedge uses the directory. Only the maps: a pinned
	 * link would stay when we are killed.
	 */
	if (opts->pin)
		err = kbpf_pins_open(&bpf->pins, bpf->skel->obj, opts->pin, "", why);
	return err ? err : attach(bpf, opts, why);
}

int kbpf_open(struct kbpf **out, const struct kbpf_opts *opts, char why[256])
{
	struct kbpf *bpf;
	int err;

	why[0] = '\0';
	if (!opts->workers || opts->workers > KEDGE_WORKERS_MAX || !opts->flows_max)
		return kbpf_why(why, -EINVAL, "BPF maps: %u workers, %u flows", opts->workers,
				opts->flows_max);
	bpf = calloc(1, sizeof(*bpf));
	if (!bpf)
		return kbpf_why(why, -ENOMEM, "out of memory");
	bpf->request_link = -1;
	bpf->response_link = -1;
	bpf->bypass = opts->bypass;
	bpf->pins = (struct kbpf_pins)KBPF_PINS_NONE;
	err = open_in(bpf, opts, why);
	if (err) {
		kbpf_close(bpf);
		return err;
	}
	*out = bpf;
	return 0;
}

void kbpf_unpin(struct kbpf *bpf)
{
	if (bpf)
		kbpf_pins_close(&bpf->pins);
}

void kbpf_close(struct kbpf *bpf)
{
	if (!bpf)
		return;
	kbpf_unpin(bpf);
	bpf_link__destroy(bpf->sockops);
	close_fdp(&bpf->request_link);
	close_fdp(&bpf->response_link);
	if (bpf->notes)
		munmap(bpf->notes, bpf->notes_size);
	if (bpf->texts)
		munmap(bpf->texts, bpf->texts_size);
	if (bpf->stats)
		munmap(bpf->stats, bpf->stats_size);
	kbpf_slots_free(bpf->slots);
	free(bpf->left);
	flow_bpf__destroy(bpf->skel);
	free(bpf);
}

int kbpf_give(struct kbpf *bpf, uid_t uid, gid_t gid)
{
	return kbpf_pins_give(&bpf->pins, uid, gid);
}

bool kbpf_may_update(struct kbpf *bpf)
{
	const uint64_t nobody = 0; /* no socket has this cookie */

	return kbpf_map_may_change(bpf->skel->maps.kdg_flow, &nobody);
}

struct kedge_stats *kbpf_stats(struct kbpf *bpf, unsigned worker)
{
	return &bpf->stats[worker];
}

/*
 * The kernel may fail to delete a row: the lock of its bucket was busy (EBUSY, ETIMEDOUT). As long
 * as the row is there, a program may write to the note of its slot. So the slot is used again only
 * when the row is gone.
 */
static int row_del(struct kbpf *bpf, uint64_t cookie, uint32_t slot)
{
	int err = 0;

	if (bpf_map_delete_elem(bpf_map__fd(bpf->skel->maps.kdg_flow), &cookie) && errno != ENOENT)
		err = -errno;
	bpf->left[slot] = err ? cookie : 0;
	return err;
}

static int slot_take(struct kbpf *bpf, unsigned worker, uint32_t *slot)
{
	int err;

	if (!kbpf_slots_take(bpf->slots, worker, slot))
		return -ENOSPC;
	err = bpf->left[*slot] ? row_del(bpf, bpf->left[*slot], *slot) : 0;
	if (err)
		kbpf_slots_put(bpf->slots, worker, *slot);
	return err;
}

void kbpf_flow_set_text(struct kbpf_flow *flow, const struct http1_conf *conf)
{
	struct kedge_text *text = flow->text;

	text->conf = *conf;
	flow->text_len = conf->text_len;
	memset(text->client, 0, sizeof(text->client));
	if (conf->mode != HTTP1_XFF_NEVER && conf->ours_len < sizeof(text->client))
		memcpy(text->client, conf->text + HTTP1_PREFIX_LEN, conf->ours_len);
}

int kbpf_flow_add(struct kbpf *bpf, struct kbpf_flow *flow, int fd, unsigned worker,
		  const struct http1_conf *conf, bool bypass)
{
	struct kedge_flow value = {.worker = worker};
	int protocol = 0;
	socklen_t cookie_len = sizeof(flow->cookie), protocol_len = sizeof(protocol);
	uint64_t cookie;
	int err;

	memset(flow, 0, sizeof(*flow));
	/* A sockhash takes unix sockets, too, but the program does not see their messages. */
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len) < 0)
		return -errno;
	if (protocol != IPPROTO_TCP)
		return -EOPNOTSUPP;
	/* This creates the cookie. The sk_msg program can read it but not create it. */
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_len) < 0)
		return -errno;
	err = slot_take(bpf, worker, &value.slot);
	if (err)
		return err;
	if (conf) {
		value.flags |= KEDGE_FLOW_EDIT;
		flow->edits = true;
	}
	if (bypass && bpf->bypass)
		value.flags |= KEDGE_FLOW_BYPASS;
	flow->note = &bpf->notes[value.slot];
	memset(flow->note, 0, sizeof(*flow->note));
	flow->text = &bpf->texts[value.slot];
	memset(flow->text, 0, sizeof(*flow->text));
	if (conf)
		kbpf_flow_set_text(flow, conf);
	if (bpf_map_update_elem(bpf_map__fd(bpf->skel->maps.kdg_flow), &cookie, &value, BPF_ANY)) {
		err = errno == E2BIG ? -ENOSPC : -errno;
		kbpf_slots_put(bpf->slots, worker, value.slot);
		return err;
	}
	flow->cookie = cookie;
	flow->slot = value.slot;
	flow->worker = worker;
	return 0;
}

/*
 * Is our program still attached to kdg_leg? Root can detach its link or replace the program. Then a
 * socket would join without a program, and its requests would go out unedited. Without a link this
 * is not checked, because the query needs CAP_NET_ADMIN.
 */
static bool program_there(const struct kbpf *bpf)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);

	if (bpf->request_link < 0)
		return true;
	if (bpf_obj_get_info_by_fd(bpf->request_link, &info, &len))
		return false;
	/* The first field of this link type is the map's id. Older headers have no name for it. */
	return info.xdp.ifindex && info.prog_id == bpf->request_prog;
}

int kbpf_flow_join(struct kbpf *bpf, struct kbpf_flow *flow, int fd)
{
	uint64_t value = (uint64_t)fd;

	if (bpf_map_update_elem(bpf_map__fd(bpf->skel->maps.kdg_leg), &flow->cookie, &value,
				BPF_ANY))
		/* Only established sockets may join: the application has closed this one. */
		return errno == EOPNOTSUPP ? -ECONNRESET : -errno;
	return program_there(bpf) ? 0 : -ENOLINK;
}

bool kbpf_flow_paired(struct kbpf *bpf, const struct kbpf_flow *flow)
{
	return flow->note && __atomic_load_n(&flow->note->paired, __ATOMIC_RELAXED);
}

int kbpf_flow_resume(struct kbpf *bpf, struct kbpf_flow *flow, bool tunnel)
{
	struct kedge_note *note = flow->note;

	if (note->standing != KEDGE_WAITING)
		return -EINVAL;
	/* The program reads the command with the next message. The mover sees the rest at once. */
	note->command = tunnel ? KEDGE_COMMAND_TUNNEL : KEDGE_COMMAND_HTTP;
	note->standing = tunnel ? KEDGE_TUNNEL : KEDGE_BETWEEN;
	note->withheld = 0;
	return 0;
}

uint64_t kbpf_flow_body_rest(struct kbpf *bpf, const struct kbpf_flow *flow)
{
	struct kedge_flow in_kernel;

	if (bpf_map_lookup_elem(bpf_map__fd(bpf->skel->maps.kdg_flow), &flow->cookie, &in_kernel))
		return 0;
	return in_kernel.http.state == HTTP1_BODY ? in_kernel.http.left : 0;
}

void kbpf_flow_del(struct kbpf *bpf, struct kbpf_flow *flow)
{
	if (!flow->cookie)
		return;
	bpf_map_delete_elem(bpf_map__fd(bpf->skel->maps.kdg_leg), &flow->cookie);
	(void)row_del(bpf, flow->cookie, flow->slot); /* slot_take() tries again */
	kbpf_slots_put(bpf->slots, flow->worker, flow->slot);
	memset(flow, 0, sizeof(*flow));
}
