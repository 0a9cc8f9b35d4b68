/* SPDX-License-Identifier: BSD-2-Clause */
#include "both.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct kbpf *both_bpf;
bool both_bypass;

void conf_make(struct http1_conf *c, enum http1_mode mode, __u16 flags)
{
	union addr client;
	const char *why;

	assert_int_equal(addr_parse(&client, CLIENT ":35646", &why), 0);
	http1_conf_set(c, mode, flags, &client, true, 443);
}

int both_setup(void **state)
{
	struct kbpf_opts opts = {
		.edit = true, .workers = 2, .flows_max = 64, .bypass = both_bypass};
	char why[256];
	int err;

	if (both_bypass)
		opts.cgroup = cgroup_enter("edit");
	err = kbpf_open(&both_bpf, &opts, why);
	if (err)
		fail_msg("kbpf_open: %s", why);
	return 0;
}

int both_teardown(void **state)
{
	uint64_t redirected = kbpf_stats(both_bpf, 0)->steer_redirected;

	kbpf_close(both_bpf);
	if (both_bypass)
		cgroup_leave();
	return (redirected > 0) != both_bypass;
}

void print_stream(const char *what, const struct bytes *b, size_t at)
{
	size_t from = at > 200 ? at - 200 : 0, to = at + 200 < b->len ? at + 200 : b->len;

	fprintf(stderr, "%s, %zu bytes, from %zu:\n", what, b->len, from);
	for (size_t i = from; i < to; i++)
		if (b->p[i] == '\n' || (b->p[i] >= ' ' && b->p[i] < 0x7f))
			fputc(b->p[i], stderr);
		else if (b->p[i] != '\r')
			fprintf(stderr, "\\x%02x", b->p[i]);
	fprintf(stderr, "\n--\n");
}

static size_t first_difference(const struct bytes *a, const struct bytes *b)
{
	size_t i = 0;

	while (i < a->len && i < b->len && a->p[i] == b->p[i])
		i++;
	return i;
}

bool same(const struct http1_conf *c, const void *in, size_t len, const size_t *cuts, size_t n,
	  uint64_t tunnels)
{
	struct leg_opts user = {.conf = c},
			kernel = {.bpf = both_bpf, .conf = c, .bypass = both_bypass};
	struct leg u, k;
	struct outcome ou, ok;
	bool equal;

	leg_open(&u, &user);
	leg_open(&k, &kernel);
	ou = leg_feed(&u, in, len, cuts, n, tunnels);
	ok = leg_feed(&k, in, len, cuts, n, tunnels);
	leg_finish(&u);
	leg_finish(&k);
	equal = ou.error == ok.error && ou.upgrades == ok.upgrades &&
		u.edit->note->requests == k.edit->note->requests &&
		u.edit->note->standing == k.edit->note->standing &&
		u.edit->note->reason == k.edit->note->reason &&
		!memcmp(u.edit->note->head_bits, k.edit->note->head_bits,
			sizeof(u.edit->note->head_bits)) &&
		(ou.error || ou.took == ok.took) && u.got.len == k.got.len &&
		(!u.got.len || !memcmp(u.got.p, k.got.p, u.got.len));
	if (!equal) {
		fprintf(stderr,
			"error %d/%d took %zu/%zu requests %u/%u standing %u/%u reason "
			"%u/%u upgrades %u/%u\n",
			ou.error, ok.error, ou.took, ok.took, u.edit->note->requests,
			k.edit->note->requests, u.edit->note->standing, k.edit->note->standing,
			u.edit->note->reason, k.edit->note->reason, ou.upgrades, ok.upgrades);
		print_stream("user", &u.got, first_difference(&u.got, &k.got));
		print_stream("kernel", &k.got, first_difference(&u.got, &k.got));
	}
	leg_close(&u);
	leg_close(&k);
	return equal;
}
