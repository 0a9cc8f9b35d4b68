/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heads: tells which requests of a stream kedge counts, for the tests with real servers. Reads
 * streams from standard input, each as flags (of struct http1_conf), its length (32 bits each,
 * little-endian) and its bytes. Drives the automaton over them a byte at a time and declines
 * upgrades. For each stream it writes two texts, each behind its length: a line, and the output.
 *
 *   REASON SURE WAITS HEADS
 *
 * The output is all that may pass before the fault, HEADS its heads. SURE of them pass when the
 * stream comes in one piece, whatever the application does. WAITS is 1 if the bytes behind them
 * wait for the answer to an upgrade.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/reason.h"
#include "http/reply.h"
#include "tests/lib/http1_driver.h"

#define STREAM_BYTES_MAX (1 << 20)

static void put(const void *data, uint32_t n)
{
	fwrite(&n, sizeof(n), 1, stdout);
	if (n)
		fwrite(data, 1, n, stdout);
}

static void tell(__u16 flags, const uint8_t *in, size_t n)
{
	struct http1_conf conf;
	struct http1_model m = {.conf = &conf};
	uint32_t sure = 0;
	bool waits = false;
	char line[128];
	int len;

	http1_case_conf(&conf, HTTP1_XFF_APPEND, flags);
	while (n) {
		size_t taken = http1_model_feed(&m, in, n);

		in += taken;
		n -= taken;
		if (m.h.state == HTTP1_REFUSED)
			break;
		if (!waits)
			sure = m.h.requests;
		waits = waits || m.h.state == HTTP1_WAITING;
		http1_resume(&m.h, false);
	}
	if (m.h.state == HTTP1_REFUSED && !waits)
		sure = m.requests;
	len = snprintf(line, sizeof(line), "%s %u %u %u", reason_name(m.h.reason), sure, waits,
		       m.h.requests);
	put(line, (uint32_t)len);
	put(m.out.data, (uint32_t)m.out.len);
	http1_model_free(&m);
}

int main(void)
{
	static uint8_t in[STREAM_BYTES_MAX];
	struct {
		uint32_t flags, n;
	} head;

	while (fread(&head, sizeof(head), 1, stdin) == 1) {
		if (head.n > sizeof(in) || fread(in, 1, head.n, stdin) != head.n)
			return 1;
		tell((__u16)head.flags, in, head.n);
	}
	return 0;
}
