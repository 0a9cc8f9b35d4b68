/* SPDX-License-Identifier: BSD-2-Clause */
/* status.c: a daemon as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/capability_loss.h"
#include "daemon/status.h"
#include "guard/guard_counts.h"
#include "guard/guard_interface.h"
#include "kedge/guard.h"
#include "metrics/counters.h"
#include "tests/lib/loading.h"

#define WORKERS 2

/* A guard that has refused somebody; status.c sees it only by these. */
static struct guard_interface fake_interfaces[2] = {
	{.name = "eth\xff", .mode = GUARD_NATIVE, .chained = true},
	{.name = "lo", .chained = false}};
static struct guard_refused fake_rows[2];
static size_t fake_rows_count;

static const struct guard_interface *fake_guard_interfaces(const struct guard *g, size_t *count)
{
	*count = 2;
	return fake_interfaces;
}

static size_t fake_guard_refused(const struct guard *g, struct guard_refused *out, size_t max)
{
	assert_true(max >= 2);
	memcpy(out, fake_rows, sizeof(fake_rows));
	return g ? fake_rows_count : 0;
}

static void fake_guard_stats(const struct guard *g, struct kedge_guard_stats *sum)
{
	memset(sum, 0, sizeof(*sum));
	if (g)
		sum->stranger = 77;
}

#define guard_interfaces           fake_guard_interfaces
#define guard_refused(g, out, max) fake_guard_refused(g, out, max)
#define guard_stats                fake_guard_stats
#include "daemon/status.c"

static struct daemon d;
static struct kedge_stats *rows[WORKERS];

static int setup(void **state)
{
	struct conf *conf = must_load(NULL, FINE "--workers 2");

	(void)state;
	memset(&d, 0, sizeof(d));
	d.conf = conf;
	d.generation = generation_new(conf, 3, 1);
	d.shared.metrics = metrics_new(WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		rows[i] = aligned_alloc(64, sizeof(*rows[i]));
		memset(rows[i], 0, sizeof(*rows[i]));
	}
	d.rows = rows;
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		capability_start((enum capability)i, false);
	fake_rows_count = 0;
	return !d.generation || !d.shared.metrics;
}

static int teardown(void **state)
{
	(void)state;
	generation_put(d.generation);
	metrics_free(d.shared.metrics);
	for (int i = 0; i < WORKERS; i++)
		free(rows[i]);
	return 0;
}

static long long number(const json_t *root, const char *key)
{
	const json_t *value = json_object_get(root, key);

	assert_true(json_is_integer(value));
	return (long long)json_integer_value(value);
}

static void text(const json_t *root, const char *key, const char *expected)
{
	const char *value = json_string_value(json_object_get(root, key));

	assert_non_null(value);
	assert_string_equal(value, expected);
}

static void numbers_are_sums_over_workers(void **state)
{
	json_t *root;

	(void)state;
	rows[0]->accepted = 10;
	rows[1]->accepted = 5;
	rows[1]->closed = 3;
	rows[0]->requests_user = 7;
	rows[1]->requests_bpf = 8;
	rows[1]->requests_again = 2;
	rows[0]->reasons.http_host = 2;
	rows[1]->reasons.http_host = 4;
	root = status_json(&d);
	text(root, "version", KEDGE_VERSION);
	assert_int_equal(number(root, "abi"), KEDGE_ABI_VERSION);
	text(root, "state", "running");
	assert_int_equal(number(root, "workers"), 2);
	assert_int_equal(number(root, "generation"), 3);
	assert_int_equal(number(root, "generations_in_use"), 1);
	assert_int_equal(number(root, "connections_open"), 12);
	assert_int_equal(number(root, "requests"), 13);
	assert_int_equal(number(json_object_get(root, "stats"), "accepted"), 15);
	assert_int_equal(json_object_size(json_object_get(root, "stats")), counters_count);
	assert_int_equal(number(json_object_get(root, "reasons"), "http_host"), 6);
	assert_int_equal(json_object_size(json_object_get(root, "reasons")),
			 KEDGE_REASON_COUNT - 1);
	assert_int_equal(json_object_size(json_object_get(root, "peername_stats")),
			 peer_counters_count);
	assert_int_equal(json_object_size(json_object_get(root, "guard_stats")),
			 guard_counters_count);
	json_decref(root);
}

static void capabilities_are_what_new_connections_get(void **state)
{
	json_t *root = status_json(&d);

	(void)state;
	text(root, "record", "user");
	text(root, "edit", "user");
	text(root, "bypass", "off");
	text(root, "peername", "off");
	text(root, "guard", "off");
	assert_int_equal(json_array_size(json_object_get(root, "capability_losses")), 0);
	json_decref(root);
	d.shared.record_kernel = d.shared.edit_kernel = d.shared.bypass = true;
	root = status_json(&d);
	text(root, "record", "kernel");
	text(root, "edit", "kernel");
	text(root, "bypass", "on");
	json_decref(root);
}

static void what_is_not_used_has_its_reason(void **state)
{
	const json_t *reasons;
	json_t *root;

	(void)state;
	d.shared.record_kernel = d.shared.edit_kernel = d.shared.bypass = true;
	strcpy(d.capability_why[CAPABILITY_PEERNAME], "default");
	capability_failed(CAPABILITY_EDIT, ENOSPC, monotonic_ms());
	root = status_json(&d);
	reasons = json_object_get(root, "capability_reasons");
	assert_int_equal(json_object_size(reasons), 2);
	text(reasons, "edit", "its map is full (No space left on device)");
	text(reasons, "peername", "default");
	json_decref(root);
}

static void a_unix_socket_is_the_reason_why_there_is_no_bpf(void **state)
{
	struct generation *g = d.generation;
	const json_t *reasons;
	json_t *root;

	(void)state;
	d.generation = generation_new(must_load(NULL, "--listen 127.0.0.1:0 --tls off --app "
						      "unix:/run/app.sock --workers 2"),
				      4, 1);
	d.conf = d.generation->conf;
	d.shared.record_kernel = d.shared.edit_kernel = d.shared.bypass = true;
	strcpy(d.capability_why[CAPABILITY_PEERNAME], "default");
	root = status_json(&d);
	reasons = json_object_get(root, "capability_reasons");
	assert_int_equal(json_object_size(reasons), 3);
	text(reasons, "edit", CAPABILITY_UNIX);
	text(reasons, "bypass", CAPABILITY_UNIX);
	text(reasons, "peername", "default");
	text(root, "edit", "user");
	json_decref(root);
	generation_put(d.generation);
	d.generation = g;
}

static void the_process_says_who_it_is(void **state)
{
	json_t *root;

	(void)state;
	d.started = 1000;
	d.started_ms = monotonic_ms() - 7000;
	d.draining = true;
	root = status_json(&d);
	assert_int_equal(number(root, "pid"), getpid());
	assert_int_equal(number(root, "started"), 1000);
	assert_in_range(number(root, "uptime_ms"), 7000, 600000);
	assert_true(json_is_null(json_object_get(root, "config")));
	text(root, "state", "draining");
	json_decref(root);
}

static void a_loss_has_cause_next_step_and_numbers(void **state)
{
	const json_t *loss;
	json_t *root;

	(void)state;
	d.shared.edit_kernel = true;
	capability_failed(CAPABILITY_EDIT, ENOSPC, monotonic_ms() - 5000);
	root = status_json(&d);
	text(root, "edit", "user");
	loss = json_array_get(json_object_get(root, "capability_losses"), 0);
	text(loss, "capability", "edit");
	assert_true(json_is_true(json_object_get(loss, "lost")));
	text(loss, "cause", "its map is full (No space left on device)");
	assert_true(json_is_string(json_object_get(loss, "next")));
	assert_in_range(number(loss, "age_ms"), 5000, 60000);
	assert_int_equal(number(loss, "losses"), 1);
	json_decref(root);

	capability_worked(CAPABILITY_EDIT, monotonic_ms());
	root = status_json(&d);
	text(root, "edit", "kernel");
	loss = json_array_get(json_object_get(root, "capability_losses"), 0);
	assert_true(json_is_false(json_object_get(loss, "lost")));
	assert_null(json_object_get(loss, "cause"));
	assert_null(json_object_get(loss, "next"));
	json_decref(root);
}

static void times_and_listeners_are_shown(void **state)
{
	struct metrics_listener *l = metrics_listener(d.shared.metrics, "unix:/caf\xe9", 1);
	const json_t *row, *times;
	json_t *root;

	(void)state;
	l->accepted = 4;
	l->closed = 3;
	l->handshakes = 2;
	l->flows = 1;
	l->requests = 6;
	l->responses[2] = 5;
	l->own[4] = 7;
	l->own[0] = 8;
	histogram_take(&metrics_row(d.shared.metrics, 1)->request, 1000, 1);
	root = status_json(&d);
	times = json_object_get(root, "times");
	assert_int_equal(json_object_size(times), 4);
	assert_int_equal(number(json_object_get(times, "request"), "count"), 1);
	assert_int_equal(number(json_object_get(times, "request"), "sum_us"), 1000);
	assert_int_equal(number(json_object_get(times, "connect"), "count"), 0);
	assert_int_equal(json_array_size(json_object_get(root, "listeners")), 1);
	row = json_array_get(json_object_get(root, "listeners"), 0);
	text(row, "listener", "unix:/caf?"); /* a path may hold any byte */
	assert_int_equal(number(row, "accepted"), 4);
	assert_int_equal(number(row, "closed"), 3);
	assert_int_equal(number(row, "handshakes"), 2);
	assert_int_equal(number(row, "flows"), 1);
	assert_int_equal(number(row, "requests"), 6);
	assert_int_equal(json_object_size(json_object_get(row, "responses")), METRICS_CLASSES);
	assert_int_equal(number(json_object_get(row, "responses"), "2xx"), 5);
	assert_int_equal(number(json_object_get(row, "responses"), "4xx"), 0);
	assert_int_equal(number(json_object_get(row, "responses_own"), "4xx"), 7);
	assert_int_equal(number(json_object_get(row, "responses_own"), "other"), 8);
	json_decref(root);
}

static void the_guard_is_shown_while_it_is_there(void **state)
{
	const json_t *row;
	json_t *root;

	(void)state;
	d.shared.guard = (struct guard *)&d;
	fake_rows_count = 2;
	memcpy(fake_rows[0].ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01", 16);
	fake_rows[0].what.packets = 9;
	fake_rows[0].what.reason = 0;
	fake_rows[0].age_ms = 3500;
	fake_rows[1] = fake_rows[0];
	fake_rows[1].what.reason = UINT16_MAX; /* of a later kedge's maps */
	root = status_json(&d);
	text(root, "guard", "on");
	assert_int_equal(json_array_size(json_object_get(root, "guard_interfaces")), 2);
	row = json_array_get(json_object_get(root, "guard_interfaces"), 0);
	text(row, "interface", "eth?");
	text(row, "mode", "native");
	row = json_array_get(json_object_get(root, "guard_refused"), 0);
	text(row, "source", "192.0.2.1");
	assert_int_equal(number(row, "packets"), 9);
	text(row, "reason", guard_counters[0].name);
	assert_int_equal(number(row, "age_ms"), 3500);
	text(json_array_get(json_object_get(root, "guard_refused"), 1), "reason", "?");
	assert_int_equal(number(json_object_get(root, "guard_stats"), "stranger"), 77);
	json_decref(root);
	d.shared.guard = NULL;
	root = status_json(&d);
	json_decref(root);
}

static void earlier_configurations_are_told(void **state)
{
	struct generation *second = generation_new(must_load(NULL, FINE), 4, 1);
	json_t *root = status_json(&d);

	(void)state;
	assert_int_equal(number(root, "generations_in_use"), 2);
	json_decref(root);
	generation_put(second);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(numbers_are_sums_over_workers),
		TEST(capabilities_are_what_new_connections_get),
		TEST(what_is_not_used_has_its_reason),
		TEST(a_unix_socket_is_the_reason_why_there_is_no_bpf),
		TEST(the_process_says_who_it_is),
		TEST(a_loss_has_cause_next_step_and_numbers),
		TEST(times_and_listeners_are_shown),
		TEST(the_guard_is_shown_while_it_is_there),
		TEST(earlier_configurations_are_told),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
