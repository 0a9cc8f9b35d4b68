/* SPDX-License-Identifier: BSD-2-Clause */
/* Status as JSON. See status.h. */
#include "daemon/status.h"

#include <string.h>
#include <unistd.h>

#include "base/capability_loss.h"
#include "metrics/counters.h"
#include "base/clock.h"
#include "bpf/peername.h"
#include "daemon/capabilities.h"
#include "daemon/json_text.h"
#include "daemon/status_servers.h"
#include "http/reason.h"

/* How many of the sources that the guard refused are shown: those with the most packets. */
#define REFUSED_SHOWN 10

static json_t *histogram_json(const struct histogram *h)
{
	json_t *buckets = json_array();

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		json_array_append_new(buckets, json_integer((json_int_t)h->count[i]));
	return json_pack("{s:o, s:I, s:I, s:I, s:I}", "buckets", buckets, "count",
			 (json_int_t)histogram_count(h), "sum_us", (json_int_t)h->sum_us, "p50_us",
			 (json_int_t)histogram_quantile_us(h, 0.5), "p99_us",
			 (json_int_t)histogram_quantile_us(h, 0.99));
}

static json_t *times_json(struct metrics *m)
{
	struct metrics_row sum;

	metrics_sum(m, &sum);
	return json_pack("{s:o, s:o, s:o, s:o}", "handshake", histogram_json(&sum.handshake),
			 "connect", histogram_json(&sum.connect), "first_byte",
			 histogram_json(&sum.first_byte), "request", histogram_json(&sum.request));
}

static json_t *classes_json(const uint64_t counts[METRICS_CLASSES])
{
	json_t *all = json_object();

	for (unsigned i = 0; i < METRICS_CLASSES; i++)
		json_object_set_new(all, metrics_class_name(i),
				    json_integer((json_int_t)counts[i]));
	return all;
}

static void add_listener(void *arg, const char *name, const struct metrics_listener *l)
{
	json_array_append_new(
		arg,
		json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "listener", json_text(name),
			  "accepted", (json_int_t)l->accepted, "closed", (json_int_t)l->closed,
			  "handshakes", (json_int_t)l->handshakes, "flows", (json_int_t)l->flows,
			  "requests", (json_int_t)l->requests, "responses",
			  classes_json(l->responses), "responses_own", classes_json(l->own)));
}

static json_t *listeners_json(struct metrics *m)
{
	json_t *all = json_array();

	metrics_each_listener(m, add_listener, all);
	return all;
}

static void add_cert(void *arg, const struct metrics_cert *c)
{
	json_array_append_new(arg, json_pack("{s:o, s:o, s:o, s:o, s:I}", "listener",
					     json_text(c->listener), "file", json_text(c->file),
					     "subject", json_text(c->subject), "names",
					     json_text(c->names), "not_after",
					     (json_int_t)c->not_after));
}

static json_t *certs_json(const struct cert_figures *certs)
{
	json_t *all = json_array();

	cert_figures_each((void *)certs, add_cert, all);
	return all;
}

static json_t *reloads_json(const struct metrics_reloads *r)
{
	return json_pack("{s:I, s:I, s:b, s:I}", "done", (json_int_t)r->done, "refused",
			 (json_int_t)r->refused, "last_refused", r->last_refused, "last",
			 (json_int_t)r->last);
}

static json_t *peername_json(const struct peername *peername)
{
	const struct kedge_peer_stats *stats = peername ? peername_stats(peername) : NULL;
	json_t *all = json_object();

	for (size_t i = 0; i < peer_counters_count; i++)
		json_object_set_new(all, peer_counters[i].name,
				    json_integer((json_int_t)peer_counter(stats, i)));
	return all;
}

static json_t *guard_interfaces_json(const struct guard *guard)
{
	json_t *all = json_array();
	size_t count = 0;
	const struct guard_interface *set = guard ? guard_interfaces(guard, &count) : NULL;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
			all, json_pack("{s:o, s:s, s:b}", "interface", json_text(set[i].name),
				       "mode", set[i].mode == GUARD_NATIVE ? "native" : "generic",
				       "dispatcher", set[i].chained));
	return all;
}

static json_t *guard_refused_json(const struct guard *guard)
{
	struct guard_refused rows[REFUSED_SHOWN];
	size_t count = guard_refused(guard, rows, REFUSED_SHOWN);
	json_t *all = json_array();

	for (size_t i = 0; i < count; i++) {
		union addr source = {.in6 = {.sin6_family = AF_INET6}};
		uint32_t reason = rows[i].what.reason;
		char text[INET6_ADDRSTRLEN];

		memcpy(&source.in6.sin6_addr, rows[i].ip, sizeof(rows[i].ip));
		addr_format_ip(text, &source);
		json_array_append_new(
			all,
			json_pack("{s:s, s:I, s:s, s:I}", "source", text, "packets",
				  (json_int_t)rows[i].what.packets, "reason",
				  reason < guard_counters_count ? guard_counters[reason].name : "?",
				  "age_ms", (json_int_t)rows[i].age_ms));
	}
	return all;
}

static void add_guard(json_t *root, const struct guard *guard, const struct conf *conf)
{
	struct kedge_guard_stats sum;
	json_t *stats = json_object();

	guard_stats(guard, &sum);
	for (size_t i = 0; i < guard_counters_count; i++)
		json_object_set_new(stats, guard_counters[i].name,
				    json_integer((json_int_t)((const uint64_t *)&sum)[i]));
	json_object_set_new(root, "guard",
			    json_string(!guard                ? "off"
					: conf->guard.observe ? "observes"
							      : "on"));
	json_object_set_new(root, "guard_interfaces", guard_interfaces_json(guard));
	json_object_set_new(root, "guard_stats", stats);
	json_object_set_new(root, "guard_refused", guard_refused_json(guard));
}

/* Capabilities that were lost since the start, including those that work again. */
static json_t *losses_json(void)
{
	json_t *all = json_array();

	for (int i = 0; i < CAPABILITY_COUNT; i++) {
		enum capability c = (enum capability)i;
		struct capability_state s;
		char cause[160];

		capability_read(c, &s);
		if (!s.losses)
			continue;
		json_array_append_new(
			all, json_pack("{s:s, s:b, s:s*, s:s*, s:I, s:I, s:I}", "capability",
				       capability_name(c), "lost", s.err != 0, "cause",
				       s.err ? capability_cause(cause, sizeof(cause), s.err) : NULL,
				       "next", s.err ? capability_next(s.err) : NULL, "age_ms",
				       (json_int_t)(monotonic_ms() - s.since_ms), "losses",
				       (json_int_t)s.losses, "without", (json_int_t)s.without));
	}
	return all;
}

/* What new connections get. */
static const char *capability_word(bool use, enum capability c, const char *with,
				   const char *without)
{
	return use && !capability_is_lost(c) ? with : without;
}

/* Why new connections do not have a capability; NULL: they have it. */
static const char *reason_of(const struct daemon *d, enum capability c, char buf[160])
{
	struct capability_state s;

	capability_read(c, &s);
	if (d->capability_why[c][0])
		return d->capability_why[c];
	if (s.err)
		return capability_cause(buf, 160, s.err);
	return c != CAPABILITY_RECORD && conf_all_unix(d->conf) ? CAPABILITY_UNIX : NULL;
}

static json_t *reasons_json(const struct daemon *d)
{
	json_t *all = json_object();

	for (int i = 0; i < CAPABILITY_COUNT; i++) {
		enum capability c = (enum capability)i;
		char buf[160];
		const char *why = reason_of(d, c, buf);

		if (why)
			json_object_set_new(all, capability_name(c), json_text(why));
	}
	return all;
}

static void add_capabilities(json_t *root, const struct daemon *d)
{
	const struct shared *s = &d->shared;
	const bool tcp = !conf_all_unix(d->conf);

	json_object_set_new(root, "record",
			    json_string(capability_word(s->record_kernel, CAPABILITY_RECORD,
							"kernel", "user")));
	json_object_set_new(root, "edit",
			    json_string(capability_word(tcp && s->edit_kernel, CAPABILITY_EDIT,
							"kernel", "user")));
	json_object_set_new(
		root, "bypass",
		json_string(capability_word(tcp && s->bypass, CAPABILITY_BYPASS, "on", "off")));
	json_object_set_new(
		root, "peername",
		json_string(capability_word(tcp && s->peername, CAPABILITY_PEERNAME, "on", "off")));
	json_object_set_new(root, "capability_reasons", reasons_json(d));
	json_object_set_new(root, "capability_losses", losses_json());
}

static const char *state_word(const struct daemon *d)
{
	return d->draining ? "draining" : d->stopping ? "shutting down" : "running";
}

/* Heads completed, those that are sent again only once. */
static uint64_t requests_of(const struct daemon *d)
{
	const struct kedge_stats *const *rows = daemon_rows(d);
	size_t n = d->conf->workers;
	uint64_t again = counters_sum_of(rows, n, requests_again); /* first: never the larger */
	uint64_t all = counters_sum_of(rows, n, requests_user);

	all += counters_sum_of(rows, n, requests_bpf);
	return all > again ? all - again : 0;
}

static void add_process(json_t *root, const struct daemon *d)
{
	json_object_set_new(root, "version", json_string(KEDGE_VERSION));
	json_object_set_new(root, "abi", json_integer(KEDGE_ABI_VERSION));
	json_object_set_new(root, "pid", json_integer(getpid()));
	json_object_set_new(root, "started", json_integer((json_int_t)d->started));
	json_object_set_new(root, "uptime_ms",
			    json_integer((json_int_t)(monotonic_ms() - d->started_ms)));
	json_object_set_new(root, "config", d->conf->file ? json_text(d->conf->file) : json_null());
	json_object_set_new(root, "state", json_string(state_word(d)));
	json_object_set_new(root, "workers", json_integer(d->conf->workers));
}

uint64_t status_open(const struct daemon *d)
{
	const struct kedge_stats *const *rows = daemon_rows(d);
	uint64_t closed =
		counters_sum_of(rows, d->conf->workers, closed); /* first: never the larger */

	return counters_sum_of(rows, d->conf->workers, accepted) - closed;
}

json_t *status_json(const struct daemon *d)
{
	const struct shared *shared = &d->shared;
	const struct kedge_stats *const *rows = daemon_rows(d);
	size_t rows_count = d->conf->workers;
	json_t *root = json_object(), *stats = json_object(), *reasons = json_object();

	add_process(root, d);
	json_object_set_new(root, "generation", json_integer(d->generation->number));
	json_object_set_new(root, "generations_in_use", json_integer(generation_count()));
	json_object_set_new(root, "connections_open", json_integer((json_int_t)status_open(d)));
	json_object_set_new(root, "requests", json_integer((json_int_t)requests_of(d)));
	add_capabilities(root, d);
	for (size_t i = 0; i < counters_count; i++)
		json_object_set_new(stats, counters[i].name,
				    json_integer((json_int_t)counters_sum(rows, rows_count, i)));
	for (int i = 1; i < KEDGE_REASON_COUNT; i++)
		json_object_set_new(reasons, reason_name((enum kedge_reason)i),
				    json_integer((json_int_t)counters_sum_reason(
					    rows, rows_count, (enum kedge_reason)i)));
	json_object_set_new(root, "stats", stats);
	json_object_set_new(root, "reasons", reasons);
	json_object_set_new(root, "peername_stats", peername_json(shared->peername));
	add_guard(root, shared->guard, d->conf);
	json_object_set_new(root, "times", times_json(shared->metrics));
	json_object_set_new(root, "listeners", listeners_json(shared->metrics));
	json_object_set_new(root, "certificates", certs_json(&d->certs));
	json_object_set_new(root, "reloads", reloads_json(&d->reloads));
	json_object_set_new(root, "restart_pending",
			    d->restart ? json_incref(d->restart) : json_array());
	json_object_set_new(root, "now", json_integer((json_int_t)time(NULL)));
	json_object_set_new(root, "applications", status_servers_json(d->generation));
	return root;
}
