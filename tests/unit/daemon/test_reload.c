/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload.c: a daemon takes over what its file says, or stays as it is. Its workers have no threads,
 * so they take what is posted at once, and nobody connects. cmd_run.c makes and frees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "daemon/cmd_run.c"
#include "daemon/reload.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"
#include "tests/lib/net.h"
#include "tests/lib/tls_peer.h"

static struct daemon kedge;
static char *words[] = {(char *)"run", (char *)"-c", loading_file, NULL};

/* A daemon under this configuration, as far as a reload needs one. */
static void start_with(const char *yaml)
{
	struct conf *conf;

	write_file(yaml, strlen(yaml));
	kedge = (struct daemon){.argc = 3,
				.argv = words,
				.signal_fd = -1,
				.control_fd = -1,
				.shared.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	assert_int_equal(config_load(&conf, 3, words), 0);
	kedge.generation = generation_new(conf, 1, 1);
	kedge.conf = conf;
	kedge.shared.limits = &kedge.limits;
	assert_int_equal(limits_init(&kedge.limits), 0);
	assert_int_equal(tls_shared_init(&kedge.generation->tls, conf, &kedge.record_caps), 0);
	assert_int_equal(workers_init(&kedge), 0);
	assert_int_equal(checks_start(&kedge), 0);
	assert_int_equal(names_start(&kedge), 0);
	heard_begin();
}

static int setup(void **state)
{
	(void)state;
	heard_begin();
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stop(&kedge);
	assert_int_equal(generation_count(), 0);
	heard_end();
	return 0;
}

static json_t *reload_to(const char *yaml)
{
	json_t *answer;

	write_file(yaml, strlen(yaml));
	heard_begin();
	answer = reload(&kedge);
	assert_non_null(answer);
	log_error("next"); /* the tap from before is back */
	assert_string_equal(heard_last(), "error: next\n");
	return answer;
}

/* The texts of a list, in order, one a line. */
static const char *texts(const json_t *answer, const char *key)
{
	static char all[4096];
	const json_t *text;
	size_t i;

	all[0] = '\0';
	json_array_foreach(json_object_get(answer, key), i, text)
	{
		strcat(all, json_string_value(text));
		strcat(all, "\n");
	}
	return all;
}

static void done(json_t *answer, unsigned generation, const char *changed, const char *restart)
{
	assert_string_equal(texts(answer, "lines"), "");
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(json_integer_value(json_object_get(answer, "generation")), generation);
	assert_string_equal(texts(answer, "changed"), changed);
	assert_string_equal(texts(answer, "restart"), restart);
	assert_int_equal(kedge.generation->number, generation);
	assert_ptr_equal(kedge.conf, kedge.generation->conf);
	json_decref(answer);
}

/* Nothing has changed, and `line` says why. */
static void refused(json_t *answer, unsigned generation, const char *line)
{
	char stays[64];

	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_int_equal(json_integer_value(json_object_get(answer, "generation")), generation);
	assert_string_equal(texts(answer, "changed"), "");
	assert_string_equal(texts(answer, "restart"), "");
	if (!strstr(texts(answer, "lines"), line))
		fail_msg("%s, not %s", texts(answer, "lines"), line);
	snprintf(stays, sizeof(stays), "reload: refused; configuration %u stays\n", generation);
	assert_heard(stays);
	assert_int_equal(kedge.generation->number, generation);
	assert_int_equal(generation_count(), 1);
	json_decref(answer);
}

#define HEAD  "tls: off\napp: localhost:3000\nworkers: 2\n"
#define FIRST HEAD "listeners:\n- listen: 127.0.0.1:0\n"

/* The port that worker w has for listener i, host order. */
static uint16_t port_of(unsigned w, size_t i)
{
	uint16_t *ports = doors_ports(kedge.workers[w].doors);
	uint16_t port = ports[i];

	free(ports);
	return port;
}

static void the_same_file_changes_nothing(void **state)
{
	uint16_t port;

	(void)state;
	start_with(FIRST);
	port = port_of(0, 0);
	done(reload_to(FIRST), 2, "", "");
	assert_int_equal(port_of(0, 0), port);
	assert_int_equal(port_of(1, 0), port);
	assert_int_equal(generation_count(), 1); /* the first one is freed */
	done(reload_to(FIRST), 3, "", "");
	assert_heard("reload: configuration 3 is in force\n");
	assert_int_equal(kedge.reloads.done, 2);
	assert_int_equal(kedge.reloads.refused, 0);
	assert_false(kedge.reloads.last_refused);
	assert_in_range(kedge.reloads.last, time(NULL) - 600, time(NULL));
}

static void what_is_changed_is_told(void **state)
{
	(void)state;
	start_with(FIRST);
	done(reload_to("log-level: warn\napp: localhost:3001\n"
		       "tls: off\nworkers: 3\nlisteners:\n- listen: 127.0.0.1:0\n"),
	     2,
	     "app: localhost:3000 -> localhost:3001\n"
	     "log-level: info -> warn\n",
	     "workers: 2 -> 3\n");
	assert_int_equal(log_level(), LOG_LEVEL_WARN);
	assert_int_equal(kedge.workers_made, 2);
}

static void listeners_come_and_go(void **state)
{
	char two[256], line[64];
	uint16_t port, second;
	int free_fd = net_listen(&second);

	(void)state;
	close(free_fd);
	start_with(FIRST);
	port = port_of(0, 0);
	snprintf(two, sizeof(two), FIRST "- listen: 127.0.0.1:%u\n", second);
	snprintf(line, sizeof(line), "listener 127.0.0.1:%u: added\n", second);
	done(reload_to(two), 2, line, "");
	assert_int_equal(port_of(0, 0), port);
	assert_int_equal(port_of(0, 1), second);
	assert_int_equal(port_of(1, 1), second);
	snprintf(line, sizeof(line), "listener 127.0.0.1:%u: removed\n", second);
	done(reload_to(FIRST), 3, line, "");
	assert_int_equal(port_of(0, 0), port);
}

static void a_bad_file_leaves_all_as_it_was(void **state)
{
	uint16_t port;

	(void)state;
	start_with(FIRST);
	port = port_of(0, 0);
	refused(reload_to(FIRST "xff: up\n"), 1, "xff: \"up\" is not one of");
	refused(reload_to(""), 1, "kedge: error: ");
	refused(reload_to("tls: off\n"), 1, "kedge: error: ");
	assert_int_equal(unlink(loading_file), 0);
	heard_begin();
	refused(reload(&kedge), 1, "No such file or directory");
	assert_int_equal(port_of(0, 0), port);
	done(reload_to(FIRST), 2, "", "");
}

static void a_port_that_is_taken_refuses_all(void **state)
{
	uint16_t taken_port, port;
	int taken = net_listen(&taken_port);
	char two[256];

	(void)state;
	start_with(FIRST);
	port = port_of(0, 0);
	snprintf(two, sizeof(two), FIRST "- listen: 127.0.0.1:%u\nlog-level: error\n", taken_port);
	refused(reload_to(two), 1, "Address already in use");
	assert_int_equal(port_of(0, 0), port);
	assert_int_equal(kedge.workers[0].doors->count, 1);
	assert_int_equal(kedge.workers[1].doors->count, 1);
	assert_int_equal(log_level(), LOG_LEVEL_INFO);
	close(taken);
}

/* The maps of BPF keep the size that they were made with. */
static void connections_beyond_the_maps_need_a_restart(void **state)
{
	(void)state;
	start_with(FIRST "connections-max: 100\n");
	kedge.shared.flows_max = 100;
	done(reload_to(FIRST "connections-max: 200\n"), 2, "",
	     "connections-max: 100 -> 200: the BPF maps were made for 100 connections\n");
	assert_int_equal(kedge.conf->connections_max, 100);
	done(reload_to(FIRST "connections-max: 50\n"), 3, "connections-max: 100 -> 50\n", "");
	assert_int_equal(kedge.conf->connections_max, 50);
	done(reload_to(FIRST "connections-max: 100\n"), 4, "connections-max: 50 -> 100\n", "");
	kedge.shared.flows_max = 0; /* no BPF: no maps */
	done(reload_to(FIRST "connections-max: 300\n"), 5, "connections-max: 100 -> 300\n", "");
}

/* Until they are as before, or kedge is started again. */
static void what_waits_for_a_restart_is_remembered(void **state)
{
	static const char more[] = FIRST "metrics: 127.0.0.1:0\n";
	json_t *answer;

	(void)state;
	start_with(FIRST);
	assert_int_equal(json_array_size(kedge.restart), 0);
	done(reload_to(more), 2, "", "metrics: - -> 127.0.0.1:0\n");
	assert_int_equal(json_array_size(kedge.restart), 1);
	assert_int_equal(kedge.reloads.restart, 1);
	refused(reload_to("x"), 2, ""); /* what runs is the same */
	assert_int_equal(json_array_size(kedge.restart), 1);
	answer = reload_to(more);
	assert_int_equal(json_array_size(kedge.restart), 1);
	json_decref(answer);
	done(reload_to(FIRST), 4, "", "");
	assert_int_equal(json_array_size(kedge.restart), 0);
	assert_int_equal(kedge.reloads.restart, 0);
}

/* A set that a worker has not taken yet must not be replaced: it would be lost. */
static void a_worker_that_lags_refuses_the_next_one(void **state)
{
	(void)state;
	start_with(FIRST);
	kedge.workers[1].posted = kedge.workers[1].doors;
	refused(reload_to(FIRST), 1, "reload: a worker is busy and has not taken the last one yet");
	kedge.workers[1].posted = NULL;
	done(reload_to(FIRST), 2, "", "");
}

/* --- servers ---------------------------------------------------------------------------------- */

#define CHECKED_APP(path)                                                                      \
	"tls: off\nworkers: 2\napps:\n  web: {servers: ['127.0.0.1:9', '127.0.0.1:10'], " path \
	"}\nlisteners:\n- {listen: '127.0.0.1:0', app: web}\n"

static struct server *server_of(size_t at)
{
	return kedge.generation->apps[0].set[at];
}

/* The thread sets it; nobody listens there. */
static void goes_down(const struct server *s)
{
	uint64_t until = monotonic_ms() + NET_PATIENCE_MS;

	while (__atomic_load_n(&s->health, __ATOMIC_RELAXED) != SERVER_BAD) {
		assert_true(monotonic_ms() < until);
		poll(NULL, 0, 1);
	}
}

static void servers_that_stay_keep_their_state(void **state)
{
	struct server *before;

	(void)state;
	start_with(CHECKED_APP("check: {every-ms: 100, fall: 1}"));
	before = server_of(1);
	server_set_admin(before, SERVER_DRAIN, 1);
	goes_down(server_of(0));
	done(reload_to(CHECKED_APP("check: {every-ms: 100, fall: 1}")), 2, "", "");
	assert_ptr_equal(server_of(1), before);
	assert_int_equal(before->admin, SERVER_DRAIN);
	assert_int_equal(server_of(0)->health, SERVER_BAD);
}

static void checks_follow_the_configuration(void **state)
{
	(void)state;
	start_with(CHECKED_APP("check: off"));
	assert_int_equal(server_of(0)->health, SERVER_UNCHECKED);
	json_decref(reload_to(CHECKED_APP("check: {every-ms: 100, fall: 1}")));
	goes_down(server_of(0));
	refused(reload_to(CHECKED_APP("check: {every-ms: 100, fall: x}")), 2, "fall");
	json_decref(reload_to(CHECKED_APP("check: off")));
	assert_int_equal(server_of(0)->health, SERVER_UNCHECKED);
}

/* --- certificates ----------------------------------------------------------------------------- */

static void with_cert(char yaml[1024], const struct peer_cert *cert)
{
	snprintf(yaml, 1024,
		 "app: localhost:3000\nworkers: 2\ncerts:\n- cert: %s\n  key: %s\nlisteners:\n"
		 "- listen: 127.0.0.1:0\n",
		 cert->cert, cert->key);
}

static void add_subject(void *arg, const struct metrics_cert *c)
{
	strcat(arg, c->subject);
	strcat(arg, "\n");
}

/* Of the certificates that are told of, one a line. */
static const char *subjects(void)
{
	static char all[1024];

	all[0] = '\0';
	cert_figures_each(&kedge.certs, add_subject, all);
	return all;
}

static void new_certificates_under_old_names_are_told(void **state)
{
	struct peer_cert one, two;
	char yaml[1024], move[2048];

	(void)state;
	peer_cert_make(&one, "one", PEER_EC, "one.test", 1000);
	peer_cert_make(&two, "two", PEER_EC, "two.test", 1000);
	with_cert(yaml, &one);
	start_with(yaml);
	assert_string_equal(subjects(), "CN=one\n");
	done(reload_to(yaml), 2, "", "");
	/* As a renewal does. */
	assert_int_equal(rename(two.cert, one.cert), 0);
	snprintf(move, sizeof(move), "key %s: does not belong to certificate %s", one.key,
		 one.cert);
	refused(reload_to(yaml), 2, move);
	assert_int_equal(rename(two.key, one.key), 0);
	assert_string_equal(subjects(), "CN=one\n");
	done(reload_to(yaml), 3, "listener 127.0.0.1:0: new certificates\n", "");
	assert_string_equal(subjects(), "CN=two\n");
	done(reload_to(yaml), 4, "", "");
}

static void a_missing_certificate_is_refused(void **state)
{
	struct peer_cert one;
	char yaml[1024];

	(void)state;
	peer_cert_make(&one, "three", PEER_EC, "three.test", 1000);
	with_cert(yaml, &one);
	start_with(yaml);
	assert_int_equal(unlink(one.cert), 0);
	refused(reload_to(yaml), 1, "cannot open: No such file or directory");
	assert_int_equal(kedge.reloads.refused, 1);
	assert_true(kedge.reloads.last_refused);
}

/* Flags win over the file at each reload as at the start; a path in them may hold any byte. */
static void lines_that_are_no_utf8_are_told_all_the_same(void **state)
{
	char *more[] = {(char *)"run",   (char *)"-c",       loading_file,
			(char *)"--pin", (char *)"/caf\xe9", NULL};
	json_t *answer;

	(void)state;
	start_with(FIRST);
	kedge.argc = 5;
	kedge.argv = more;
	answer = reload_to(FIRST);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_non_null(strstr(texts(answer, "restart"), "/caf?"));
	json_decref(answer);
	kedge.argc = 3;
	kedge.argv = words;
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_same_file_changes_nothing),
		TEST(what_is_changed_is_told),
		TEST(listeners_come_and_go),
		TEST(a_bad_file_leaves_all_as_it_was),
		TEST(a_port_that_is_taken_refuses_all),
		TEST(connections_beyond_the_maps_need_a_restart),
		TEST(what_waits_for_a_restart_is_remembered),
		TEST(a_worker_that_lags_refuses_the_next_one),
		TEST(servers_that_stay_keep_their_state),
		TEST(checks_follow_the_configuration),
		TEST(new_certificates_under_old_names_are_told),
		TEST(a_missing_certificate_is_refused),
		TEST(lines_that_are_no_utf8_are_told_all_the_same),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
