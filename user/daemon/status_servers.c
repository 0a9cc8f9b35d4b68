/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers for `kedge status` and `kedge server`. See status_servers.h. */
#include "daemon/status_servers.h"

#include <string.h>

#include "base/clock.h"
#include "config/config_server.h"
#include "daemon/json_text.h"
#include "daemon/show.h"

#define SERVER_COLUMNS 24
#define STATE_COLUMN   (SERVER_COLUMNS + 37)
#define LOAD(field)    __atomic_load_n(&(field), __ATOMIC_RELAXED)

static const char *health_text(const struct server *s)
{
	switch ((enum server_health)LOAD(s->health)) {
	case SERVER_GOOD:
		return "good";
	case SERVER_BAD:
		return "bad";
	case SERVER_UNCHECKED:
		break;
	}
	return "unchecked";
}

static json_t *server_json(struct server *s, const struct conf_app *app, size_t at, uint64_t now_ms)
{
	uint64_t since_ms = LOAD(s->since_ms), legs = 0, failed = 0, busy = 0;
	char cause[SERVER_CAUSE_SIZE], addr[ADDR_TEXT_MAX];
	union addr buf;
	json_t *row;

	server_cause(s, now_ms, cause);
	for (unsigned i = 0; i < s->rows_count; i++) {
		busy += LOAD(s->rows[i].busy);
		legs += LOAD(s->rows[i].legs);
		failed += LOAD(s->rows[i].failed);
	}
	row = json_pack("{s:o, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I}", "server",
			json_text(s->name), "state", server_state(s, now_ms), "health",
			health_text(s), "backup", app->servers.set[at].backup, "checked",
			app->check != CHECK_OFF, "connections", (json_int_t)LOAD(s->connections),
			"busy", (json_int_t)busy, "legs", (json_int_t)legs, "failed",
			(json_int_t)failed);
	if (app->servers.set[at].host) {
		addr_format(addr, server_addr(s, &app->servers.set[at].addr, &buf));
		json_object_set_new(row, "address", json_text(addr));
	}
	if (cause[0])
		json_object_set_new(row, "cause", json_text(cause));
	if (since_ms)
		json_object_set_new(
			row, "since_ms",
			json_integer((json_int_t)(now_ms > since_ms ? now_ms - since_ms : 0)));
	return row;
}

json_t *status_servers_json(const struct generation *g)
{
	uint64_t now_ms = monotonic_ms();
	json_t *all = json_array();

	for (size_t i = 0; i < g->conf->apps_count; i++) {
		const struct servers *app = &g->apps[i];
		json_t *set = json_array();

		for (size_t k = 0; k < app->count; k++)
			json_array_append_new(set, server_json(app->set[k], app->conf, k, now_ms));
		json_array_append_new(
			all, json_pack("{s:o, s:I, s:o}", "application", json_text(app->conf->name),
				       "waiting", (json_int_t)LOAD(app->waiting), "servers", set));
	}
	return all;
}

/* --- for people ------------------------------------------------------------------------------- */

void status_server_name(char buf[STATUS_SERVER_NAME], const char *application, const char *server)
{
	if (config_server_like(application))
		snprintf(buf, STATUS_SERVER_NAME, "%s", server);
	else
		snprintf(buf, STATUS_SERVER_NAME, "%s/%s", application, server);
}

/* "up", "down for 7 s" */
static const char *state_text(char buf[64], const json_t *server)
{
	const json_t *since = json_object_get(server, "since_ms");
	char age[SHOW_DURATION];

	if (since)
		snprintf(buf, 64, "%.16s for %s", json_text_of(server, "state"),
			 show_duration(age, (uint64_t)json_integer_value(since) / 1000));
	else
		snprintf(buf, 64, "%.16s", json_text_of(server, "state"));
	return buf;
}

/* ", backup, not checked yet: its cause" */
static void more_text(char *buf, size_t size, const json_t *server)
{
	const char *cause = json_string_value(json_object_get(server, "cause"));
	bool unchecked = json_is_true(json_object_get(server, "checked")) &&
			 !strcmp(json_text_of(server, "health"), "unchecked");

	snprintf(buf, size, "%s%s%s%s",
		 json_is_true(json_object_get(server, "backup")) ? ", backup" : "",
		 unchecked ? ", not checked yet" : "", cause ? ": " : "", cause ? cause : "");
}

static void print_row(FILE *to, const char *application, const json_t *server)
{
	char name[STATUS_SERVER_NAME], state[64], more[512];

	status_server_name(name, application, json_text_of(server, "server"));
	show_column(to, SERVER_COLUMNS, name);
	fprintf(to, " %7lld %7lld %10lld %7lld  ", json_number_of(server, "connections"),
		json_number_of(server, "busy"), json_number_of(server, "legs"),
		json_number_of(server, "failed"));
	show_folded(to, STATE_COLUMN, STATE_COLUMN, state_text(state, server));
	more_text(more, sizeof(more), server);
	if (!more[0])
		return;
	fputs("    ", to);
	show_folded(to, 4, 4, more + strspn(more, ",: "));
}

static void print_waiting(FILE *to, const json_t *app)
{
	char name[SHOW_NAME];
	long long n = json_number_of(app, "waiting");

	show_name(name, sizeof(name), json_text_of(app, "application"), SHOW_COLUMNS - 40);
	if (n)
		fprintf(to, "%s: %lld %s for a server\n", name, n,
			n == 1 ? "client waits" : "clients wait");
}

/* The server of a kedge that has only one, which is not checked; otherwise NULL. */
static const json_t *only_server(const json_t *applications)
{
	const json_t *set = json_object_get(json_array_get(applications, 0), "servers");
	const json_t *server = json_array_get(set, 0);

	if (json_array_size(applications) != 1 || json_array_size(set) != 1 ||
	    json_is_true(json_object_get(server, "checked")))
		return NULL;
	return server;
}

static void print_only(FILE *to, const json_t *app, const json_t *server)
{
	char name[STATUS_SERVER_NAME], connections[48], waiting[64] = "", state[64], more[512];
	char line[STATUS_SERVER_NAME + 1024];
	long long n = json_number_of(app, "waiting");

	status_server_name(name, json_text_of(app, "application"), json_text_of(server, "server"));
	show_plural(connections, sizeof(connections),
		    (uint64_t)json_number_of(server, "connections"), "connection", "connections");
	if (n)
		snprintf(waiting, sizeof(waiting), ", %lld %s", n,
			 n == 1 ? "client waits" : "clients wait");
	more_text(more, sizeof(more), server);
	snprintf(line, sizeof(line), "application %s: %s%s, %s%s", name, connections, waiting,
		 state_text(state, server), more);
	show_folded(to, 0, 4, line);
}

void status_servers_print(FILE *to, const json_t *applications)
{
	const json_t *only = only_server(applications), *app, *server;
	size_t i, k;

	if (!json_array_size(applications))
		return;
	if (only) {
		print_only(to, json_array_get(applications, 0), only);
		return;
	}
	fprintf(to, "%-*s %7s %7s %10s %7s  %s\n", SERVER_COLUMNS, "server", "open", "busy",
		"connected", "failed", "state");
	json_array_foreach(applications, i, app)
	{
		json_array_foreach(json_object_get(app, "servers"), k, server)
			print_row(to, json_text_of(app, "application"), server);
		print_waiting(to, app);
	}
}
