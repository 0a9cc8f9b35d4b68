/* SPDX-License-Identifier: BSD-2-Clause */
/* A run: a worker is made, everybody acts, all fall silent, the worker drains. See sim.h. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "calls.h"
#include "conn/worker.h"
#include "cover.h"
#include "oracle.h"
#include "sim_conf.h"
#include "sim_turn.h"
#include "tls_world.h"

/* Clients with one fault in a request. */
#define FAULTS_MAX 8

struct sim_mood sim_mood;
struct worker sim_worker;
struct people people;

static struct limits limits;
static struct shared shared;
static struct kedge_stats *stats;
static struct generation *newest;
static bool verbose;

static void hear(struct log_tap *tap, enum log_level level, const char *line)
{
	(void)tap;
	(void)level;
	(void)line;
}

static struct log_tap quiet = {.hear = hear, .quiet = true};

void sim_be_verbose(void)
{
	verbose = true;
	world_log_verbose(true);
}

void people_end(void)
{
	for (unsigned i = 0; i < people.clients; i++) {
		struct client *c = people.client[i];

		tls_client_free(c->t);
		script_free(&c->script);
		free(c->got.data);
		free(c->item);
		free(c);
	}
	for (unsigned i = 0; i < people.legs; i++) {
		free(people.leg[i]->todo.data);
		free(people.leg[i]->header.data);
		free(people.leg[i]);
	}
	people = (struct people){0};
}

/* --- the worker ------------------------------------------------------------------------------- */

static void must(int err, const char *what)
{
	if (err)
		world_fail("%s: %s", what, strerror(-err));
}

static struct doors *doors_of(struct generation *g, const struct doors *before, const int *from)
{
	struct sockets *sockets;
	struct doors *set;

	world.descriptor_faults = 0;
	must(sockets_open(&sockets, g->conf, from, NULL), "sockets_open");
	must(doors_new(&set, &sim_worker.acceptor, g), "doors_new");
	must(doors_give(set, sockets, 0, before, from), "doors_give");
	sockets_close(sockets);
	return set;
}

static void worker_up(void)
{
	stats = aligned_alloc(64, sizeof(*stats));
	memset(stats, 0, sizeof(*stats));
	must(limits_init(&limits), "limits_init");
	shared = (struct shared){.limits = &limits,
				 .metrics = metrics_new(1),
				 .done_fd = __wrap_eventfd(0, EFD_NONBLOCK)};
	newest = generation_new(sim_conf_make(NULL), 1, 1);
	must(tls_shared_init(&newest->tls, newest->conf, &(struct ktls_caps){0}), "tls");
	must(worker_init(&sim_worker, 0, &shared, stats), "worker_init");
	worker_post(&sim_worker, doors_of(newest, NULL, NULL));
	sim_worker.started = true; /* so that it is woken */
}

void sim_operate(void)
{
	const struct servers *s = newest->apps;
	unsigned i = dice((uint32_t)s->count);
	enum server_admin admin = dice_rare(2) ? (enum server_admin)dice(3) : SERVER_READY;

	world_log("operator", 0, i, admin);
	server_set_admin(s->set[i], admin, world_ms());
	worker_servers(&sim_worker);
	sim_mood.taken_out |= admin != SERVER_READY;
}

bool sim_servers_wanted(void)
{
	return sim_mood.taken_out || !TAILQ_EMPTY(&sim_worker.queue);
}

/* Nobody has a connection to a server any more, nor waits for one. */
static void check_servers(void)
{
	const struct servers *s = newest->apps;

	if (s->waiting)
		world_fail("%u connections still wait for a server", s->waiting);
	for (size_t i = 0; i < s->count; i++)
		if (s->set[i]->connections || s->set[i]->rows->busy)
			world_fail("server %s: %u connections are still counted, %u of them busy",
				   s->set[i]->name, s->set[i]->connections, s->set[i]->rows->busy);
}

static void worker_down(void)
{
	sim_worker.started = false;
	worker_fini(&sim_worker);
	check_servers();
	generation_put(newest);
	metrics_free(shared.metrics);
	if (limits.connections || limits.handshakes)
		world_fail("%u connections and %u handshakes are still counted", limits.connections,
			   limits.handshakes);
	limits_fini(&limits);
	__wrap_close(shared.done_fd);
	if (world.fds)
		world_fail("%u descriptors are still open", world.fds);
	if (generation_count())
		world_fail("%u configurations are still there", generation_count());
	free(stats);
}

void sim_reload(void)
{
	struct conf *conf = sim_conf_make(newest->conf);
	struct generation *g = generation_new(conf, newest->number + 1, 1);
	int from[16];

	if (worker_waits(&sim_worker)) {
		generation_put(g);
		return;
	}
	for (size_t i = 0; i < conf->listeners_count; i++)
		from[i] = i < newest->conf->listeners_count ? (int)i : -1;
	generation_inherit(g, newest, from);
	must(tls_shared_next(&g->tls, &newest->tls, conf), "tls_shared_next");
	world_log("reload", 0, g->number, conf->listeners_count);
	worker_post(&sim_worker, doors_of(g, sim_worker.doors, from));
	generation_put(newest);
	newest = g;
	cover_count(COVER_RELOADS);
}

/* --- what it counted -------------------------------------------------------------------------- */

static uint64_t reasons_counted(void)
{
	const uint64_t *n = (const uint64_t *)&stats->reasons;
	uint64_t all = 0;

	for (int i = 0; i < KEDGE_REASON_COUNT - 1; i++) {
		all += n[i];
		cover_reason((enum kedge_reason)(i + 1), n[i]);
	}
	return all;
}

static void same(const char *what, uint64_t counted, uint64_t happened)
{
	if (counted != happened)
		world_fail("%s: %llu are counted, %llu happened", what, (unsigned long long)counted,
			   (unsigned long long)happened);
}

static void add_listener(void *arg, const char *name, const struct metrics_listener *l)
{
	struct metrics_listener *sum = arg;

	(void)name;
	sum->accepted += l->accepted;
	sum->closed += l->closed;
	sum->flows += l->flows;
	sum->requests += l->requests;
	for (int i = 0; i < METRICS_CLASSES; i++) {
		sum->responses[0] += l->responses[i];
		sum->own[0] += l->own[i];
	}
}

/* What is told by listener is the whole. */
static void listeners_over(void)
{
	struct metrics_listener sum = {0};

	metrics_each_listener(shared.metrics, add_listener, &sum);
	same("connections accepted, by listener", sum.accepted, stats->accepted);
	same("connections closed, by listener", sum.closed, stats->closed);
	same("flows, by listener", sum.flows, stats->flows);
	same("requests, by listener", sum.requests, stats->requests_user);
	same("responses, by listener", sum.responses[0], stats->responses);
	same("responses of kedge's own, by listener", sum.own[0], stats->responses_own);
}

void oracle_over(void)
{
	uint64_t down = 0, ended = 0, told = 0, turned = 0;

	for (unsigned i = 0; i < people.clients; i++) {
		const struct client *c = people.client[i];

		oracle_client_over(people.client[i]);
		told += c->counted;
		ended += c->accepted && c->ended && !c->dropped;
		turned += c->turned_away;
	}
	for (unsigned i = 0; i < people.legs; i++)
		down += people.leg[i]->s->in_taken;
	same("connections accepted", stats->accepted, sim_mood.accepted - sim_mood.dropped);
	same("connections closed", stats->closed, ended);
	same("reasons", reasons_counted(), told + turned);
	same("bytes from the application", stats->bytes_down, down);
	oracle_legs_over();
	listeners_over();
	if (!world.memory_faults)
		same("answers of kedge's own", stats->responses_own, sim_mood.answers);
}

/* --- the run ---------------------------------------------------------------------------------- */

static void make_client(enum client_mood mood)
{
	const struct conf *conf = newest->conf;
	unsigned listener = dice((uint32_t)conf->listeners_count);

	client_new(listener, &conf->listeners[listener], mood,
		   world_ms() + (dice_rare(3) ? dice(20000) : 0));
}

static enum client_mood any_mood(void)
{
	if (sim_mood.kept && dice(5))
		return CLIENT_KEPT;
	return sim_mood.plain || !dice(4) ? CLIENT_PLAIN : CLIENT_ANY;
}

static void make_clients(void)
{
	unsigned n = sim_mood.kept ? 12 + dice(30) : 1 + dice(dice_rare(2) ? 40 : 16);
	unsigned faults = sim_mood.plain ? 0 : dice(FAULTS_MAX + 1);

	/* With few clients, a leg of the pool is idle for longer. */
	if (sim_mood.kept && sim_mood.shared && dice(2))
		n = 3 + dice(8);
	while (n--)
		make_client(any_mood());
	while (faults--)
		make_client(CLIENT_FAULT);
}

void sim_run(struct choices *c, struct sim_result *result)
{
	struct log_tap *before = log_set_tap(verbose ? NULL : &quiet);

	cover_begin();
	tls_world_begin();
	world_begin(c);
	sim_mood = (struct sim_mood){.plain = !dice(6)};
	sim_mood.shared = !dice(3);
	sim_mood.kept = !sim_mood.plain && !dice(sim_mood.shared ? 2 : 3);
	worker_up();
	make_clients();
	oracle_legs_begin();
	turn_run();
	loop_run(&sim_worker.loop);
	world.kedge_runs = false;
	oracle_over();
	worker_down();
	*result = (struct sim_result){world.hash, world.events, turn_count()};
	people_end();
	world_end();
	log_set_tap(before);
}

void sim_over(void)
{
	script_over();
	tls_world_over();
}
