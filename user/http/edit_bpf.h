/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the editor of flows whose requests are edited by the sk_msg program. */
#pragma once

#include <stdbool.h>

#include "bpf/kbpf.h"
#include "http/edit.h"

/*
 * The flow is one that kbpf_flow_add() and kbpf_flow_join() put under the sk_msg program with a
 * conf. From here on the editor owns *flow: it is copied, and removed with the editor. NULL with
 * errno set when there is no memory, or when the socket does not get a large send buffer.
 */
struct edit *edit_bpf_new(int fd, struct kbpf *bpf, const struct kbpf_flow *flow,
			  struct kedge_stats *stats, struct brief *brief);

/*
 * Do sockets get the send buffer that edit_bpf_new() asks for, with the capabilities that are
 * effective now? With a smaller one the editor sends smaller pieces.
 */
bool edit_bpf_has_room(void);
