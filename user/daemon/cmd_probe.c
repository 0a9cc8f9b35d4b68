/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge probe: tries what this kernel can do for kedge, or measures its record layers. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "daemon/cmd.h"
#include "daemon/cmd_probe.h"
#include "base/log.h"
#include "daemon/json_text.h"
#include "daemon/option_mistake.h"
#include "daemon/probe_bpf.h"
#include "daemon/probe_record.h"
#include "daemon/speed_text.h"

static void probe_bpf(struct probe_report *r, const char *cgroup)
{
	struct kbpf_opts opts = {.edit = true, .cgroup = cgroup, .workers = 1, .flows_max = 16};
	struct kbpf *bpf = NULL;
	char why[256];

	if (kbpf_open(&bpf, &opts, why) < 0) {
		probe_no_bpf(r, why);
		return;
	}
	probe_edit(r, bpf);
	kbpf_close(bpf);
	opts.bypass = true;
	if (kbpf_open(&bpf, &opts, why) < 0) {
		probe_no_bypass(r, why);
		return;
	}
	probe_bypass(r, bpf);
	kbpf_close(bpf);
}

static void run_probes(struct probe_report *r, const char *cgroup)
{
	const struct peername_opts opts = {.cgroup = cgroup, .flows_max = 16};
	struct peername *peername = NULL;
	char why[256];

	probe_record(r);
	probe_bpf(r, cgroup);
	if (peername_open(&peername, &opts, why) < 0)
		probe_no_peername(r, why);
	else
		probe_peername(r, peername);
	peername_close(peername);
	probe_guard(r);
}

/* `prefer` leaves the bypass off where FIONREAD lies: capabilities.c. */
static const char *bypass_word(const struct probe_report *r)
{
	if (!r->bypass)
		return "not possible";
	for (size_t i = 0; i < r->count; i++)
		if (!r->rows[i].ok && !strcmp(r->rows[i].capability, "bypass"))
			return "with require only";
	return "possible";
}

static void print_table(const struct probe_report *r, const char *kernel)
{
	printf("kernel %s\n", kernel);
	printf("record: %s   edit: %s   bypass: %s   peername: %s   "
	       "guard: %s\n\n",
	       r->record ? "kernel" : "user space", r->edit ? "kernel" : "user space",
	       bypass_word(r), r->peername ? "possible" : "not possible",
	       r->guard ? "possible" : "not possible");
	for (size_t i = 0; i < r->count; i++) {
		const struct probe_row *row = &r->rows[i];

		printf("%-8s %-26s %-3s %s\n", row->capability, row->name, row->ok ? "yes" : "no",
		       row->detail);
		if (row->next)
			printf("%-8s %-26s     next step: %s\n", "", "", row->next);
	}
}

static void print_json(const struct probe_report *r, const char *kernel)
{
	json_t *root = json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "kernel", kernel, "record",
				 r->record, "edit", r->edit, "bypass", r->bypass, "peername",
				 r->peername, "guard", r->guard);
	json_t *rows = json_array();

	for (size_t i = 0; i < r->count; i++) {
		const struct probe_row *row = &r->rows[i];

		json_array_append_new(rows, json_pack("{s:s, s:s, s:b, s:o, s:s*}", "capability",
						      row->capability, "name", row->name, "ok",
						      row->ok, "detail", json_text(row->detail),
						      "next", row->next));
	}
	json_object_set_new(root, "tried", rows);
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

struct args {
	const char *cgroup; /* borrowed from argv; NULL: our own */
	bool json, speed;
};

/* -1 to go on, or the exit status (--help, a mistake). */
static int read_args(struct args *args, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"cgroup", required_argument, NULL, 'g'},
		{"speed", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		switch (opt) {
		case 'j':
			args->json = true;
			break;
		case 'g':
			args->cgroup = optarg;
			break;
		case 's':
			args->speed = true;
			break;
		case 'h':
			printf("usage: kedge probe [--json] [--cgroup DIR]\n"
			       "       kedge probe --speed [--json]\n");
			return EXIT_DONE;
		default:
			option_mistake(argv[0], opt, argv, options);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		log_error("%s: not an option: see kedge probe --help", argv[optind]);
		return EXIT_USAGE;
	}
	if (args->speed && args->cgroup) {
		log_error("--cgroup: is for the BPF programs, which --speed does not load: leave "
			  "out one of the two");
		return EXIT_USAGE;
	}
	return -1;
}

static int measure_speed(bool as_json, const char *kernel)
{
	struct speed_report report;
	json_t *root;

	if (probe_speed(&report) < 0)
		return EXIT_FAILED;
	if (!as_json) {
		speed_text_print(stdout, &report, kernel);
		return EXIT_DONE;
	}
	root = speed_text_json(&report, kernel);
	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(4));
	putchar('\n');
	json_decref(root);
	return EXIT_DONE;
}

int cmd_probe(int argc, char **argv)
{
	struct probe_report report = {0};
	struct args args = {0};
	struct utsname u;
	int status = read_args(&args, argc, argv);

	if (status >= 0)
		return status;
	uname(&u);
	if (args.speed)
		return measure_speed(args.json, u.release);
	run_probes(&report, args.cgroup);
	if (args.json)
		print_json(&report, u.release);
	else
		print_table(&report, u.release);
	return EXIT_DONE;
}
