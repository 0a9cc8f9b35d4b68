/* SPDX-License-Identifier: BSD-2-Clause */
/* server_command.c: which server is meant, and what becomes of it. */
#include "servers_rig.h"

#include "daemon/server_command.h"

static void does(const char *args, size_t app, size_t at, const char *state_then)
{
	json_t *answer = server_command(generation, args);
	json_t *all = json_object_get(answer, "applications");
	json_t *row = json_array_get(json_object_get(json_array_get(all, 0), "servers"), 0);

	if (!json_is_true(json_object_get(answer, "ok")))
		fail_msg("%s: %s", args, json_string_value(json_object_get(answer, "error")));
	assert_int_equal(json_array_size(all), 1);
	assert_string_equal(json_string_value(json_object_get(row, "state")), state_then);
	assert_string_equal(json_string_value(json_object_get(row, "server")),
			    server_at(app, at)->name);
	assert_string_equal(server_state(server_at(app, at), 1), state_then);
	json_decref(answer);
}

static void refuses(const char *args, const char *why)
{
	json_t *answer = server_command(generation, args);

	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_string_equal(json_string_value(json_object_get(answer, "error")), why);
	json_decref(answer);
}

static void a_server_is_found_by_its_name(void **state)
{
	(void)state;
	does("web/10.0.0.1:80 drain", 0, 0, "drain");
	assert_string_equal(server_state(server_at(1, 0), 1), "up");
	does("other/10.0.0.1:80 drain", 1, 0, "drain");
	does("web/10.0.0.1:80 ready", 0, 0, "up");
	/* Alone, if only one application has it. */
	does("10.0.0.9:80 down", 0, 2, "down by operator");
	does("10.0.0.7:80 drain", 2, 0, "drain");
	does("10.0.0.7:80/10.0.0.7:80 ready", 2, 0, "up");
	/* With slashes and spaces in it. */
	does("unix:/run/a b/web.sock drain", 0, 1, "drain");
	does("web/unix:/run/a b/web.sock down", 0, 1, "down by operator");
}

static void a_name_that_is_none_is_refused_with_those_there_are(void **state)
{
	static const char *const names[] = {"nope",
					    "web",
					    "web/",
					    "web/10.0.0.1:8",
					    "/10.0.0.1:80",
					    "10.0.0.7:80/10.0.0.1:80",
					    "web/10.0.0.1:80 "};
	char args[64], why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(args, sizeof(args), "%s drain", names[i]);
		snprintf(why, sizeof(why),
			 "there is no server %s; there are web/10.0.0.1:80, "
			 "web/unix:/run/a b/web.sock, web/10.0.0.9:80, "
			 "other/10.0.0.1:80, 10.0.0.7:80",
			 names[i]);
		refuses(args, why);
	}
	refuses("10.0.0.1:80 drain", "several applications have the server 10.0.0.1:80: say which: "
				     "web/10.0.0.1:80, other/10.0.0.1:80");
	assert_string_equal(server_state(server_at(0, 0), 1), "up");
	assert_int_equal(heard_lines, 0);
}

static void so_is_an_action_that_is_none(void **state)
{
	static const char *const all[] = {"web/10.0.0.1:80", "web/10.0.0.1:80 up",
					  "web/10.0.0.1:80 drain ", "ready"};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		refuses(all[i], "the new state is missing behind the server: ready, drain or down");
}

static void without_a_name_all_are_listed(void **state)
{
	json_t *answer = server_command(generation, "");

	(void)state;
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(json_array_size(json_object_get(answer, "applications")), 3);
	json_decref(answer);
}

/* The last one is taken out all the same: it was asked for. */
static void an_application_without_servers_is_warned_of(void **state)
{
	json_t *answer = server_command(generation, "other/10.0.0.1:80 drain");
	json_t *lines = json_object_get(answer, "lines");

	(void)state;
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(json_array_size(lines), 1);
	assert_string_equal(json_string_value(json_array_get(lines, 0)),
			    "application other: no server is ready: new requests are answered "
			    "with 503, and in mode tcp, connections are closed (kedge server "
			    "other/10.0.0.1:80 ready undoes this)");
	assert_heard("warning: application other: no server is ready");
	json_decref(answer);
}

static void assert_lines(const char *args, const char *line)
{
	json_t *answer = server_command(generation, args);
	json_t *lines = json_object_get(answer, "lines");

	assert_int_equal(json_array_size(lines), line ? 1 : 0);
	if (line)
		assert_string_equal(json_string_value(json_array_get(lines, 0)), line);
	json_decref(answer);
}

/* Those that are left may fail their checks: they get the requests all the same. */
static void the_last_server_that_is_up_is_warned_of(void **state)
{
	(void)state;
	assert_lines("web/10.0.0.9:80 drain", NULL);
	server_set_health(server_at(0, 1), SERVER_BAD, 1, "it says so");
	assert_lines("web/10.0.0.1:80 drain",
		     "application web: no server that is ready is up: new requests go to those "
		     "that are down (kedge server web/10.0.0.1:80 ready undoes this)");
	/* What takes nothing away is not warned of. */
	assert_lines("web/10.0.0.9:80 ready", NULL);
	assert_lines("web/10.0.0.9:80 drain",
		     "application web: no server that is ready is up: new requests go to those "
		     "that are down (kedge server web/10.0.0.9:80 ready undoes this)");
	assert_lines("web/unix:/run/a b/web.sock ready", NULL);
	/* A server that is the application itself. */
	assert_lines("10.0.0.7:80 down",
		     "application 10.0.0.7:80: no server is ready: new requests are answered with "
		     "503, and in mode tcp, connections are closed (kedge server 10.0.0.7:80 ready "
		     "undoes this)");
}

/* A message has an end, whatever the configuration. */
static void not_all_of_many_names_are_told(void **state)
{
	char *yaml = NULL;
	size_t len;
	FILE *to = open_memstream(&yaml, &len);
	json_t *answer;

	(void)state;
	fprintf(to, "tls: off\napps:\n  web: {servers: [");
	for (int i = 1; i <= 20; i++)
		fprintf(to, "'10.0.0.%d:80', ", i);
	fprintf(to, "]}\nlisteners:\n- {listen: '127.0.0.1:1', app: web}\n");
	fclose(to);
	generation_put(generation);
	generation = generation_new(must_load(yaml, ""), 1, 2);
	answer = server_command(generation, "nope drain");
	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")),
			       "web/10.0.0.16:80 and 4 more (kedge server lists them)"));
	json_decref(answer);
	free(yaml);
}

static void the_answer_for_people(void **state)
{
	json_t *answer = server_command(generation, "nope drain");

	(void)state;
	assert_false(server_command_print(answer));
	assert_heard("error: there is no server nope; ");
	json_decref(answer);
	answer = json_loads("{\"ok\": true, \"lines\": [\"w\"], \"applications\": []}", 0, NULL);
	assert_true(server_command_print(answer));
	assert_string_equal(heard_last(), "warning: w\n");
	json_decref(answer);
	answer = json_object(); /* of an older kedge it would be an error */
	assert_false(server_command_print(answer));
	json_decref(answer);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, servers_setup, servers_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_server_is_found_by_its_name),
		TEST(a_name_that_is_none_is_refused_with_those_there_are),
		TEST(so_is_an_action_that_is_none),
		TEST(without_a_name_all_are_listed),
		TEST(an_application_without_servers_is_warned_of),
		TEST(the_last_server_that_is_up_is_warned_of),
		TEST(not_all_of_many_names_are_told),
		TEST(the_answer_for_people),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
