/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics as text. See metrics_text.h. */
#include "metrics/metrics_text.h"

#include <inttypes.h>
#include <string.h>

#include "base/capability_loss.h"
#include "metrics/counters.h"
#include "http/reason.h"
#include "metrics/metrics_process.h"
#include "metrics/metrics_put.h"

/* These are told by listener and class. */
static bool is_told_elsewhere(const char *counter)
{
	return !strcmp(counter, "responses") || !strcmp(counter, "responses_own");
}

static void put_counters(FILE *to, const struct metrics_source *from)
{
	char name[96];

	for (size_t i = 0; i < counters_count; i++) {
		if (is_told_elsewhere(counters[i].name))
			continue;
		snprintf(name, sizeof(name), "kedge_%s_total", counters[i].name);
		put_family(to, name, "counter", counters[i].text);
		fprintf(to, "%s %" PRIu64 "\n", name,
			counters_sum(from->rows, from->rows_count, i));
	}
}

static void put_peername(FILE *to, const struct metrics_source *from)
{
	char name[96];

	for (size_t i = 0; i < peer_counters_count; i++) {
		snprintf(name, sizeof(name), "kedge_peername_%s_total", peer_counters[i].name);
		put_family(to, name, "counter", peer_counters[i].text);
		fprintf(to, "%s %" PRIu64 "\n", name, peer_counter(from->peername, i));
	}
}

static void put_guard(FILE *to, const struct metrics_source *from)
{
	struct kedge_guard_stats sum;
	char name[96];

	guard_stats(from->guard, &sum);
	for (size_t i = 0; i < guard_counters_count; i++) {
		snprintf(name, sizeof(name), "kedge_guard_%s_total", guard_counters[i].name);
		put_family(to, name, "counter", guard_counters[i].text);
		fprintf(to, "%s %" PRIu64 "\n", name, ((const uint64_t *)&sum)[i]);
	}
}

static void put_reasons(FILE *to, const struct metrics_source *from)
{
	put_family(to, "kedge_ended_total", "counter",
		   "connections refused, closed or answered by kedge itself, by reason");
	for (int i = 1; i < KEDGE_REASON_COUNT; i++)
		fprintf(to, "kedge_ended_total{reason=\"%s\"} %" PRIu64 "\n",
			reason_name((enum kedge_reason)i),
			counters_sum_reason(from->rows, from->rows_count, (enum kedge_reason)i));
}

static void put_gauges(FILE *to, const struct metrics_source *from)
{
	uint64_t closed = counters_sum_of(from->rows, from->rows_count, closed);
	uint64_t accepted = counters_sum_of(from->rows, from->rows_count, accepted);
	bool tcp = !metrics_app_is_unix(from->metrics);

	put_family(to, "kedge_build_info", "gauge", "always 1; the version is a label");
	fprintf(to, "kedge_build_info{version=\"%s\"} 1\n", KEDGE_VERSION);
	put_family(to, "kedge_workers", "gauge", "worker threads");
	fprintf(to, "kedge_workers %zu\n", from->rows_count);
	put_family(to, "kedge_connections_open", "gauge", "client connections that are open now");
	fprintf(to, "kedge_connections_open %" PRIu64 "\n",
		accepted > closed ? accepted - closed : 0);
	put_family(
		to, "kedge_capability", "gauge",
		"1 where new flows have it in the kernel, 0 where it is done in user space or off");
	fprintf(to,
		"kedge_capability{capability=\"record\"} %d\n"
		"kedge_capability{capability=\"edit\"} %d\n"
		"kedge_capability{capability=\"bypass\"} %d\n"
		"kedge_capability{capability=\"peername\"} %d\n"
		"kedge_capability{capability=\"guard\"} %d\n",
		from->record_kernel && !capability_is_lost(CAPABILITY_RECORD),
		tcp && from->edit_kernel && !capability_is_lost(CAPABILITY_EDIT),
		tcp && from->bypass && !capability_is_lost(CAPABILITY_BYPASS),
		tcp && from->peername && !capability_is_lost(CAPABILITY_PEERNAME),
		from->guard != NULL);
}

static void put_losses(FILE *to)
{
	struct capability_state s[CAPABILITY_COUNT];

	for (int i = 0; i < CAPABILITY_COUNT; i++)
		capability_read((enum capability)i, &s[i]);
	put_family(to, "kedge_capability_lost", "gauge",
		   "1 where a capability that worked at the start does not now");
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		fprintf(to, "kedge_capability_lost{capability=\"%s\"} %d\n",
			capability_name((enum capability)i), s[i].err != 0);
	put_family(to, "kedge_capability_losses_total", "counter",
		   "times that a capability was lost after the start");
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		fprintf(to, "kedge_capability_losses_total{capability=\"%s\"} %" PRIu64 "\n",
			capability_name((enum capability)i), s[i].losses);
	put_family(to, "kedge_capability_without_total", "counter",
		   "connections that went without a lost capability, or were refused for it");
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		fprintf(to, "kedge_capability_without_total{capability=\"%s\"} %" PRIu64 "\n",
			capability_name((enum capability)i), s[i].without);
}

static void put_flows(FILE *to, const struct metrics_row *sum)
{
	static const char *const record[] = {"plain", "user", "kernel"};
	static const char *const edit[] = {"user", "kernel", "none"};

	put_family(to, "kedge_flow_capabilities_total", "counter",
		   "flows by where their records are carried, where they are edited, and bypass");
	for (int r = 0; r < 3; r++)
		for (int e = 0; e < METRICS_EDIT_COUNT; e++)
			for (int b = 0; b < 2; b++)
				fprintf(to,
					"kedge_flow_capabilities_total{record=\"%s\",edit=\"%s\","
					"bypass=\"%s\"} %" PRIu64 "\n",
					record[r], edit[e], b ? "on" : "off", sum->flows[r][e][b]);
}

/* Each bucket of the format counts everything up to its bound, so the counts add up. */
static void put_histogram(FILE *to, const char *name, const char *help, const struct histogram *h)
{
	uint64_t below = 0;

	put_family(to, name, "histogram", help);
	for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
		uint64_t us = histogram_bound_us(i);

		below += h->count[i];
		fprintf(to, "%s_bucket{le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n", name,
			us / 1000000, us % 1000000, below);
	}
	below += h->count[HISTOGRAM_BOUNDS];
	fprintf(to, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
	fprintf(to, "%s_sum %" PRIu64 ".%06" PRIu64 "\n", name, h->sum_us / 1000000,
		h->sum_us % 1000000);
	fprintf(to, "%s_count %" PRIu64 "\n", name, below);
}

/* --- by listener: one family after the other, so the list is gone through once each ----------- */

struct listener_family {
	FILE *to;
	const char *name;
	uint64_t (*value)(const struct metrics_listener *l);
};

static uint64_t accepted_of(const struct metrics_listener *l)
{
	return l->accepted;
}

static uint64_t open_of(const struct metrics_listener *l)
{
	/* The two are not read at the same time. */
	return l->accepted > l->closed ? l->accepted - l->closed : 0;
}

static uint64_t handshakes_of(const struct metrics_listener *l)
{
	return l->handshakes;
}

static uint64_t flows_of(const struct metrics_listener *l)
{
	return l->flows;
}

static uint64_t requests_of(const struct metrics_listener *l)
{
	return l->requests;
}

static void put_listener(void *arg, const char *name, const struct metrics_listener *sum)
{
	const struct listener_family *f = arg;

	fprintf(f->to, "%s{listener=\"", f->name);
	put_label(f->to, name);
	fprintf(f->to, "\"} %" PRIu64 "\n", f->value(sum));
}

static void put_listeners(FILE *to, struct metrics *m)
{
	static const struct {
		const char *name, *type, *help;
		uint64_t (*value)(const struct metrics_listener *l);
	} families[] = {
		{"kedge_listener_accepted_total", "counter", "connections accepted, by listener",
		 accepted_of},
		{"kedge_listener_connections_open", "gauge", "connections open now, by listener",
		 open_of},
		{"kedge_listener_handshakes_total", "counter",
		 "TLS handshakes finished, by listener", handshakes_of},
		{"kedge_listener_flows_total", "counter", "flows, by listener", flows_of},
		{"kedge_requests_total", "counter",
		 "request heads completed, by listener; one that is sent again counts again",
		 requests_of},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct listener_family f = {to, families[i].name, families[i].value};

		put_family(to, families[i].name, families[i].type, families[i].help);
		metrics_each_listener(m, put_listener, &f);
	}
}

struct class_family {
	FILE *to;
	const char *name;
	bool own;
};

static void put_classes(void *arg, const char *listener, const struct metrics_listener *sum)
{
	const struct class_family *f = arg;
	const uint64_t *counts = f->own ? sum->own : sum->responses;

	for (unsigned i = 0; i < METRICS_CLASSES; i++) {
		fprintf(f->to, "%s{listener=\"", f->name);
		put_label(f->to, listener);
		fprintf(f->to, "\",class=\"%s\"} %" PRIu64 "\n", metrics_class_name(i), counts[i]);
	}
}

static void put_responses(FILE *to, struct metrics *m)
{
	struct class_family f = {.to = to, .name = "kedge_responses_total"};

	put_family(to, f.name, "counter",
		   "final responses of the application, by listener and class of the status");
	metrics_each_listener(m, put_classes, &f);
	f = (struct class_family){.to = to, .name = "kedge_responses_own_total", .own = true};
	put_family(to, f.name, "counter",
		   "responses made by kedge itself, by listener and class of the status");
	metrics_each_listener(m, put_classes, &f);
}

/* --- by server, in the same way --------------------------------------------------------------- */

struct server_family {
	FILE *to;
	const char *name;
	uint64_t (*value)(const struct metrics_app_server *s);
};

static uint64_t up_of(const struct metrics_app_server *s)
{
	return s->up;
}

static uint64_t ready_of(const struct metrics_app_server *s)
{
	return s->ready;
}

static uint64_t connections_of(const struct metrics_app_server *s)
{
	return s->connections;
}

static uint64_t busy_of(const struct metrics_app_server *s)
{
	return s->busy;
}

static uint64_t connects_of(const struct metrics_app_server *s)
{
	return s->connects;
}

static uint64_t failures_of(const struct metrics_app_server *s)
{
	return s->failures;
}

static void put_server(void *arg, const struct metrics_app_server *s)
{
	const struct server_family *f = arg;

	fprintf(f->to, "%s{application=\"", f->name);
	put_label(f->to, s->application);
	fprintf(f->to, "\",server=\"");
	put_label(f->to, s->server);
	fprintf(f->to, "\"} %" PRIu64 "\n", f->value(s));
}

static void put_servers(FILE *to, const struct metrics_source *from)
{
	static const struct {
		const char *name, *type, *help;
		uint64_t (*value)(const struct metrics_app_server *s);
	} families[] = {
		{"kedge_server_up", "gauge",
		 "1 where a server gets new connections, 0 where it is down, out or drained",
		 up_of},
		{"kedge_server_ready", "gauge",
		 "0 where the operator has drained a server or taken it down", ready_of},
		{"kedge_server_connections", "gauge", "connections open now, by server",
		 connections_of},
		{"kedge_server_busy", "gauge", "of these, with a request or stream under way",
		 busy_of},
		{"kedge_server_connects_total", "counter", "connections made, by server",
		 connects_of},
		{"kedge_server_connect_failures_total", "counter",
		 "connections that could not be made, by server", failures_of},
	};

	for (size_t i = 0; from->servers && i < sizeof(families) / sizeof(families[0]); i++) {
		struct server_family f = {to, families[i].name, families[i].value};

		put_family(to, families[i].name, families[i].type, families[i].help);
		from->servers(from->servers_arg, put_server, &f);
	}
}

static void put_waiting(void *arg, const char *application, uint64_t waiting)
{
	FILE *to = arg;

	fprintf(to, "kedge_application_waiting{application=\"");
	put_label(to, application);
	fprintf(to, "\"} %" PRIu64 "\n", waiting);
}

static void put_applications(FILE *to, const struct metrics_source *from)
{
	if (!from->servers)
		return;
	put_family(to, "kedge_application_waiting", "gauge", "clients that wait for a server");
	from->apps(from->servers_arg, put_waiting, to);
}

static void put_cert(void *arg, const struct metrics_cert *c)
{
	FILE *to = arg;

	fprintf(to, "kedge_certificate_not_after_seconds{listener=\"");
	put_label(to, c->listener);
	fprintf(to, "\",file=\"");
	put_label(to, c->file);
	fprintf(to, "\",subject=\"");
	put_label(to, c->subject);
	fprintf(to, "\",names=\"");
	put_label(to, c->names);
	fprintf(to, "\"} %lld\n", (long long)c->not_after);
}

static void put_certs(FILE *to, const struct metrics_source *from)
{
	put_family(to, "kedge_certificate_not_after_seconds", "gauge",
		   "when a certificate in force expires, seconds since the epoch");
	if (from->certs)
		from->certs(from->certs_arg, put_cert, to);
}

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static void put_reloads(FILE *to, const struct metrics_reloads *r)
{
	if (!r)
		return;
	put_family(to, "kedge_reloads_total", "counter", "reloads since the start, by result");
	fprintf(to,
		"kedge_reloads_total{result=\"done\"} %" PRIu64 "\n"
		"kedge_reloads_total{result=\"refused\"} %" PRIu64 "\n",
		LOAD(r->done), LOAD(r->refused));
	put_family(to, "kedge_reload_last_success", "gauge",
		   "0 if the last reload was refused; 1 also before the first one");
	fprintf(to, "kedge_reload_last_success %d\n", !LOAD(r->last_refused));
	put_family(to, "kedge_restart_pending", "gauge",
		   "changed options that need a restart to take effect");
	fprintf(to, "kedge_restart_pending %" PRIu64 "\n", LOAD(r->restart));
	put_family(to, "kedge_reload_last_timestamp_seconds", "gauge",
		   "when the last reload was; before the first one, the start");
	fprintf(to, "kedge_reload_last_timestamp_seconds %" PRIu64 "\n", LOAD(r->last));
}

void metrics_write(FILE *to, const struct metrics_source *from)
{
	struct metrics_row sum;

	metrics_sum(from->metrics, &sum);
	put_gauges(to, from);
	put_losses(to);
	metrics_process_write(to, from->started);
	put_counters(to, from);
	put_peername(to, from);
	put_guard(to, from);
	put_reasons(to, from);
	put_flows(to, &sum);
	put_histogram(to, "kedge_handshake_seconds",
		      "TLS handshakes, from the accept or the end of the prefix", &sum.handshake);
	put_histogram(to, "kedge_connect_seconds", "connections to the application", &sum.connect);
	put_histogram(to, "kedge_first_byte_seconds",
		      "from a complete request head to the head of its final response",
		      &sum.first_byte);
	put_histogram(to, "kedge_request_seconds",
		      "from a complete request head to the end of its response", &sum.request);
	put_listeners(to, from->metrics);
	put_responses(to, from->metrics);
	put_certs(to, from);
	put_reloads(to, from->reloads);
	put_applications(to, from);
	put_servers(to, from);
}
