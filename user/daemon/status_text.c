/* SPDX-License-Identifier: BSD-2-Clause */
/* Status for people. See status_text.h. */
#include "daemon/status_text.h"

#include <limits.h>
#include <string.h>

#include "daemon/json_text.h"
#include "daemon/show.h"
#include "daemon/status_servers.h"
#include "http/reason.h"
#include "metrics/counters.h"

/* The columns of a counter: its name, its value, what it counts. */
#define NAME_COLUMNS 26
#define TEXT_COLUMN  (NAME_COLUMNS + 15)

#define EXPIRES_SOON_S (30LL * 86400)

struct page {
	FILE *to;
	bool all;
};

static const char *shown(char buf[SHOW_NAME], const char *text)
{
	show_name(buf, SHOW_NAME, text, SHOW_COLUMNS);
	return buf;
}

static void put_count(const struct page *p, const char *name, long long value, const char *text)
{
	if (!value && !p->all)
		return;
	show_column(p->to, NAME_COLUMNS, name);
	fprintf(p->to, " %12lld  ", value);
	show_folded(p->to, TEXT_COLUMN, TEXT_COLUMN, text);
}

static void put_counters(const struct page *p, const char *heading, const json_t *values,
			 const struct counter *set, size_t count)
{
	fprintf(p->to, "\n%s\n", heading);
	for (size_t i = 0; i < count; i++)
		put_count(p, set[i].name, json_number_of(values, set[i].name), set[i].text);
}

/* --- the first lines -------------------------------------------------------------------------- */

static void put_process(FILE *to, const json_t *status)
{
	char up[SHOW_DURATION], workers[48], name[SHOW_NAME];
	const char *config = json_string_value(json_object_get(status, "config"));
	const char *state = json_text_of(status, "state");
	const bool stays = !strchr("sd", state[0]); /* an older kedge says nothing */
	long long earlier = json_number_of(status, "generations_in_use") - 1;

	show_plural(workers, sizeof(workers), (uint64_t)json_number_of(status, "workers"), "worker",
		    "workers");
	show_duration(up, (uint64_t)json_number_of(status, "uptime_ms") / 1000);
	fprintf(to, "kedge %s, pid %lld, up %s, %s%s%s\n",
		shown(name, json_text_of(status, "version")), json_number_of(status, "pid"), up,
		workers, stays ? "" : ", ", stays ? "" : state);
	fprintf(to, "configuration %lld", json_number_of(status, "generation"));
	if (earlier > 0)
		fprintf(to, ", %lld earlier %s connections", earlier,
			earlier == 1 ? "one still has" : "ones still have");
	fprintf(to, ", from %s\n", config ? shown(name, config) : "the command line");
}

static void put_reload(FILE *to, const json_t *status)
{
	const json_t *reloads = json_object_get(status, "reloads");
	long long ago = json_number_of(status, "now") - json_number_of(reloads, "last");
	char age[SHOW_DURATION];

	if (json_is_true(json_object_get(reloads, "last_refused")))
		fprintf(to, "the last reload was refused, %s ago: the log of kedge says why\n",
			show_duration(age, ago > 0 ? (uint64_t)ago : 0));
}

/* "metrics" of "metrics: off -> 127.0.0.1:9". A listener's text has its name before the key's. */
static int key_length(const char *text)
{
	const bool owned = !strncmp(text, "listener ", 9) || !strncmp(text, "application ", 12);
	const char *end = strstr(text, ": ");
	const char *next = end && owned ? strstr(end + 2, ": ") : NULL;

	end = next ? next : end;
	return end ? (int)(end - text) : (int)strlen(text);
}

static void put_restart(FILE *to, const json_t *pending)
{
	char line[1024] = "restart pending: ";
	size_t len = strlen(line), i;
	const json_t *text;

	json_array_foreach(pending, i, text)
	{
		const char *t = json_string_value(text);

		if (t && len < sizeof(line))
			len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%.*s",
						i ? ", " : "", key_length(t), t);
	}
	if (i)
		show_folded(to, 0, 4, line);
}

/* Requests a second between the two; negative: not known. */
static double rate_of(const json_t *status, const json_t *before)
{
	long long ms = json_number_of(status, "uptime_ms") - json_number_of(before, "uptime_ms");
	long long n = json_number_of(status, "requests") - json_number_of(before, "requests");

	if (ms <= 0 || n < 0 || json_number_of(status, "pid") != json_number_of(before, "pid") ||
	    json_number_of(status, "started") != json_number_of(before, "started"))
		return -1;
	return (double)n * 1000 / (double)ms;
}

static void put_traffic(FILE *to, const json_t *status, const json_t *before)
{
	long long ms = json_number_of(status, "uptime_ms");
	long long requests = json_number_of(status, "requests");
	double rate = before ? rate_of(status, before) : -1;

	fprintf(to, "connections: %lld open, %lld accepted\n",
		json_number_of(status, "connections_open"),
		json_number_of(json_object_get(status, "stats"), "accepted"));
	fprintf(to, "requests: %lld", requests);
	if (rate >= 0)
		fprintf(to, ", %.1f/s now", rate);
	if (ms > 0)
		fprintf(to, ", %.1f/s on average", (double)requests * 1000 / (double)ms);
	fputc('\n', to);
}

static void put_capabilities(FILE *to, const json_t *status)
{
	static const char *const names[] = {"record", "edit", "bypass", "peername", "guard"};
	const json_t *reasons = json_object_get(status, "capability_reasons");

	fputc('\n', to);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *why = json_string_value(json_object_get(reasons, names[i]));
		const char *is = json_text_of(status, names[i]);
		char line[512];

		snprintf(line, sizeof(line), "%s%s%s%s%s", is, strcmp(is, "user") ? "" : " space",
			 why ? " (" : "", why ? why : "", why ? ")" : "");
		fprintf(to, "%-10s", names[i]);
		show_folded(to, 10, 10, line);
	}
}

static void put_losses(FILE *to, const json_t *losses)
{
	const json_t *l;
	size_t i;

	json_array_foreach(losses, i, l)
	{
		bool lost = json_is_true(json_object_get(l, "lost"));
		char times[48], without[48], age[SHOW_DURATION], line[768];

		show_plural(times, sizeof(times), (uint64_t)json_number_of(l, "losses"), "time",
			    "times");
		show_plural(without, sizeof(without), (uint64_t)json_number_of(l, "without"),
			    "connection", "connections");
		show_duration(age, (uint64_t)json_number_of(l, "age_ms") / 1000);
		snprintf(line, sizeof(line), "%s: %s%s, lost %s, last %s ago, %s without it%s%s",
			 json_text_of(l, "capability"), lost ? "lost: " : "works again",
			 lost ? json_text_of(l, "cause") : "", times, age, without,
			 lost ? "; next step: " : "", lost ? json_text_of(l, "next") : "");
		if (!i)
			fputc('\n', to);
		show_folded(to, 0, 4, line);
	}
}

/* --- tables ----------------------------------------------------------------------------------- */

static void put_listeners(FILE *to, const json_t *listeners)
{
	const json_t *l;
	size_t i;

	fprintf(to, "\n%-*s %9s %12s %12s %12s\n", NAME_COLUMNS, "listener", "open", "accepted",
		"handshakes", "requests");
	json_array_foreach(listeners, i, l)
	{
		show_column(to, NAME_COLUMNS, json_text_of(l, "listener"));
		fprintf(to, " %9lld %12lld %12lld %12lld\n",
			json_number_of(l, "accepted") - json_number_of(l, "closed"),
			json_number_of(l, "accepted"), json_number_of(l, "handshakes"),
			json_number_of(l, "requests"));
	}
}

static void put_certificate(FILE *to, const json_t *c, long long left)
{
	char text[SHOW_NAME], age[SHOW_DURATION];

	show_duration(age, (uint64_t)(left < 0 ? -left : left));
	snprintf(text, sizeof(text), "certificate %.700s of %.120s: %s %s%s",
		 json_text_of(c, "file"), json_text_of(c, "listener"),
		 left < 0 ? "expired" : "expires in", age, left < 0 ? " ago" : "");
	show_folded(to, 0, 4, text);
}

/* The one that expires first, and those that expire soon, or have; with --all, all. */
static void put_certificates(const struct page *p, const json_t *status)
{
	const json_t *certs = json_object_get(status, "certificates"), *c;
	long long first = LLONG_MAX, now = json_number_of(status, "now");
	bool any = false;
	size_t i;

	json_array_foreach(certs, i, c) if (json_number_of(c, "not_after") < first) first =
		json_number_of(c, "not_after");
	json_array_foreach(certs, i, c)
	{
		long long at = json_number_of(c, "not_after");

		/* Of several with the first date, one will do. */
		if (at - now > EXPIRES_SOON_S && at != first && !p->all)
			continue;
		if (at == first)
			first = LLONG_MAX;
		if (!any)
			fputc('\n', p->to);
		any = true;
		put_certificate(p->to, c, at - now);
	}
}

static void put_times(const struct page *p, const json_t *times)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{"handshake", "TLS handshake"},
		{"connect", "connect to the application"},
		{"first_byte", "request to head of response"},
		{"request", "request to end of response"},
	};

	fprintf(p->to, "\n%-12s %12s %9s %9s\n", "latency", "count", "p50", "p99");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const json_t *h = json_object_get(times, rows[i].name);
		char p50[SHOW_DURATION], p99[SHOW_DURATION];

		if (!json_number_of(h, "count") && !p->all)
			continue;
		fprintf(p->to, "%-12s %12lld %9s %9s  %s\n", rows[i].name,
			json_number_of(h, "count"),
			show_time_us(p50, (uint64_t)json_number_of(h, "p50_us")),
			show_time_us(p99, (uint64_t)json_number_of(h, "p99_us")), rows[i].text);
	}
}

static void put_guard(const struct page *p, const json_t *status)
{
	const json_t *row;
	char text[128], age[SHOW_DURATION];
	size_t at;

	if (!strcmp(json_text_of(status, "guard"), "off"))
		return;
	put_counters(p, "guard", json_object_get(status, "guard_stats"), guard_counters,
		     guard_counters_count);
	json_array_foreach(json_object_get(status, "guard_interfaces"), at, row)
	{
		show_column(p->to, NAME_COLUMNS, json_text_of(row, "interface"));
		fprintf(p->to, " %12s  ", json_text_of(row, "mode"));
		show_folded(p->to, TEXT_COLUMN, TEXT_COLUMN,
			    json_is_true(json_object_get(row, "dispatcher"))
				    ? "beside others, by libxdp's dispatcher"
				    : "alone: this kernel has no dispatcher");
	}
	json_array_foreach(json_object_get(status, "guard_refused"), at, row)
	{
		snprintf(text, sizeof(text), "%s, %s ago", json_text_of(row, "reason"),
			 show_duration(age, (uint64_t)json_number_of(row, "age_ms") / 1000));
		put_count(&(struct page){p->to, true}, json_text_of(row, "source"),
			  json_number_of(row, "packets"), text);
	}
}

static void put_reasons(const struct page *p, const json_t *reasons)
{
	bool any = p->all;

	for (int i = 1; i < KEDGE_REASON_COUNT; i++)
		any |= json_number_of(reasons, reason_name((enum kedge_reason)i)) != 0;
	if (any)
		fprintf(p->to, "\nended, by reason\n");
	for (int i = 1; i < KEDGE_REASON_COUNT; i++) {
		const char *name = reason_name((enum kedge_reason)i);

		put_count(p, name, json_number_of(reasons, name),
			  reason_text((enum kedge_reason)i));
	}
}

void status_print(FILE *to, const json_t *status, const json_t *before, bool all)
{
	const struct page p = {to, all};

	put_process(to, status);
	put_reload(to, status);
	put_restart(to, json_object_get(status, "restart_pending"));
	put_traffic(to, status, before);
	put_capabilities(to, status);
	put_losses(to, json_object_get(status, "capability_losses"));
	put_listeners(to, json_object_get(status, "listeners"));
	put_certificates(&p, status);
	fputc('\n', to);
	status_servers_print(to, json_object_get(status, "applications"));
	put_times(&p, json_object_get(status, "times"));
	put_counters(&p, "counters", json_object_get(status, "stats"), counters, counters_count);
	if (!strcmp(json_text_of(status, "peername"), "on"))
		put_counters(&p, "peername", json_object_get(status, "peername_stats"),
			     peer_counters, peer_counters_count);
	put_guard(&p, status);
	put_reasons(&p, json_object_get(status, "reasons"));
	if (!all)
		fprintf(to, "\nwhat is 0 is left out: kedge status --all shows it\n");
}
