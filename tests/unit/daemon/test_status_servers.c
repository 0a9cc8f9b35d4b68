/* SPDX-License-Identifier: BSD-2-Clause */
/* status_servers.c: servers as JSON, and that as text. */
#include "servers_rig.h"

#include "base/clock.h"
#include "daemon/status_servers.h"

static json_t *row_of(json_t *all, size_t app, size_t at)
{
	return json_array_get(json_object_get(json_array_get(all, app), "servers"), at);
}

static long long number(const json_t *row, const char *key)
{
	assert_true(json_is_integer(json_object_get(row, key)));
	return (long long)json_integer_value(json_object_get(row, key));
}

static void text(const json_t *row, const char *key, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(row, key)), expected);
}

static void each_server_has_what_all_workers_count(void **state)
{
	struct server *s = server_at(0, 1);
	json_t *all, *row;

	(void)state;
	server_enter(s, 0);
	server_worked(s, 0, 1);
	server_worked(s, 1, 1);
	server_failed(s, 1, 1, "x");
	s->rows[0].busy = 3;
	s->rows[1].busy = 4;
	servers_wait(&generation->apps[2]);
	server_set_health(s, SERVER_BAD, monotonic_ms() - 5000, "503 where 200 was expected");
	all = status_servers_json(generation);
	assert_int_equal(json_array_size(all), 3);
	text(json_array_get(all, 0), "application", "web");
	text(json_array_get(all, 2), "application", "10.0.0.7:80");
	assert_int_equal(number(json_array_get(all, 0), "waiting"), 0);
	assert_int_equal(number(json_array_get(all, 2), "waiting"), 1);
	servers_wait_over(&generation->apps[2]);
	row = row_of(all, 0, 1);
	text(row, "server", "unix:/run/a b/web.sock");
	text(row, "state", "down");
	text(row, "health", "bad");
	text(row, "cause", "503 where 200 was expected");
	assert_int_equal(number(row, "connections"), 1);
	assert_int_equal(number(row, "busy"), 7);
	assert_int_equal(number(row, "legs"), 2);
	assert_int_equal(number(row, "failed"), 1);
	assert_true(number(row, "since_ms") >= 5000);
	assert_true(json_is_true(json_object_get(row, "checked")));
	assert_true(json_is_false(json_object_get(row, "backup")));
	row = row_of(all, 0, 2);
	text(row, "state", "up");
	text(row, "health", "unchecked");
	assert_null(json_object_get(row, "since_ms"));
	assert_null(json_object_get(row, "cause"));
	assert_true(json_is_true(json_object_get(row, "backup")));
	assert_true(json_is_false(json_object_get(row_of(all, 1, 0), "checked")));
	server_set_health(s, SERVER_GOOD, 1, "x");
	json_decref(all);
	all = status_servers_json(generation);
	text(row_of(all, 0, 1), "health", "good");
	json_decref(all);
	server_leave(s);
}

/* To be freed. */
static char *printed(const char *json)
{
	json_t *all = json_loads(json, 0, NULL);
	char *out = NULL;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	status_servers_print(to, all);
	fclose(to);
	json_decref(all);
	return out;
}

#define PLAIN                                                                                  \
	"\"state\": \"up\", \"health\": \"unchecked\", \"backup\": false, \"connections\": 3," \
	" \"busy\": 1, \"legs\": 9, \"failed\": 2"

#define HEAD "server                      open    busy  connected  failed  state\n"

static void a_name_has_its_address(void **state)
{
	struct conf_server *named = &generation->conf->apps[1].servers.set[0];
	union addr moved = named->addr;
	json_t *all;

	(void)state;
	named->host = strdup("app.internal");
	all = status_servers_json(generation);
	text(row_of(all, 1, 0), "address", "10.0.0.1:80");
	assert_null(json_object_get(row_of(all, 0, 0), "address"));
	json_decref(all);
	moved.in.sin_port = htons(81);
	server_set_addr(server_at(1, 0), &moved);
	all = status_servers_json(generation);
	text(row_of(all, 1, 0), "address", "10.0.0.1:81");
	json_decref(all);
}

static void a_queue_is_shown_while_somebody_is_in_it(void **state)
{
	char *out = printed("[{\"application\": \"web\", \"waiting\": 5, \"servers\": ["
			    "{\"server\": \"a:1\", \"checked\": false, " PLAIN "}]}]");

	(void)state;
	assert_string_equal(out, "application web/a:1: 3 connections, 5 clients wait, up\n");
	free(out);
	out = printed("[{\"application\": \"web\", \"waiting\": 5, \"servers\": ["
		      "{\"server\": \"a:1\", " PLAIN
		      "}]}, {\"application\": \"b:1\", \"waiting\": 0,"
		      " \"servers\": [{\"server\": \"b:1\", " PLAIN "}]}]");
	assert_string_equal(out, HEAD
			    "web/a:1                        3       1          9       2  up\n"
			    "web: 5 clients wait for a server\n"
			    "b:1                            3       1          9       2  up\n");
	free(out);
}

static void one_server_is_one_line(void **state)
{
	char *out = printed("[{\"application\": \"10.0.0.1:80\", \"servers\": [{\"server\":"
			    " \"10.0.0.1:80\", \"checked\": false, " PLAIN "}]}]");

	(void)state;
	assert_string_equal(out, "application 10.0.0.1:80: 3 connections, up\n");
	free(out);
	out = printed("[{\"application\": \"web\", \"servers\": [{\"server\": \"unix:/x\","
		      " \"checked\": false, \"since_ms\": 7999, " PLAIN "}]}]");
	assert_string_equal(out, "application web/unix:/x: 3 connections, up for 7 s\n");
	free(out);
	out = printed("[]"); /* of an older kedge */
	assert_string_equal(out, "");
	free(out);
}

static void a_line_is_not_wider_than_a_terminal(void **state)
{
	char *out = printed("[{\"application\": \"web\", \"servers\": [{\"server\": "
			    "\"unix:/a/path/that/is/longer/than/its/column\", \"state\": "
			    "\"down\", \"checked\": true, \"health\": \"unchecked\", "
			    "\"since_ms\": 90061000, \"cause\": \"the answer to the check was "
			    "503, where something between 200 and 399 was expected\"}]}]");

	(void)state;
	assert_string_equal(out,
			    HEAD "web/unix:/a/path/that/is/longer/than/its/column\n"
				 "                               0       0          0       0  "
				 "down for 1 d 1 h\n"
				 "    not checked yet: the answer to the check was 503, where "
				 "something between\n"
				 "    200 and 399 was expected\n");
	free(out);
}

static void several_or_one_that_is_checked_are_rows(void **state)
{
	char *out = printed("[{\"application\": \"web\", \"servers\": [{\"server\": \"a:1\","
			    " \"checked\": true, " PLAIN "}]}]");

	(void)state;
	assert_string_equal(out,
			    HEAD "web/a:1                        3       1          9       2  up\n"
				 "    not checked yet\n");
	free(out);
	out = printed("[{\"application\": \"b:1\", \"servers\": [{\"server\": \"b:1\", " PLAIN
		      "}, {\"server\": \"c:1\", \"state\": \"drain\", \"backup\": true,"
		      " \"since_ms\": 1000, \"cause\": \"503\"}]}]");
	assert_string_equal(
		out,
		HEAD "b:1                            3       1          9       2  up\n"
		     "c:1                            0       0          0       0  drain for 1 s\n"
		     "    backup: 503\n");
	free(out);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, servers_setup, servers_teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_server_has_what_all_workers_count),
		TEST(a_name_has_its_address),
		TEST(one_server_is_one_line),
		TEST(a_queue_is_shown_while_somebody_is_in_it),
		TEST(a_line_is_not_wider_than_a_terminal),
		TEST(several_or_one_that_is_checked_are_rows),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
