/* SPDX-License-Identifier: BSD-2-Clause */
/* Status as JSON and text. See status.h. */
#include "daemon/status.h"

#include <string.h>

#include "base/capability_loss.h"
#include "metrics/counters.h"
#include "base/clock.h"
#include "bpf/peername.h"
#include "daemon/json_text.h"
#include "daemon/status_servers.h"
#include "http/reply.h"

/* How many of the sources that the guard refused are shown: those with the most packets. */
#define REFUSED_SHOWN 10

static json_t *histogram_json(const struct histogram *h)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "count", (json_int_t)histogram_count(h), "sum_us",
			 (json_int_t)h->sum_us, "p50_us", (json_int_t)histogram_quantile_us(h, 0.5),
			 "p99_us", (json_int_t)histogram_quantile_us(h, 0.99));
}

static json_t *times_json(struct metrics *m)
{
	struct metrics_row sum;

	metrics_sum(m, &sum);
	return json_pack("{s:o, s:o, s:o, s:o}", "handshake", histogram_json(&sum.handshake),
			 "connect", histogram_json(&sum.connect), "first_byte",
			 histogram_json(&sum.first_byte), "request", histogram_json(&sum.request));
}

static void add_listener(void *arg, const char *name, const struct metrics_listener *l)
{
	json_array_append_new(arg,
			      json_pack("{s:o, s:I, s:I, s:I, s:I}", "listener", json_text(name),
					"accepted", (json_int_t)l->accepted, "closed",
					(json_int_t)l->closed, "handshakes",
					(json_int_t)l->handshakes, "flows", (json_int_t)l->flows));
}

static json_t *listeners_json(struct metrics *m)
{
	json_t *all = json_array();

	metrics_each_listener(m, add_listener, all);
	return all;
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

static void add_capabilities(json_t *root, const struct shared *s, const struct conf *conf)
{
	const bool tcp = !conf_all_unix(conf);

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
	json_object_set_new(root, "capability_losses", losses_json());
}

static const char *state_word(const struct daemon *d)
{
	return d->draining ? "draining" : d->stopping ? "shutting down" : "running";
}

json_t *status_json(const struct daemon *d)
{
	const struct shared *shared = &d->shared;
	const struct kedge_stats *const *rows = daemon_rows(d);
	size_t rows_count = d->conf->workers;
	json_t *root = json_object(), *stats = json_object(), *reasons = json_object();
	uint64_t closed = counters_sum_of(rows, rows_count, closed); /* first: never the larger */
	uint64_t accepted = counters_sum_of(rows, rows_count, accepted);

	json_object_set_new(root, "version", json_string(KEDGE_VERSION));
	json_object_set_new(root, "state", json_string(state_word(d)));
	json_object_set_new(root, "workers", json_integer((json_int_t)rows_count));
	json_object_set_new(root, "generation", json_integer(d->generation->number));
	json_object_set_new(root, "generations_in_use", json_integer(generation_count()));
	json_object_set_new(root, "connections_open",
			    json_integer((json_int_t)(accepted - closed)));
	add_capabilities(root, shared, d->conf);
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
	json_object_set_new(root, "applications", status_servers_json(d->generation));
	return root;
}

static void print_peername(FILE *to, const json_t *status)
{
	const json_t *stats = json_object_get(status, "peername_stats");

	if (strcmp(json_text_of(status, "peername"), "on"))
		return;
	fprintf(to, "\npeername\n");
	for (size_t i = 0; i < peer_counters_count; i++)
		fprintf(to, "%-24s %12lld  %s\n", peer_counters[i].name,
			json_number_of(stats, peer_counters[i].name), peer_counters[i].text);
}

static void print_guard(FILE *to, const json_t *status)
{
	const json_t *stats = json_object_get(status, "guard_stats"), *row;
	size_t at;

	if (!strcmp(json_text_of(status, "guard"), "off"))
		return;
	fprintf(to, "\nguard\n");
	json_array_foreach(json_object_get(status, "guard_interfaces"), at, row) fprintf(
		to, "%-24s %12s  %s\n", json_text_of(row, "interface"), json_text_of(row, "mode"),
		json_is_true(json_object_get(row, "dispatcher"))
			? "beside others, by libxdp's dispatcher"
			: "alone: this kernel has no dispatcher");
	for (size_t i = 0; i < guard_counters_count; i++)
		fprintf(to, "%-24s %12lld  %s\n", guard_counters[i].name,
			json_number_of(stats, guard_counters[i].name), guard_counters[i].text);
	json_array_foreach(json_object_get(status, "guard_refused"), at, row)
		fprintf(to, "%-24s %12lld  %s, %lld s ago\n", json_text_of(row, "source"),
			json_number_of(row, "packets"), json_text_of(row, "reason"),
			json_number_of(row, "age_ms") / 1000);
}

static void print_times(FILE *to, const json_t *times)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{"handshake", "TLS handshakes"},
		{"connect", "connections to the application"},
		{"first_byte", "from a complete request head to the head of its response"},
		{"request", "from a complete request head to the end of its response"},
	};

	fprintf(to, "\n%-24s %12s %12s %12s\n", "microseconds", "count", "median", "99 of 100");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const json_t *h = json_object_get(times, rows[i].name);

		fprintf(to, "%-24s %12lld %12lld %12lld  %s\n", rows[i].name,
			json_number_of(h, "count"), json_number_of(h, "p50_us"),
			json_number_of(h, "p99_us"), rows[i].text);
	}
}

static void print_listeners(FILE *to, const json_t *listeners)
{
	const json_t *l;
	size_t i;

	fprintf(to, "\n%-24s %12s %12s %12s %12s\n", "listener", "accepted", "closed", "handshakes",
		"flows");
	json_array_foreach(listeners, i, l)
		fprintf(to, "%-24s %12lld %12lld %12lld %12lld\n", json_text_of(l, "listener"),
			json_number_of(l, "accepted"), json_number_of(l, "closed"),
			json_number_of(l, "handshakes"), json_number_of(l, "flows"));
}

static void print_losses(FILE *to, const json_t *losses)
{
	const json_t *l;
	size_t i;

	json_array_foreach(losses, i, l)
	{
		bool lost = json_is_true(json_object_get(l, "lost"));

		fprintf(to,
			"%s: %s%s, %lld times lost, last %lld s ago, %lld "
			"connections without it%s%s\n",
			json_text_of(l, "capability"), lost ? "lost: " : "works again",
			lost ? json_text_of(l, "cause") : "", json_number_of(l, "losses"),
			json_number_of(l, "age_ms") / 1000, json_number_of(l, "without"),
			lost ? "; next step: " : "", lost ? json_text_of(l, "next") : "");
	}
	if (json_array_size(losses))
		fputc('\n', to);
}

void status_print(FILE *to, const json_t *status)
{
	const json_t *stats = json_object_get(status, "stats");
	const json_t *reasons = json_object_get(status, "reasons");

	fprintf(to, "kedge %s, %lld workers, %lld connections open\n",
		json_text_of(status, "version"), json_number_of(status, "workers"),
		json_number_of(status, "connections_open"));
	if (strchr("sd", json_text_of(status, "state")[0])) /* an older kedge says nothing */
		fprintf(to, "%s\n", json_text_of(status, "state"));
	fprintf(to, "configuration %lld", json_number_of(status, "generation"));
	if (json_number_of(status, "generations_in_use") > 1)
		fprintf(to, ", %lld earlier ones still have connections",
			json_number_of(status, "generations_in_use") - 1);
	fputc('\n', to);
	fprintf(to, "record: %s   edit: %s   bypass: %s   peername: %s   guard: %s\n\n",
		json_text_of(status, "record"), json_text_of(status, "edit"),
		json_text_of(status, "bypass"), json_text_of(status, "peername"),
		json_text_of(status, "guard"));
	print_losses(to, json_object_get(status, "capability_losses"));
	for (size_t i = 0; i < counters_count; i++)
		fprintf(to, "%-24s %12lld  %s\n", counters[i].name,
			json_number_of(stats, counters[i].name), counters[i].text);
	print_peername(to, status);
	print_guard(to, status);
	print_times(to, json_object_get(status, "times"));
	print_listeners(to, json_object_get(status, "listeners"));
	fputc('\n', to);
	status_servers_print(to, json_object_get(status, "applications"));
	fprintf(to, "\nended, by reason\n");
	for (int i = 1; i < KEDGE_REASON_COUNT; i++) {
		const char *name = reason_name((enum kedge_reason)i);
		long long n = json_number_of(reasons, name);

		if (n)
			fprintf(to, "%-24s %12lld  %s\n", name, n,
				reason_text((enum kedge_reason)i));
	}
}
