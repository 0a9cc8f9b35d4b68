/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge top as text. See top_view.h. */
#include "daemon/top_view.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"
#include "daemon/json_text.h"
#include "daemon/show.h"
#include "daemon/status_servers.h"
#include "http/reason.h"
#include "kedge/abi.h"

/* Reasons that are shown: those with the most in the interval. */
#define REASONS_SHOWN 8
/* The least that a column of names has. */
#define NAME_LEAST    12

struct view {
	FILE *to;
	unsigned columns, left; /* lines that there is room for */
	unsigned hidden;
	const json_t *now, *before; /* before is NULL if it cannot be compared */
	double seconds;             /* between the two */
};

/* --- lines ------------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void put(struct view *v, const char *fmt, ...)
{
	char text[SHOW_NAME], line[SHOW_NAME];
	va_list ap;

	if (!v->left) {
		v->hidden++;
		return;
	}
	v->left--;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	show_name(line, sizeof(line), text, v->columns);
	fprintf(v->to, "%s\n", line);
}

/* In as many lines as it needs. */
static void put_folded(struct view *v, const char *text)
{
	while (*text) {
		size_t n = show_line(text, v->columns);

		put(v, "%.*s", (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}

/* A name in its column: what is left beside `others` columns. */
static const char *column(const struct view *v, char buf[SHOW_NAME], const char *name,
			  unsigned others)
{
	unsigned room = v->columns > others + NAME_LEAST ? v->columns - others : NAME_LEAST;
	unsigned used = show_name(buf, SHOW_NAME - 256, name, room < 64 ? room : 64);
	size_t len = strlen(buf);

	for (; used < (room < 64 ? room : 64); used++)
		buf[len++] = ' ';
	buf[len] = '\0';
	return buf;
}

/* --- rates ------------------------------------------------------------------------------------ */

/* A second; NAN: not known. */
static double rate(const struct view *v, const json_t *now, const json_t *before, const char *key)
{
	long long n = json_number_of(now, key) - json_number_of(before, key);

	return v->before && n >= 0 ? (double)n / v->seconds : NAN;
}

static const char *rate_text(char buf[SHOW_DURATION], double r)
{
	if (isnan(r))
		snprintf(buf, SHOW_DURATION, "-");
	else if (r > 0 && r < 9.95)
		snprintf(buf, SHOW_DURATION, "%.1f", r);
	else
		show_count(buf, r);
	return buf;
}

/* Of one of the counters. */
static double stat_rate(const struct view *v, const char *name)
{
	return rate(v, json_object_get(v->now, "stats"), json_object_get(v->before, "stats"), name);
}

/* The row of `set` that has the same `key`; NULL: none has. */
static const json_t *same_row(const json_t *set, const json_t *like, const char *key)
{
	const char *name = json_text_of(like, key);
	const json_t *row;
	size_t i;

	json_array_foreach(set, i, row) if (!strcmp(json_text_of(row, key), name)) return row;
	return NULL;
}

/* A row that was not there before has no rate. */
static double row_rate(const struct view *v, const json_t *now, const json_t *before,
		       const char *key)
{
	return before ? rate(v, now, before, key) : NAN;
}

/* --- the head --------------------------------------------------------------------------------- */

static void put_process(struct view *v)
{
	const char *state = json_text_of(v->now, "state");
	const bool stays = !strchr("sd", state[0]);
	char up[SHOW_DURATION], workers[48];

	show_plural(workers, sizeof(workers), (uint64_t)json_number_of(v->now, "workers"), "worker",
		    "workers");
	put(v, "kedge %s  up %s  pid %lld  %s%s%s", json_text_of(v->now, "version"),
	    show_duration(up, (uint64_t)json_number_of(v->now, "uptime_ms") / 1000),
	    json_number_of(v->now, "pid"), workers, stays ? "" : "  ", stays ? "" : state);
}

static void put_traffic(struct view *v)
{
	char requests[SHOW_DURATION], accepted[SHOW_DURATION], in[SHOW_DURATION],
		out[SHOW_DURATION];

	put(v, "requests %s/s  connections %lld open, %s/s  in %sB/s  out %sB/s",
	    rate_text(requests, rate(v, v->now, v->before, "requests")),
	    json_number_of(v->now, "connections_open"),
	    rate_text(accepted, stat_rate(v, "accepted")), rate_text(in, stat_rate(v, "bytes_up")),
	    rate_text(out, stat_rate(v, "bytes_down")));
}

/* Of all listeners together. */
static long long sum_of(const json_t *status, const char *whose, const char *class)
{
	const json_t *row;
	long long sum = 0;
	size_t i;

	json_array_foreach(json_object_get(status, "listeners"), i, row) sum +=
		json_number_of(json_object_get(row, whose), class);
	return sum;
}

static double class_rate(const struct view *v, const char *whose, const char *class)
{
	long long n = sum_of(v->now, whose, class) - sum_of(v->before, whose, class);

	return v->before && n >= 0 ? (double)n / v->seconds : NAN;
}

static void put_responses(struct view *v)
{
	static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx"};
	char line[256] = "responses", text[SHOW_DURATION];
	size_t len = strlen(line);
	double own4 = class_rate(v, "responses_own", "4xx");
	double own5 = class_rate(v, "responses_own", "5xx");

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "  %s %s/s", classes[i],
					rate_text(text, class_rate(v, "responses", classes[i])));
	len += (size_t)snprintf(line + len, sizeof(line) - len, "  own 4xx %s/s",
				rate_text(text, own4));
	snprintf(line + len, sizeof(line) - len, "  5xx %s/s", rate_text(text, own5));
	put(v, "%s", line);
}

static bool is_lost(const json_t *status, const char *capability)
{
	const json_t *l;
	size_t i;

	json_array_foreach(
		json_object_get(status, "capability_losses"), i,
		l) if (!strcmp(json_text_of(l, "capability"),
			       capability)) return json_is_true(json_object_get(l, "lost"));
	return false;
}

static void put_capabilities(struct view *v)
{
	static const char *const names[] = {"record", "edit", "bypass", "peername", "guard"};
	char line[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s %.20s%s",
					i ? "  " : "", names[i], json_text_of(v->now, names[i]),
					is_lost(v->now, names[i]) ? " (lost)" : "");
	put(v, "%s", line);
}

/* --- latencies -------------------------------------------------------------------------------- */

/* What was counted between the two. */
static void histogram_between(struct histogram *out, const struct view *v, const char *name)
{
	const json_t *now = json_object_get(json_object_get(v->now, "times"), name);
	const json_t *before = json_object_get(json_object_get(v->before, "times"), name);
	const json_t *to = json_object_get(now, "buckets");
	const json_t *from = json_object_get(before, "buckets");

	*out = (struct histogram){0};
	for (size_t i = 0; i < HISTOGRAM_BUCKETS && v->before; i++) {
		long long n = json_integer_value(json_array_get(to, i)) -
			      json_integer_value(json_array_get(from, i));

		out->count[i] = n > 0 ? (uint64_t)n : 0;
	}
}

static void put_times(struct view *v)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{"handshake", "TLS handshake"},
		{"connect", "connect"},
		{"first_byte", "first byte"},
		{"request", "whole request"},
	};

	put(v, "%s", "");
	put(v, "%-14s %9s %9s %9s", "latency", "p50", "p99", "/s");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char p50[SHOW_DURATION] = "-", p99[SHOW_DURATION] = "-", n[SHOW_DURATION];
		struct histogram h;
		uint64_t count;

		histogram_between(&h, v, rows[i].name);
		count = histogram_count(&h);
		if (count) {
			show_time_us(p50, histogram_quantile_us(&h, 0.5));
			show_time_us(p99, histogram_quantile_us(&h, 0.99));
		}
		put(v, "%-14s %9s %9s %9s", rows[i].text, p50, p99,
		    rate_text(n, v->before ? (double)count / v->seconds : NAN));
	}
}

/* --- tables ----------------------------------------------------------------------------------- */

struct reason {
	const char *name;
	long long delta, total;
};

static int by_delta(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	if (x->delta != y->delta)
		return x->delta < y->delta ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void put_reasons(struct view *v)
{
	const json_t *now = json_object_get(v->now, "reasons");
	const json_t *before = json_object_get(v->before, "reasons");
	struct reason all[KEDGE_REASON_COUNT];
	size_t n = 0;

	for (int i = 1; i < KEDGE_REASON_COUNT; i++) {
		const char *name = reason_name((enum kedge_reason)i);
		long long total = json_number_of(now, name);

		if (total > 0)
			all[n++] =
				(struct reason){name, total - json_number_of(before, name), total};
	}
	if (!n)
		return;
	qsort(all, n, sizeof(all[0]), by_delta);
	put(v, "%s", "");
	put(v, "%-26s %9s %12s", "ended, by reason", "/s", "in all");
	for (size_t i = 0; i < n && i < REASONS_SHOWN; i++) {
		char text[SHOW_DURATION];

		put(v, "%-26s %9s %12lld", all[i].name,
		    rate_text(text, rate(v, now, before, all[i].name)), all[i].total);
	}
}

static void put_server(struct view *v, const char *application, const json_t *server,
		       const json_t *was)
{
	char full[STATUS_SERVER_NAME], name[SHOW_NAME], connects[SHOW_DURATION],
		failed[SHOW_DURATION], age[SHOW_DURATION] = "";
	const json_t *since = json_object_get(server, "since_ms");

	status_server_name(full, application, json_text_of(server, "server"));
	if (since)
		show_duration(age, (uint64_t)json_integer_value(since) / 1000);
	put(v, "%s %6lld %6lld %10s %8s  %s%s%s", column(v, name, full, 56),
	    json_number_of(server, "connections"), json_number_of(server, "busy"),
	    rate_text(connects, row_rate(v, server, was, "legs")),
	    rate_text(failed, row_rate(v, server, was, "failed")), json_text_of(server, "state"),
	    since ? " for " : "", age);
}

/* Those that are not up come first. */
static void put_servers(struct view *v)
{
	const json_t *apps = json_object_get(v->now, "applications"), *app, *server;
	const json_t *apps_before = json_object_get(v->before, "applications");
	char name[SHOW_NAME];
	size_t i, k;

	if (!json_array_size(apps))
		return;
	put(v, "%s", "");
	put(v, "%s %6s %6s %10s %8s  %s", column(v, name, "server", 56), "open", "busy",
	    "connects/s", "failed/s", "state");
	for (int up = false; up <= true; up++)
		json_array_foreach(apps, i, app)
		{
			const json_t *was = same_row(apps_before, app, "application");

			json_array_foreach(json_object_get(app, "servers"), k, server)
			{
				const bool is_up = !strcmp(json_text_of(server, "state"), "up");

				if (is_up != up)
					continue;
				put_server(v, json_text_of(app, "application"), server,
					   same_row(json_object_get(was, "servers"), server,
						    "server"));
			}
		}
	json_array_foreach(apps, i, app)
	{
		long long n = json_number_of(app, "waiting");

		show_name(name, sizeof(name), json_text_of(app, "application"), 40);
		if (n)
			put(v, "%s: %lld %s for a server", name, n,
			    n == 1 ? "client waits" : "clients wait");
	}
}

static void put_listeners(struct view *v)
{
	const json_t *listeners = json_object_get(v->now, "listeners"), *row;
	const json_t *listeners_before = json_object_get(v->before, "listeners");
	char name[SHOW_NAME];
	size_t i;

	if (!json_array_size(listeners))
		return;
	put(v, "%s", "");
	put(v, "%s %6s %10s %12s %10s", column(v, name, "listener", 43), "open", "accepts/s",
	    "handshakes/s", "requests/s");
	json_array_foreach(listeners, i, row)
	{
		const json_t *was = same_row(listeners_before, row, "listener");
		char accepts[SHOW_DURATION], handshakes[SHOW_DURATION], requests[SHOW_DURATION];

		put(v, "%s %6lld %10s %12s %10s",
		    column(v, name, json_text_of(row, "listener"), 43),
		    json_number_of(row, "accepted") - json_number_of(row, "closed"),
		    rate_text(accepts, row_rate(v, row, was, "accepted")),
		    rate_text(handshakes, row_rate(v, row, was, "handshakes")),
		    rate_text(requests, row_rate(v, row, was, "requests")));
	}
}

static void put_guard(struct view *v)
{
	const json_t *now = json_object_get(v->now, "guard_stats");
	const json_t *before = json_object_get(v->before, "guard_stats");
	const json_t *worst = json_array_get(json_object_get(v->now, "guard_refused"), 0);
	char allowed[SHOW_DURATION], stranger[SHOW_DURATION], over[SHOW_DURATION];

	if (!strcmp(json_text_of(v->now, "guard"), "off"))
		return;
	put(v, "%s", "");
	put(v, "guard: allowed %s/s  strangers %s/s  over a limit %s/s",
	    rate_text(allowed, rate(v, now, before, "allowed")),
	    rate_text(stranger, rate(v, now, before, "stranger")),
	    rate_text(over,
		      rate(v, now, before, "rate_source") + rate(v, now, before, "rate_total")));
	if (worst)
		put(v, "refused most: %s, %lld packets (%s)", json_text_of(worst, "source"),
		    json_number_of(worst, "packets"), json_text_of(worst, "reason"));
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Is it the same kedge, and did time pass? */
static bool comparable(const json_t *now, const json_t *before)
{
	return before && json_number_of(now, "pid") == json_number_of(before, "pid") &&
	       json_number_of(now, "started") == json_number_of(before, "started") &&
	       json_number_of(now, "uptime_ms") > json_number_of(before, "uptime_ms");
}

static bool view_begin(struct view *v, char **out, size_t *len, struct top_size size)
{
	*v = (struct view){.to = open_memstream(out, len), .columns = size.columns};
	v->left = size.rows ? size.rows - 1 : UINT32_MAX; /* the last one is the foot */
	return v->to != NULL;
}

static char *view_end(struct view *v, char **out, struct top_size size)
{
	unsigned hidden = v->hidden;

	v->left = size.rows ? 1 : 0;
	if (hidden)
		put(v, "q: quit; %u more line%s in a taller window", hidden,
		    hidden == 1 ? "" : "s");
	else
		put(v, "q: quit");
	if (fclose(v->to) == 0)
		return *out;
	free(*out);
	return NULL;
}

char *top_view(const json_t *now, const json_t *before, struct top_size size)
{
	char *out = NULL;
	struct view v;
	size_t len;

	if (!view_begin(&v, &out, &len, size))
		return NULL;
	v.now = now;
	v.before = comparable(now, before) ? before : NULL;
	if (v.before)
		v.seconds = (double)(json_number_of(now, "uptime_ms") -
				     json_number_of(before, "uptime_ms")) /
			    1000;
	put_process(&v);
	put_traffic(&v);
	put_responses(&v);
	put_capabilities(&v);
	put_times(&v);
	put_reasons(&v);
	put_servers(&v);
	put_listeners(&v);
	put_guard(&v);
	return view_end(&v, &out, size);
}

char *top_view_gone(const char *why, unsigned gone_s, struct top_size size)
{
	char *out = NULL, age[SHOW_DURATION], head[SHOW_DURATION + 64];
	struct view v;
	size_t len;

	if (!view_begin(&v, &out, &len, size))
		return NULL;
	snprintf(head, sizeof(head), "kedge has not answered for %s; trying again",
		 show_duration(age, gone_s));
	put_folded(&v, head);
	put_folded(&v, why);
	return view_end(&v, &out, size);
}
