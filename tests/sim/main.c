/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim [--from N] [--seeds N] [--seconds N] [--jobs N]: runs so many seeds, in children. A child
 * that dies has found something: the seed is printed, with the command that runs it again.
 * sim --seed N [--verbose]: runs one, in this process.
 * sim --bytes FILE [--verbose]: the same with decisions from a file, as a fuzzer makes them.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cover.h"
#include "sim.h"

/* A child makes so many runs. Then its memory is looked at for leaks. */
#define RUNS_A_CHILD 64
/* Every so many seeds, one is run a second time: the log must be the same. */
#define AGAIN        8
#define JOBS_MAX     64

struct options {
	uint64_t seed, from, seeds, seconds, jobs;
	const char *bytes; /* a file */
	bool one, verbose;
};

/* Of a child. */
struct job {
	pid_t pid;
	uint64_t seed, end; /* the seed that runs now; the first one that is not its own */
	uint64_t turns, events, again;
};

static struct job *jobs;
static uint64_t failures, runs;
static const char *program;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sim_result run(uint64_t seed)
{
	struct sim_result result;
	struct choices c;

	choices_seed(&c, seed);
	sim_run(&c, &result);
	return result;
}

/* --- a child ---------------------------------------------------------------------------------- */

static void run_seeds(struct job *j)
{
	while (j->seed < j->end) {
		struct sim_result a = run(j->seed);

		j->turns += a.turns;
		j->events += a.events;
		if (j->seed % AGAIN == 0) {
			struct sim_result b = run(j->seed);

			j->again++;
			if (a.hash != b.hash) {
				fprintf(stderr, "sim: two runs of one seed differ\n");
				abort();
			}
		}
		j->seed++;
	}
	sim_over();
}

static void start(struct job *j, uint64_t from, uint64_t end)
{
	pid_t pid;

	j->seed = from;
	j->end = end;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid) {
		j->pid = pid;
		return;
	}
	run_seeds(j);
	exit(0);
}

/* --- the parent ------------------------------------------------------------------------------- */

static void report(struct job *j, int status)
{
	if (j->seed == j->end && status == 0)
		return;
	failures++;
	if (j->seed == j->end) {
		fprintf(stderr,
			"sim: a run of the seeds before %" PRIu64
			" leaves something behind; to find "
			"it: %s --from %" PRIu64 " --seeds %d --jobs 1\n",
			j->end, program, j->end - RUNS_A_CHILD, RUNS_A_CHILD);
		return;
	}
	fprintf(stderr,
		"sim: seed %" PRIu64 " failed; to run it again: %s --seed %" PRIu64 " --verbose\n",
		j->seed, program, j->seed);
}

/* Waits for a child. */
static struct job *collect(uint64_t count)
{
	int status;
	pid_t pid = wait(&status);

	for (uint64_t i = 0; i < count; i++)
		if (jobs[i].pid == pid) {
			jobs[i].pid = 0;
			report(&jobs[i], status);
			return &jobs[i];
		}
	perror("wait");
	exit(1);
}

static void run_all(const struct options *o)
{
	uint64_t next = o->from, end = o->seconds ? UINT64_MAX : o->from + o->seeds;
	double until = now_s() + (double)o->seconds;
	uint64_t busy = 0;

	for (;;) {
		struct job *j = NULL;
		bool more = next < end && failures < 20 && (!o->seconds || now_s() < until);

		for (uint64_t i = 0; i < o->jobs && !j; i++)
			if (!jobs[i].pid)
				j = &jobs[i];
		if (more && j) {
			uint64_t to = end - next < RUNS_A_CHILD ? end : next + RUNS_A_CHILD;

			start(j, next, to);
			next = to;
			busy++;
			continue;
		}
		if (!busy)
			break;
		j = collect(o->jobs);
		busy--;
		/* The seeds behind the one that failed. */
		if (j->seed + 1 < j->end && failures < 20) {
			start(j, j->seed + 1, j->end);
			busy++;
		}
	}
	runs = next - o->from;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (!*text || *end) {
		fprintf(stderr, "sim: %s is no number\n", text);
		exit(2);
	}
	return n;
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {{"seed", 1, 0, 's'},    {"from", 1, 0, 'f'},
					      {"seeds", 1, 0, 'n'},   {"seconds", 1, 0, 't'},
					      {"jobs", 1, 0, 'j'},    {"bytes", 1, 0, 'b'},
					      {"verbose", 0, 0, 'v'}, {0}};
	struct options o = {.seeds = 256, .jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN)};
	int c;

	while ((c = getopt_long(argc, argv, "v", known, NULL)) != -1) {
		uint64_t n = strchr("v?b", c) ? 0 : number(optarg);

		switch (c) {
		case 'b':
			o.one = true;
			o.bytes = optarg;
			break;
		case 's':
			o.one = true;
			o.seed = n;
			break;
		case 'f':
			o.from = n;
			break;
		case 'n':
			o.seeds = n;
			break;
		case 't':
			o.seconds = n;
			break;
		case 'j':
			o.jobs = n < JOBS_MAX ? n : JOBS_MAX;
			break;
		case 'v':
			o.verbose = true;
			break;
		default:
			exit(2);
		}
	}
	return o;
}

static struct sim_result run_bytes(const char *file)
{
	static uint8_t bytes[1 << 20];
	struct sim_result result;
	struct choices c;
	FILE *f = fopen(file, "r");

	if (!f) {
		perror(file);
		exit(2);
	}
	choices_bytes(&c, bytes, fread(bytes, 1, sizeof(bytes), f));
	fclose(f);
	sim_run(&c, &result);
	return result;
}

static int run_one(const struct options *o)
{
	struct sim_result r;

	if (o->verbose)
		sim_be_verbose();
	r = o->bytes ? run_bytes(o->bytes) : run(o->seed);
	printf("seed %" PRIu64 ": %" PRIu64 " turns, %" PRIu64 " events, hash %016" PRIx64 "\n",
	       o->seed, r.turns, r.events, r.hash);
	if (o->verbose)
		cover_print();
	sim_over();
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	uint64_t turns = 0, events = 0, again = 0;
	unsigned lacks = 0;
	double began = now_s();

	program = argv[0];
	cover_begin();
	if (o.one)
		return run_one(&o);
	jobs = mmap(NULL, JOBS_MAX * sizeof(*jobs), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (jobs == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	run_all(&o);
	for (int i = 0; i < JOBS_MAX; i++) {
		turns += jobs[i].turns;
		events += jobs[i].events;
		again += jobs[i].again;
	}
	cover_print();
	if (runs >= 256) /* fewer cannot reach everything */
		lacks = cover_lacks();
	printf("sim: seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " events, %" PRIu64
	       " turns of the loop, %" PRIu64 " run twice, %.0f s\n",
	       o.from, o.from + runs - 1, events, turns, again, now_s() - began);
	printf("sim: %" PRIu64 " passed, %" PRIu64 " failed, 0 skipped\n", runs - failures + !lacks,
	       failures + !!lacks);
	return failures || lacks;
}
