/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capabilities.c: policies against what the probes saw: what is used, what stays open, what ends
 * the start, and what is said. Probes and BPF are fakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/kbpf.h"
#include "bpf/kbpf_pins.h"
#include "bpf/peername.h"
#include "base/capability_loss.h"
#include "daemon/daemon.h"
#include "daemon/probe_bpf.h"
#include "daemon/probe_record.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"

/* What the kernel can do. */
static struct {
	bool record, edit, bypass, peername;
	bool fionread_lies;
	int open_err;        /* of kbpf_open() */
	int open_bypass_err; /* of kbpf_open() with the bypass */
	int peername_err;    /* of peername_open() */
} kernel;

static unsigned bpf_open, bpf_opens, peername_opened, records_probed, cleared;
static struct kbpf_opts last_opts;
static struct peername_opts last_peername;
static char swept[128];
static struct kedge_stats rows[2];

static int fake_kbpf_open(struct kbpf **out, const struct kbpf_opts *opts, char why[256])
{
	int err = kernel.open_err ? kernel.open_err : opts->bypass ? kernel.open_bypass_err : 0;

	bpf_opens++;
	last_opts = *opts;
	if (err) {
		snprintf(why, 256, "no BPF%s", opts->bypass ? " with bypass" : "");
		return err;
	}
	assert_int_equal(bpf_open, 0); /* one at a time: they would share pins and a cgroup */
	bpf_open++;
	*out = (struct kbpf *)rows;
	return 0;
}

static void fake_kbpf_close(struct kbpf *bpf)
{
	if (bpf)
		bpf_open--;
}

static struct kedge_stats *fake_stats(struct kbpf *bpf, unsigned worker)
{
	assert_true(worker < 2);
	return &rows[worker];
}

static int fake_peername_open(struct peername **out, const struct peername_opts *opts,
			      char why[256])
{
	last_peername = *opts;
	if (kernel.peername_err) {
		snprintf(why, 256, "no programs");
		return kernel.peername_err;
	}
	peername_opened++;
	*out = (struct peername *)rows;
	return 0;
}

static void fake_peername_close(struct peername *p)
{
	if (p)
		peername_opened--;
}

static void fake_peername_clear(struct peername *p)
{
	cleared++;
}

static void fake_probe_record(struct probe_report *r)
{
	records_probed++;
	r->record = kernel.record;
	r->caps.rekey = true;
	probe_say(r, "record", "TCP_ULP tls", kernel.record, "saw TLS");
	probe_next_step(r, "modprobe tls");
}

static void fake_probe_edit(struct probe_report *r, struct kbpf *bpf)
{
	assert_ptr_equal(bpf, rows);
	rows[1].accepted = 5; /* a probe leaves its traces */
	r->edit = kernel.edit;
	probe_say(r, "edit", "injection", kernel.edit, "saw edit");
}

static void fake_probe_bypass(struct probe_report *r, struct kbpf *bpf)
{
	assert_ptr_equal(bpf, rows);
	r->bypass = kernel.bypass;
	if (kernel.fionread_lies) {
		probe_say(r, "bypass", "FIONREAD, by TCP", false, "says 0");
		probe_next_step(r, "beware");
	}
	probe_say(r, "bypass", "redirect", kernel.bypass, "saw bypass");
}

static void fake_probe_peername(struct probe_report *r, struct peername *p)
{
	r->peername = kernel.peername;
	probe_say(r, "peername", "programs", kernel.peername, "saw names");
}

static void fake_sweep(const char *dir, const char *suffix)
{
	snprintf(swept + strlen(swept), sizeof(swept) - strlen(swept), "%s%s ", dir, suffix);
}

#define kbpf_pins_sweep      fake_sweep
#define kbpf_open            fake_kbpf_open
#define kbpf_close           fake_kbpf_close
#define kbpf_stats           fake_stats
#define peername_open        fake_peername_open
#define peername_close       fake_peername_close
#define peername_clear_stats fake_peername_clear
#define probe_record         fake_probe_record
#define probe_edit           fake_probe_edit
#define probe_bypass         fake_probe_bypass
#define probe_peername       fake_probe_peername
#include "daemon/capabilities.c"

static struct daemon d;
static struct conf *conf;

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.record = kernel.edit = kernel.bypass = kernel.peername = true;
	bpf_open = bpf_opens = peername_opened = records_probed = cleared = 0;
	memset(rows, 0, sizeof(rows));
	memset(&d, 0, sizeof(d));
	swept[0] = '\0';
	return 0;
}

#define PLAIN "--tls off --listen :8080 --app localhost:2 --workers 2 "

static int decide_with(const char *args)
{
	int err;

	config_free(conf);
	conf = must_load(NULL, args);
	d.conf = conf;
	heard_begin();
	err = capabilities_decide(&d);
	heard_end();
	return err;
}

static int end(void **state)
{
	config_free(conf);
	return loading_end(state);
}

#define ALL_PREFER                                                        \
	PLAIN "--record prefer --edit prefer --bypass prefer --peername " \
	      "prefer --app-cgroup /acg"
#define ALL_OFF PLAIN "--record off --edit off --bypass off --peername off"

static void everything_is_used_that_works(void **state)
{
	(void)state;
	assert_int_equal(decide_with(ALL_PREFER " --connections-max 100 --pin /sys/fs/bpf/k"), 0);
	assert_true(d.shared.record_kernel && d.shared.edit_kernel && d.shared.bypass);
	assert_ptr_equal(d.shared.bpf, rows);
	assert_ptr_equal(d.shared.peername, rows);
	assert_int_equal(d.shared.flows_max, 100);
	assert_true(d.record_caps.rekey);
	assert_int_equal(rows[1].accepted, 0); /* what the probes counted is not kedge's */
	assert_int_equal(cleared, 1);
	assert_int_equal(last_opts.workers, 2);
	assert_int_equal(last_opts.flows_max, 200); /* all that the workers may have */
	assert_string_equal(last_opts.pin, "/sys/fs/bpf/k");
	assert_true(last_opts.edit && last_opts.bypass);
	assert_string_equal(heard, "info: capabilities: record kernel, edit kernel, bypass "
				   "on, peername on\n");
}

static void what_is_off_is_not_tried(void **state)
{
	(void)state;
	assert_int_equal(decide_with(ALL_OFF), 0);
	assert_int_equal(bpf_opens + peername_opened + records_probed, 0);
	assert_false(d.shared.record_kernel || d.shared.edit_kernel || d.shared.bypass);
	assert_null(d.shared.bpf);
	assert_int_equal(d.shared.flows_max, 0);
	assert_string_equal(heard, "info: capabilities: record user space (switched off), "
				   "edit user space (switched off), bypass off (default), "
				   "peername off (default)\n");
}

static void what_does_not_work_is_done_without(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	assert_int_equal(decide_with(ALL_PREFER), 0);
	assert_false(d.shared.record_kernel || d.shared.edit_kernel || d.shared.bypass);
	assert_null(d.shared.peername);
	assert_int_equal(peername_opened, 0);
	assert_heard(
		"record user space (saw TLS), edit user space (saw edit), bypass off (saw bypass), "
		"peername off (saw names)\n");
	/* Each has a line of its own, but for record: there is no TLS. */
	assert_heard("\nwarning: edit: preferred, but not possible: injection: saw edit (edit: "
		     "off silences this)\n");
	assert_heard("\nwarning: bypass: preferred, but not possible: ");
	assert_heard("\nwarning: peername: preferred, but not possible: ");
	assert_null(strstr(heard, "warning: record"));
	setup(state);
	kernel.record = false;
	assert_int_equal(decide_with("--listen :8443 --cert /c.pem --key /k.pem --app localhost:2 "
				     "--record prefer --edit off --bypass off --peername off"),
			 0);
	assert_heard("\nwarning: record: preferred, but not possible: TCP_ULP tls: saw TLS; "
		     "next step: modprobe tls (record: off silences this)\n");
	setup(state);
	memset(&kernel, 0, sizeof(kernel));
	assert_int_equal(decide_with("--tls off --listen :8080 --app unix:/a --edit prefer"), 0);
	assert_null(strstr(heard, "warning: edit"));
}

/* Neither edit nor bypass: nothing of the object is used, and its program leaves the cgroup. */
static void an_unused_object_is_closed(void **state)
{
	(void)state;
	kernel.edit = kernel.bypass = false;
	assert_int_equal(decide_with(ALL_PREFER), 0);
	assert_int_equal(bpf_open, 0);
	assert_null(d.shared.bpf);
	assert_int_equal(d.shared.flows_max, 0);
}

static void edit_alone_is_opened_without_the_bypass(void **state)
{
	(void)state;
	kernel.bypass = false;
	assert_int_equal(decide_with(ALL_PREFER), 0);
	assert_true(d.shared.edit_kernel);
	assert_false(d.shared.bypass);
	assert_int_equal(bpf_open, 1);
	assert_int_equal(bpf_opens, 2);
	assert_true(last_opts.edit && !last_opts.bypass);
	assert_int_equal(rows[1].accepted, 0);
	setup(state);
	kernel.open_bypass_err = -ENOENT; /* no cgroup: nothing can be attached there */
	assert_int_equal(decide_with(ALL_PREFER), 0);
	assert_true(d.shared.edit_kernel);
	assert_false(d.shared.bypass);
	assert_heard("warning: bypass: not possible: no BPF with bypass\n");
	assert_int_equal(bpf_open, 1);
}

/* --- required --------------------------------------------------------------------------------- */

static void what_is_required_and_missing_ends_the_start(void **state)
{
	(void)state;
	kernel.edit = false;
	assert_int_equal(decide_with(PLAIN "--edit require --bypass off --peername off"), -ENOTSUP);
	assert_string_equal(heard, "error: edit: required, but not possible: "
				   "injection: saw edit (edit: prefer starts without it)\n");
	setup(state);
	kernel.bypass = false;
	assert_int_equal(decide_with(PLAIN "--bypass require --peername off"), -ENOTSUP);
	assert_heard("error: bypass: required, but not possible: redirect: saw bypass "
		     "(bypass: prefer starts without it)\n");
	setup(state);
	kernel.peername = false;
	assert_int_equal(decide_with(PLAIN "--bypass off --peername require"), -ENOTSUP);
	assert_heard("error: peername: required, but not possible: programs: saw names "
		     "(peername: prefer starts without it)\n");
	assert_null(d.shared.peername);
	assert_int_equal(peername_opened, 0);
}

static void record_is_required_where_there_is_tls(void **state)
{
	(void)state;
	kernel.record = false;
	assert_int_equal(decide_with("--listen :8443 --cert /c.pem --key /k.pem --app localhost:2 "
				     "--record require --edit off --bypass off --peername off"),
			 -ENOTSUP);
	assert_string_equal(heard, "error: record: required, but not possible: TCP_ULP "
				   "tls: saw TLS; next step: modprobe tls (record: prefer starts "
				   "without it)\n");
	setup(state);
	kernel.record = false; /* nobody needs it; a reload may bring TLS, so it was probed */
	assert_int_equal(decide_with(PLAIN "--record require --edit off --bypass "
					   "off --peername off"),
			 0);
	assert_int_equal(records_probed, 1);
	setup(state);
	assert_int_equal(decide_with(PLAIN "--record prefer --edit off --bypass "
					   "off --peername off"),
			 0);
	assert_true(d.shared.record_kernel);
}

static void an_object_that_cannot_be_opened_is_the_cause(void **state)
{
	(void)state;
	kernel.open_err = -EPERM;
	assert_int_equal(decide_with(PLAIN "--edit require --bypass off --peername off"), -ENOTSUP);
	assert_heard("edit: required, but not possible: sk_msg program: no BPF (edit: prefer");
	setup(state);
	kernel.open_err = -EPERM;
	assert_int_equal(decide_with(PLAIN "--edit prefer --bypass require --peername off"),
			 -ENOTSUP);
	assert_heard("bypass: required, but not possible: sk_msg program: no BPF with bypass");
	setup(state);
	kernel.peername_err = -EPERM;
	assert_int_equal(decide_with(PLAIN "--edit off --bypass off --peername require"), -ENOTSUP);
	assert_heard("peername: required, but not possible: getpeername "
		     "programs: no programs (peername: prefer");
	setup(state);
	kernel.open_err = kernel.peername_err = -EPERM;
	assert_int_equal(decide_with(ALL_PREFER), 0);
	assert_heard("edit user space (no BPF), bypass off (no BPF), peername off (no programs)");
}

/* The pins of another kedge: it is no fallback to run beside it without. */
static void another_kedges_pins_end_the_start(void **state)
{
	(void)state;
	kernel.open_err = -EBUSY;
	assert_int_equal(decide_with(ALL_PREFER), -EBUSY);
	assert_string_equal(heard, "error: no BPF with bypass\n");
	assert_int_equal(bpf_opens, 1);
	setup(state);
	kernel.peername_err = -EBUSY;
	assert_int_equal(decide_with(ALL_PREFER), -EBUSY);
	assert_heard("error: no programs\n");
}

/* --- FIONREAD --------------------------------------------------------------------------------- */

static void a_lie_of_fionread_is_no_reason_where_it_is_required(void **state)
{
	(void)state;
	kernel.fionread_lies = true;
	assert_int_equal(decide_with(ALL_PREFER), 0);
	assert_false(d.shared.bypass); /* an application may stall: not without having been tried */
	assert_heard("info: bypass: FIONREAD is not to be relied on here (says 0): beware\n");
	setup(state);
	kernel.fionread_lies = true;
	assert_int_equal(decide_with(PLAIN "--edit prefer --bypass require --peername off"), 0);
	assert_true(d.shared.bypass);
	assert_heard("warning: bypass: FIONREAD is not to be relied on here (says 0): beware\n");
	setup(state);
	kernel.fionread_lies = true; /* but it is not what is missing */
	kernel.bypass = false;
	assert_int_equal(decide_with(PLAIN "--edit prefer --bypass require --peername off"),
			 -ENOTSUP);
	assert_heard("required, but not possible: redirect: saw bypass "
		     "(bypass: prefer starts without it)\n");
}

static void peername_is_attached_where_it_is_wanted(void **state)
{
	(void)state;
	assert_int_equal(decide_with(PLAIN "--edit off --bypass off --peername prefer"), 0);
	assert_true(last_peername.everywhere);
	assert_null(last_peername.app_cgroup);
	assert_heard("warning: peername: attached to the root of the cgroup hierarchy: its "
		     "programs run for every TCP connection of this host; app-cgroup names ");
	setup(state);
	assert_int_equal(decide_with(PLAIN "--edit off --bypass off --cgroup /sys/fs/cgroup/k "
					   "--peername prefer"),
			 0);
	assert_false(last_peername.everywhere);
	assert_null(last_peername.app_cgroup);
	assert_null(strstr(heard, "root of the cgroup"));
	setup(state);
	kernel.peername = false; /* nothing is attached */
	assert_int_equal(decide_with(PLAIN "--edit off --bypass off --peername prefer"), 0);
	assert_null(strstr(heard, "root of the cgroup"));
	setup(state);
	assert_int_equal(decide_with(PLAIN "--edit off --bypass off --peername prefer --app-cgroup "
					   "/sys/fs/cgroup/app --cgroup /sys/fs/cgroup/k"),
			 0);
	assert_false(last_peername.everywhere);
	assert_string_equal(last_peername.app_cgroup, "/sys/fs/cgroup/app");
	assert_string_equal(last_peername.cgroup, "/sys/fs/cgroup/k");
}

/* What a kedge that was killed has left is removed by one that does not use it. */
static void unused_pins_are_swept(void **state)
{
	(void)state;
	assert_int_equal(decide_with(ALL_OFF " --pin /sys/fs/bpf/x"), 0);
	assert_string_equal(swept, "/sys/fs/bpf/x /sys/fs/bpf/x-peername ");
	setup(state);
	assert_int_equal(decide_with(ALL_PREFER), 0);
	assert_string_equal(swept, "");
}

/* A required capability that is lost later has no fallback. */
static void losses_know_what_is_required(void **state)
{
	(void)state;
	capability_failed(CAPABILITY_EDIT, ENOSPC, 1);
	assert_int_equal(decide_with(PLAIN "--record prefer --edit require --bypass "
					   "off --peername prefer"),
			 0);
	assert_true(capability_required(CAPABILITY_EDIT));
	assert_false(capability_required(CAPABILITY_RECORD));
	assert_false(capability_required(CAPABILITY_PEERNAME));
	assert_false(capability_is_lost(CAPABILITY_EDIT)); /* what was before is forgotten */
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(everything_is_used_that_works),
		TEST(what_is_off_is_not_tried),
		TEST(what_does_not_work_is_done_without),
		TEST(an_unused_object_is_closed),
		TEST(edit_alone_is_opened_without_the_bypass),
		TEST(what_is_required_and_missing_ends_the_start),
		TEST(record_is_required_where_there_is_tls),
		TEST(an_object_that_cannot_be_opened_is_the_cause),
		TEST(another_kedges_pins_end_the_start),
		TEST(a_lie_of_fionread_is_no_reason_where_it_is_required),
		TEST(peername_is_attached_where_it_is_wanted),
		TEST(unused_pins_are_swept),
		TEST(losses_know_what_is_required),
	};

	return cmocka_run_group_tests(tests, loading_begin, end);
}
