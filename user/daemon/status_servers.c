/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers for `kedge status` and `kedge server`. See status_servers.h. */
#include "daemon/status_servers.h"

#include <string.h>

#include "base/clock.h"
#include "config/config_server.h"
#include "daemon/json_text.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

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

static void print_state(FILE *to, const json_t *server)
{
	const json_t *since = json_object_get(server, "since_ms");
	const char *cause = json_string_value(json_object_get(server, "cause"));

	fprintf(to, "%s", json_text_of(server, "state"));
	if (since)
		fprintf(to, " for %lld s", (long long)json_integer_value(since) / 1000);
	if (json_is_true(json_object_get(server, "checked")) &&
	    !strcmp(json_text_of(server, "health"), "unchecked"))
		fprintf(to, ", not checked yet");
	if (json_is_true(json_object_get(server, "backup")))
		fprintf(to, ", backup");
	if (cause)
		fprintf(to, ": %s", cause);
	fputc('\n', to);
}

static void print_row(FILE *to, const char *application, const json_t *server)
{
	char name[STATUS_SERVER_NAME];

	status_server_name(name, application, json_text_of(server, "server"));
	fprintf(to, "%-24s %12lld %12lld %12lld %12lld  ", name,
		json_number_of(server, "connections"), json_number_of(server, "busy"),
		json_number_of(server, "legs"), json_number_of(server, "failed"));
	print_state(to, server);
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

void status_servers_print(FILE *to, const json_t *applications)
{
	const json_t *only = only_server(applications), *app, *server;
	char name[STATUS_SERVER_NAME];
	size_t i, k;

	if (!json_array_size(applications))
		return;
	if (only) {
		app = json_array_get(applications, 0);
		status_server_name(name, json_text_of(app, "application"),
				   json_text_of(only, "server"));
		fprintf(to, "application %s: %lld connections, ", name,
			json_number_of(only, "connections"));
		if (json_number_of(app, "waiting"))
			fprintf(to, "%lld clients wait, ", json_number_of(app, "waiting"));
		print_state(to, only);
		return;
	}
	fprintf(to, "%-24s %12s %12s %12s %12s  %s\n", "server", "connections", "busy", "connected",
		"failed", "state");
	json_array_foreach(applications, i, app)
	{
		json_array_foreach(json_object_get(app, "servers"), k, server)
			print_row(to, json_text_of(app, "application"), server);
		if (json_number_of(app, "waiting"))
			fprintf(to, "%s: %lld clients wait for a server\n",
				json_text_of(app, "application"), json_number_of(app, "waiting"));
	}
}
