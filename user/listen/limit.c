/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of connections, and the descriptors they need. See limit.h. */
#include "listen/limit.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/log.h"

/* One for each leg. */
#define DESCRIPTORS_A_CONNECTION 2
/* Its epoll and its eventfd. */
#define DESCRIPTORS_A_WORKER     2
/* Of each of its pipes. */
#define DESCRIPTORS_A_PIPE       2
/* Standard streams, control socket, BPF maps, programs and links, a file; and some spare ones. */
#define DESCRIPTORS_OTHER        64

/* Of the BPF maps, unless connections-max is smaller. */
#define FLOWS_A_WORKER_MIN 1024

int limits_init(struct limits *l)
{
	*l = (struct limits){.sources = sources_new()};
	return l->sources ? 0 : -errno;
}

void limits_fini(struct limits *l)
{
	sources_free(l->sources);
	l->sources = NULL;
}

void limits_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static bool any_splices(const struct conf *conf)
{
	for (size_t i = 0; i < conf->listeners_count; i++)
		if (conf->listeners[i].splice)
			return true;
	return false;
}

/* Descriptors of so many connections and the pipes they leave behind: two each, in every worker. */
static uint64_t descriptors_of(uint64_t connections, uint64_t workers, bool splices)
{
	uint64_t pipes = 2 * connections;

	if (pipes > LIMIT_PIPES_A_WORKER)
		pipes = LIMIT_PIPES_A_WORKER;
	return connections * DESCRIPTORS_A_CONNECTION +
	       (splices ? workers * pipes * DESCRIPTORS_A_PIPE : 0);
}

/* The most connections that so many descriptors are enough for. */
static uint64_t connections_that_fit(uint64_t left, uint64_t workers, bool splices)
{
	uint64_t pipes = splices ? workers * DESCRIPTORS_A_PIPE : 0;
	uint64_t all = pipes * LIMIT_PIPES_A_WORKER;
	uint64_t few = left / (DESCRIPTORS_A_CONNECTION + 2 * pipes);
	uint64_t many = left > all ? (left - all) / DESCRIPTORS_A_CONNECTION : 0;

	return many > few ? many : few;
}

void limits_warn_descriptors(const struct conf *conf)
{
	const bool splices = any_splices(conf);
	uint64_t rest =
		conf->workers * (DESCRIPTORS_A_WORKER + conf->listeners_count) + DESCRIPTORS_OTHER;
	uint64_t need = rest + descriptors_of(conf->connections_max, conf->workers, splices);
	uint64_t fit = 0;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
		return;
	if (limit.rlim_cur > rest)
		fit = connections_that_fit(limit.rlim_cur - rest, conf->workers, splices);
	log_warn("connections-max %u needs %llu descriptors, and the "
		 "limit is %llu: %llu connections "
		 "fit; raise the limit (ulimit -Hn, LimitNOFILE=) or lower connections-max",
		 conf->connections_max, (unsigned long long)need,
		 (unsigned long long)limit.rlim_cur, (unsigned long long)fit);
}

unsigned limits_flows_each(const struct conf *conf)
{
	unsigned each = 2 * ((conf->connections_max + conf->workers - 1) / conf->workers);

	if (each < FLOWS_A_WORKER_MIN)
		each = FLOWS_A_WORKER_MIN;
	if (each > conf->connections_max)
		each = conf->connections_max;
	return each;
}
