/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_probe.c: what is probed, on what, and how the report is printed. The probes are fakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>

#include "bpf/kbpf.h"
#include "bpf/peername.h"
#include "daemon/probe_bpf.h"
#include "daemon/probe_record.h"
#include "daemon/probe_speed.h"
#include "tests/lib/loading.h"

static bool no_bpf, no_bypass, no_peername, no_speed, lies;
static char events[512], opened_in[64];
static int open_objects;

static void event(const char *text)
{
	strcat(events, text);
	strcat(events, " ");
}

static int fake_kbpf_open(struct kbpf **out, const struct kbpf_opts *opts, char why[256])
{
	assert_true(opts->edit && opts->workers == 1 && opts->flows_max && !opts->pin);
	snprintf(opened_in, sizeof(opened_in), "%s", opts->cgroup ? opts->cgroup : "own");
	if (no_bpf || (opts->bypass && no_bypass)) {
		snprintf(why, 256, "no %s \xff", opts->bypass ? "bypass" : "bpf");
		return -EPERM;
	}
	event(opts->bypass ? "open+bypass" : "open");
	open_objects++;
	*out = (struct kbpf *)&open_objects;
	return 0;
}

static void fake_kbpf_close(struct kbpf *bpf)
{
	assert_ptr_equal(bpf, &open_objects);
	open_objects--;
	event("close");
}

static int fake_peername_open(struct peername **out, const struct peername_opts *opts,
			      char why[256])
{
	assert_string_equal(opts->cgroup ? opts->cgroup : "own", opened_in);
	if (no_peername) {
		snprintf(why, 256, "no peername");
		return -EPERM;
	}
	open_objects++;
	*out = (struct peername *)&open_objects;
	return 0;
}

static void fake_peername_close(struct peername *p)
{
	if (p)
		open_objects--;
}

static void fake_probe_record(struct probe_report *r)
{
	event("record");
	probe_say(r, "record", "TCP_ULP tls", false, "none");
	probe_next_step(r, "load it");
}

static void fake_probe_edit(struct probe_report *r, struct kbpf *bpf)
{
	assert_ptr_equal(bpf, &open_objects);
	event("edit");
	r->edit = true;
	probe_say(r, "edit", "injection", true, "done");
}

static void fake_probe_bypass(struct probe_report *r, struct kbpf *bpf)
{
	assert_ptr_equal(bpf, &open_objects);
	event("bypass");
	r->bypass = true;
	probe_say(r, "bypass", "redirect", true, "done");
	if (lies)
		probe_say(r, "bypass", "FIONREAD, by TCP", false, "says 0");
}

static void fake_probe_peername(struct probe_report *r, struct peername *p)
{
	assert_ptr_equal(p, &open_objects);
	event("peername");
	r->peername = true;
	probe_say(r, "peername", "programs", true, "done");
}

static void fake_probe_guard(struct probe_report *r)
{
	event("guard");
	r->guard = true;
	probe_say(r, "guard", "XDP", true, "done");
}

static int fake_probe_speed(struct speed_report *r)
{
	event("speed");
	memset(r, 0, sizeof(*r));
	for (int s = 0; s < SUITE_COUNT; s++) {
		r->suites[s].rounds = 12;
		for (int work = 0; work < SPEED_WORKS; work++)
			r->suites[s].works[work] = (struct speed_figures){
				.ns = {{1000, 2000, 3000}, {1000, 2500, 3000}},
				.ratio = {1.1, 1.25, 1.3},
				.verdict = SPEED_USER_LESS,
			};
	}
	return no_speed ? -EMFILE : 0;
}

#define kbpf_open      fake_kbpf_open
#define kbpf_close     fake_kbpf_close
#define peername_open  fake_peername_open
#define peername_close fake_peername_close
#define probe_record   fake_probe_record
#define probe_edit     fake_probe_edit
#define probe_bypass   fake_probe_bypass
#define probe_peername fake_probe_peername
#define probe_guard    fake_probe_guard
#define probe_speed    fake_probe_speed
#include "daemon/cmd_probe.c"

static struct loaded probe(const char *args)
{
	struct loaded l;

	optind = 0; /* getopt_long(3) begins again */
	events[0] = opened_in[0] = '\0';
	l = run_command(cmd_probe, "probe", args);
	assert_int_equal(open_objects, 0);
	return l;
}

static int setup(void **state)
{
	(void)state;
	no_bpf = no_bypass = no_peername = no_speed = lies = false;
	return 0;
}

/* prefer leaves the bypass off then. */
static void a_bypass_that_only_require_uses(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};

	(void)state;
	lies = true;
	l = probe("");
	assert_non_null(strstr(l.out, "bypass: with require only   peername: possible"));
}

static void everything_is_probed_in_turn(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = probe(""), other = {0};
	struct utsname u;
	char head[256];

	(void)state;
	uname(&u);
	assert_int_equal(l.status, EXIT_DONE);
	/* The bypass needs an object of its own: the editor's has no sockops program. */
	assert_string_equal(events, "record open edit close open+bypass bypass "
				    "close peername guard ");
	assert_string_equal(opened_in, "own");
	snprintf(head, sizeof(head),
		 "kernel %s\nrecord: user space   edit: kernel   bypass: possible   peername: "
		 "possible   guard: possible\n\n",
		 u.release);
	assert_int_equal(strncmp(l.out, head, strlen(head)), 0);
	assert_string_equal(l.out + strlen(head),
			    "record   TCP_ULP tls                no  none\n"
			    "                                        next step: load it\n"
			    "edit     injection                  yes done\n"
			    "bypass   redirect                   yes done\n"
			    "peername programs                   yes done\n"
			    "guard    XDP                        yes done\n");
	assert_string_equal(l.err, "");
	other = probe("--cgroup /sys/fs/cgroup/x");
	assert_string_equal(opened_in, "/sys/fs/cgroup/x");
}

static void what_cannot_be_opened_has_its_row(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0}, bypass = {0};

	(void)state;
	no_bpf = no_peername = true;
	l = probe("");
	assert_int_equal(l.status, EXIT_DONE);
	assert_string_equal(events, "record guard ");
	assert_non_null(strstr(l.out, "edit: user space   bypass: not possible   "
				      "peername: not possible"));
	assert_non_null(strstr(l.out, "edit     sk_msg program             no  no bpf"));
	assert_non_null(strstr(l.out, "peername getpeername programs       no  no peername"));
	no_bpf = no_peername = false;
	no_bypass = true;
	bypass = probe("");
	assert_string_equal(events, "record open edit close peername guard ");
	assert_non_null(strstr(bypass.out, "bypass   sockops program            no  no bypass"));
}

static void json_has_the_same(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};
	const json_t *tried, *row;
	json_t *root;

	(void)state;
	no_bypass = true; /* its cause is no UTF-8; the row is there all the same */
	l = probe("--json");
	assert_int_equal(l.status, EXIT_DONE);
	root = json_loads(l.out, 0, NULL);
	assert_non_null(root);
	assert_true(json_is_false(json_object_get(root, "record")));
	assert_true(json_is_true(json_object_get(root, "edit")));
	assert_true(json_is_false(json_object_get(root, "bypass")));
	assert_true(json_is_true(json_object_get(root, "peername")));
	assert_true(json_is_true(json_object_get(root, "guard")));
	assert_true(json_is_string(json_object_get(root, "kernel")));
	tried = json_object_get(root, "tried");
	assert_int_equal(json_array_size(tried), 5);
	row = json_array_get(tried, 0);
	assert_string_equal(json_string_value(json_object_get(row, "capability")), "record");
	assert_string_equal(json_string_value(json_object_get(row, "name")), "TCP_ULP tls");
	assert_string_equal(json_string_value(json_object_get(row, "detail")), "none");
	assert_string_equal(json_string_value(json_object_get(row, "next")), "load it");
	assert_true(json_is_false(json_object_get(row, "ok")));
	assert_null(json_object_get(json_array_get(tried, 1), "next"));
	row = json_array_get(tried, 2);
	assert_string_equal(json_string_value(json_object_get(row, "detail")), "no bypass ?");
	json_decref(root);
}

static void speed_is_measured_instead(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = probe("--speed"), json = {0}, failed = {0};
	json_t *root;

	(void)state;
	assert_int_equal(l.status, EXIT_DONE);
	assert_string_equal(events, "speed ");
	assert_non_null(strstr(l.out, "12 rounds: records in user space cost less for a request"));
	assert_string_equal(l.err, "");
	json = probe("--json --speed");
	assert_int_equal(json.status, EXIT_DONE);
	assert_string_equal(events, "speed ");
	root = json_loads(json.out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(root, "speed")), SUITE_COUNT);
	assert_non_null(strstr(json.out, "\"median\": 1.25,"));
	json_decref(root);
	no_speed = true;
	failed = probe("--speed");
	assert_int_equal(failed.status, EXIT_FAILED);
	assert_string_equal(failed.out, "");
}

static void help_and_mistakes_probe_nothing(void **state)
{
	static const char usage[] = "usage: kedge probe [--json] [--cgroup DIR]\n"
				    "       kedge probe --speed [--json]\n";
	static const struct {
		const char *args;
		int status;
		const char *out, *err;
	} cases[] = {
		{"--help", EXIT_DONE, usage, ""},
		{"-h", EXIT_DONE, usage, ""},
		{"--cgroup", EXIT_USAGE, "", "--cgroup: needs a value"},
		{"--frob", EXIT_USAGE, "", "kedge: error: --frob: unknown option: see kedge probe"},
		{"--sped", EXIT_USAGE, "", "unknown option; did you mean --speed?"},
		{"--speed=x", EXIT_USAGE, "", "takes no value"},
		{"--speed fast", EXIT_USAGE, "",
		 "kedge: error: fast: not an option: see kedge probe --help\n"},
		{"--speed --cgroup /sys/fs/cgroup", EXIT_USAGE, "",
		 "kedge: error: --cgroup: is for the BPF programs, which --speed does not load: "},
		{"/sys/fs/cgroup", EXIT_USAGE, "",
		 "kedge: error: /sys/fs/cgroup: not an option: see kedge probe --help\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(loaded_free)
		struct loaded l = probe(cases[i].args);

		assert_int_equal(l.status, cases[i].status);
		assert_string_equal(events, "");
		assert_string_equal(l.out, cases[i].out);
		assert_non_null(strstr(l.err, cases[i].err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(everything_is_probed_in_turn, setup),
		cmocka_unit_test_setup(a_bypass_that_only_require_uses, setup),
		cmocka_unit_test_setup(what_cannot_be_opened_has_its_row, setup),
		cmocka_unit_test_setup(json_has_the_same, setup),
		cmocka_unit_test_setup(speed_is_measured_instead, setup),
		cmocka_unit_test_setup(help_and_mistakes_probe_nothing, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
