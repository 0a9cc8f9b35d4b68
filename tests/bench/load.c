/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load: the client of the benchmarks: a fixed number of requests over HTTP/1.1 and TLS 1.3, one
 * process, one epoll loop. Prints one line of JSON; any error ends it with status 1 and a reason.
 *
 *   load --port PORT [--mode keep|new|resume|idle] [--plain] [--connections N] [--size BYTES]
 *        [--upload BYTES] [--requests N] [--warmup N] [--rate PER_SECOND] [--patience SECONDS]
 *        [--cpu NAME=PID,PID...]...
 *
 * --cpu asks for the CPU time of other processes within the measured part. --mode idle opens the
 * connections one by one, one request on each, says "idle" and holds them until its standard input
 * ends.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu.h"
#include "load_run.h"
#include "mark.h"

#define GROUPS_MAX 4

static struct load load = {.tls = true, .connections = 1, .requests = 1000, .patience_s = 60};
static struct load_result result;
static struct cpu_group groups[GROUPS_MAX];
static size_t groups_count;

static const struct option options[] = {
	{"port", required_argument, NULL, 'p'},     {"mode", required_argument, NULL, 'm'},
	{"plain", no_argument, NULL, 'P'},          {"connections", required_argument, NULL, 'c'},
	{"size", required_argument, NULL, 's'},     {"upload", required_argument, NULL, 'u'},
	{"requests", required_argument, NULL, 'n'}, {"warmup", required_argument, NULL, 'w'},
	{"rate", required_argument, NULL, 'r'},     {"patience", required_argument, NULL, 't'},
	{"cpu", required_argument, NULL, 'C'},      {NULL, 0, NULL, 0},
};

static void usage(const char *option, const char *value)
{
	fprintf(stderr, "load: --%s: \"%s\" is not possible\n", option, value);
	exit(2);
}

static uint64_t number(const char *option, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t n = strtoull(optarg, &end, 10);

	if (end == optarg || *end || n < least || n > most)
		usage(option, optarg);
	return n;
}

static enum load_mode mode(void)
{
	static const char *const names[] = {"keep", "new", "resume", "idle"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(optarg, names[i]))
			return (enum load_mode)i;
	usage("mode", optarg);
	return LOAD_KEEP;
}

static void read_options(int argc, char **argv)
{
	int opt, index;

	while ((opt = getopt_long(argc, argv, "", options, &index)) != -1) {
		const char *name = opt == '?' ? "" : options[index].name;

		switch (opt) {
		case 'p':
			load.port = (uint16_t)number(name, 1, UINT16_MAX);
			break;
		case 'm':
			load.mode = mode();
			break;
		case 'P':
			load.tls = false;
			break;
		case 'c':
			load.connections = (unsigned)number(name, 1, 100000);
			break;
		case 's':
			load.size = number(name, 0, UINT32_MAX);
			break;
		case 'u':
			load.upload = number(name, 0, UINT32_MAX);
			break;
		case 'n':
			load.requests = number(name, 1, UINT32_MAX);
			break;
		case 'w':
			load.warmup = number(name, 0, UINT32_MAX);
			break;
		case 'r':
			load.rate = number(name, 1, 10000000);
			break;
		case 't':
			load.patience_s = (unsigned)number(name, 1, 3600);
			break;
		case 'C':
			if (groups_count == GROUPS_MAX ||
			    cpu_group_parse(&groups[groups_count++], optarg))
				usage(name, optarg);
			break;
		default:
			exit(2);
		}
	}
	if (!load.port || optind != argc)
		usage("port", optind != argc ? argv[optind] : "");
	/* Each connection needs a session to resume before it is measured. */
	if (load.mode == LOAD_RESUME && load.warmup < load.connections)
		load.warmup = load.connections;
}

static void print_quantile(const char *name, uint32_t ppm)
{
	printf(", \"%s_ns\": %llu", name, (unsigned long long)hist_quantile(&result.latency, ppm));
}

static void print_result(uint64_t cpu_ns, const uint64_t *groups_ns)
{
	printf("{\"requests\": %llu, \"resumed\": %llu, \"wall_ns\": %llu",
	       (unsigned long long)load.requests, (unsigned long long)result.resumed,
	       (unsigned long long)result.wall_ns);
	print_quantile("p50", 500000);
	print_quantile("p99", 990000);
	print_quantile("p999", 999000);
	print_quantile("max", 1000000);
	printf(", \"cpu_ns\": {\"load\": %llu", (unsigned long long)cpu_ns);
	for (size_t i = 0; i < groups_count; i++)
		printf(", \"%s\": %llu", groups[i].name, (unsigned long long)groups_ns[i]);
	printf("}}\n");
}

/* A batch that resumed against its mode, or did not resume, has measured something else. */
static void check_resumed(void)
{
	uint64_t wanted = load.mode == LOAD_RESUME ? load.requests : 0;

	if (result.resumed == wanted)
		return;
	fprintf(stderr, "load: %llu of %llu handshakes were resumed, not %llu\n",
		(unsigned long long)result.resumed, (unsigned long long)load.requests,
		(unsigned long long)wanted);
	exit(1);
}

static void measure(struct load_run *r)
{
	uint64_t before[GROUPS_MAX], used[GROUPS_MAX], self;

	if (load.warmup)
		load_run_batch(r, load.warmup, NULL);
	for (size_t i = 0; i < groups_count; i++)
		before[i] = cpu_group_ns(&groups[i]);
	self = cpu_self_ns();
	MARK(MARK_BEGIN);
	load_run_batch(r, load.requests, &result);
	MARK(MARK_END);
	self = cpu_self_ns() - self;
	for (size_t i = 0; i < groups_count; i++)
		used[i] = cpu_group_ns(&groups[i]) - before[i];
	check_resumed();
	print_result(self, used);
}

static void hold(struct load_run *r)
{
	char end;

	load_run_hold(r);
	puts("idle");
	fflush(stdout);
	while (read(STDIN_FILENO, &end, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	struct load_run r;

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	load_run_init(&r, &load);
	if (load.mode == LOAD_IDLE)
		hold(&r);
	else
		measure(&r);
	load_run_fini(&r);
	return 0;
}
