/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge server, at the daemon's end. See server_command.h. */
#include "daemon/server_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/json_text.h"
#include "daemon/status_servers.h"

/* So many names in a message. */
#define NAMES_MAX 16

struct place {
	size_t app, server; /* indices */
};

static json_t *refuse(const char *text)
{
	return json_pack("{s:b, s:o}", "ok", 0, "error", json_text(text));
}

/* --- which server ----------------------------------------------------------------------------- */

/* Is text[0..n) "APPLICATION/SERVER" of these two? */
static bool is_full_name(const char *text, size_t n, const char *app, const char *server)
{
	size_t len = strlen(app);

	return n == len + 1 + strlen(server) && !memcmp(text, app, len) && text[len] == '/' &&
	       !memcmp(text + len + 1, server, n - len - 1);
}

/* How many servers have this name. *at: the last one. A full name belongs to one only. */
static size_t find(const struct generation *g, const char *text, size_t n, struct place *at)
{
	size_t found = 0;

	for (size_t i = 0; i < g->conf->apps_count; i++)
		for (size_t k = 0; k < g->apps[i].count; k++) {
			const char *name = g->apps[i].set[k]->name;

			if (is_full_name(text, n, g->conf->apps[i].name, name)) {
				*at = (struct place){i, k};
				return 1;
			}
			if (strlen(name) != n || memcmp(name, text, n) != 0)
				continue;
			*at = (struct place){i, k};
			found++;
		}
	return found;
}

/* Those with this name, or all if `text` is NULL. Full names where one name is not enough. */
static void put_names(FILE *to, const struct generation *g, const char *text, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < g->conf->apps_count; i++)
		for (size_t k = 0; k < g->apps[i].count; k++) {
			const char *app = g->conf->apps[i].name, *name = g->apps[i].set[k]->name;
			char shown[STATUS_SERVER_NAME];

			if (text && (strlen(name) != n || memcmp(name, text, n) != 0))
				continue;
			if (text)
				snprintf(shown, sizeof(shown), "%s/%s", app, name);
			else
				status_server_name(shown, app, name);
			if (count++ < NAMES_MAX)
				fprintf(to, "%s%s", count > 1 ? ", " : "", shown);
		}
	if (count > NAMES_MAX)
		fprintf(to, " and %zu more (kedge server lists them)", count - NAMES_MAX);
}

static json_t *refuse_name(const struct generation *g, const char *text, size_t n, size_t found)
{
	_cleanup_(freep)
	char *why = NULL;
	size_t len;
	FILE *to = open_memstream(&why, &len);

	if (!to)
		return NULL;
	if (found) {
		fprintf(to, "several applications have the server %.*s: say which: ", (int)n, text);
		put_names(to, g, text, n);
	} else {
		fprintf(to, "there is no server %.*s; there are ", (int)n, text);
		put_names(to, g, NULL, 0);
	}
	return fclose(to) ? NULL : refuse(why);
}

/* --- what to do with it ----------------------------------------------------------------------- */

/* -1: no action of this name. */
static int action_of(const char *text)
{
	static const char *const names[] = {
		[SERVER_READY] = "ready", [SERVER_DRAIN] = "drain", [SERVER_DOWN] = "down"};

	for (int i = 0; i < 3; i++)
		if (!strcmp(text, names[i]))
			return i;
	return -1;
}

/* Has the application a server that the operator lets take connections? `up`: and that is up? */
static bool has_server(const struct servers *app, bool up, uint64_t now_ms)
{
	for (size_t k = 0; k < app->count; k++)
		if (server_is_ready(app->set[k]) && (!up || server_is_up(app->set[k], now_ms)))
			return true;
	return false;
}

#define LOSS_SIZE (2 * STATUS_SERVER_NAME + 256)

/* What taking this server out means for clients, and how it is taken back; or "". */
static void tell_loss(char text[LOSS_SIZE], const struct servers *app, const struct server *taken,
		      uint64_t now_ms)
{
	const char *name = app->conf->name;
	char full[STATUS_SERVER_NAME];

	*text = '\0';
	status_server_name(full, name, taken->name);
	if (!has_server(app, false, now_ms))
		snprintf(text, LOSS_SIZE,
			 "application %s: no server is ready: new requests are answered with 503, "
			 "and in mode tcp, connections are closed (kedge server %s ready "
			 "undoes this)",
			 name, full);
	else if (!has_server(app, true, now_ms))
		snprintf(text, LOSS_SIZE,
			 "application %s: no server that is ready is up: new requests go to those "
			 "that are down (kedge server %s ready undoes this)",
			 name, full);
}

/* The list, without the other servers. */
static json_t *only(const struct generation *g, struct place at)
{
	json_t *all = status_servers_json(g), *app = json_array_get(all, at.app);
	json_t *server = json_array_get(json_object_get(app, "servers"), at.server);
	json_t *one =
		json_pack("[{s:O, s:O, s:[O]}]", "application", json_object_get(app, "application"),
			  "waiting", json_object_get(app, "waiting"), "servers", server);

	json_decref(all);
	return one;
}

static json_t *change(const struct generation *g, struct place at, enum server_admin admin)
{
	const struct servers *app = &g->apps[at.app];
	const uint64_t now_ms = monotonic_ms();
	json_t *lines = json_array();
	char text[LOSS_SIZE] = "";

	server_set_admin(app->set[at.server], admin, now_ms);
	if (admin != SERVER_READY)
		tell_loss(text, app, app->set[at.server], now_ms);
	if (*text) {
		log_warn("%s", text);
		json_array_append_new(lines, json_text(text));
	}
	return json_pack("{s:b, s:o, s:o}", "ok", 1, "applications", only(g, at), "lines", lines);
}

json_t *server_command(const struct generation *g, const char *args)
{
	/* The path of a unix socket may have spaces, but an action has none. */
	const char *space = strrchr(args, ' ');
	size_t n = space ? (size_t)(space - args) : strlen(args), found;
	int action = space ? action_of(space + 1) : -1;
	struct place at = {0};

	if (!*args)
		return json_pack("{s:b, s:o}", "ok", 1, "applications", status_servers_json(g));
	if (action < 0)
		return refuse("the new state is missing behind the server: ready, drain or down");
	found = find(g, args, n, &at);
	return found == 1 ? change(g, at, (enum server_admin)action)
			  : refuse_name(g, args, n, found);
}

bool server_command_print(const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	const json_t *line;
	size_t i;

	if (error)
		log_error("%s", error);
	if (error || !json_is_true(json_object_get(answer, "ok")))
		return false;
	json_array_foreach(json_object_get(answer, "lines"), i, line)
		log_warn("%s", json_string_value(line));
	status_servers_print(stdout, json_object_get(answer, "applications"));
	return true;
}
