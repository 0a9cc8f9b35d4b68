/* SPDX-License-Identifier: BSD-2-Clause */
/* service.c: references, counts, and what a failure leaves. */
#include "listen_rig.h"

#include "tests/lib/tls_peer.h"
#include "tests/lib/assert_reason.h"

static struct service *must_make(struct generation *g, size_t index)
{
	struct service *s = NULL;

	assert_int_equal(service_new(&s, g, index, &rig_limits, false), 0);
	assert_non_null(s);
	return s;
}

static void it_is_of_one_listener(void **state)
{
	struct generation *g = rig_generation(2, 1);
	struct service *s = must_make(g, 1);

	(void)state;
	assert_ptr_equal(s->conf, &g->conf->listeners[1]);
	assert_ptr_equal(s->tally, g->tallies[1]);
	assert_null(s->tls);
	assert_null(s->metrics);
	/* It holds one reference to the generation. */
	generation_put(g);
	assert_int_equal(generation_count(), 1);
	assert_ptr_equal(service_get(s), s);
	service_put(s);
	assert_int_equal(generation_count(), 1);
	service_put(s);
	assert_int_equal(generation_count(), 0);
}

static void connections_are_counted_twice(void **state)
{
	struct generation *g = rig_generation(2, 1);
	struct service *a = must_make(g, 0), *b = must_make(g, 1);

	(void)state;
	g->conf->connections_max = 3;
	g->conf->listeners[0].connections_max = 2;
	assert_reason(service_enter(a), KEDGE_REASON_NONE);
	assert_reason(service_enter(a), KEDGE_REASON_NONE);
	assert_reason(service_enter(a), KEDGE_REASON_limit_listener);
	/* A connection that the listener refuses does not count for the process. */
	assert_int_equal(rig_limits.connections, 2);
	assert_reason(service_enter(b), KEDGE_REASON_NONE);
	assert_reason(service_enter(b), KEDGE_REASON_limit_connections);
	/* Both limits are reached: it names the common one. */
	assert_reason(service_enter(a), KEDGE_REASON_limit_connections);
	assert_int_equal(a->tally->connections, 2);
	assert_int_equal(b->tally->connections, 1);
	service_leave(a);
	assert_reason(service_enter(b), KEDGE_REASON_NONE);
	service_leave(a);
	service_leave(b);
	service_leave(b);
	assert_int_equal(rig_limits.connections, 0);
	assert_int_equal(a->tally->connections, 0);
	assert_int_equal(b->tally->connections, 0);
	service_put(a);
	service_put(b);
	generation_put(g);
}

/* Generations and workers share the counts of a listener. Each service has its own limit. */
static void a_reload_changes_the_limit_and_not_the_count(void **state)
{
	static const int from[] = {0};
	struct generation *g = rig_generation(1, 1), *next = rig_generation(1, 2);
	struct service *before = must_make(g, 0), *after, *other_worker;

	(void)state;
	generation_inherit(next, g, from);
	g->conf->listeners[0].connections_max = 1;
	next->conf->listeners[0].connections_max = 2;
	after = must_make(next, 0);
	other_worker = must_make(next, 0);
	assert_reason(service_enter(before), KEDGE_REASON_NONE);
	assert_reason(service_enter(before), KEDGE_REASON_limit_listener);
	assert_reason(service_enter(after), KEDGE_REASON_NONE);
	assert_reason(service_enter(other_worker), KEDGE_REASON_limit_listener);
	service_leave(before);
	service_put(before);
	generation_put(g);
	assert_reason(service_enter(other_worker), KEDGE_REASON_NONE);
	service_leave(other_worker);
	service_leave(after);
	service_put(after);
	service_put(other_worker);
	generation_put(next);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static struct generation *with_tls(const char *cert, const char *key)
{
	struct generation *g = rig_generation(1, 1);

	rig_tls(g, 0, cert, key);
	return g;
}

static void with_a_certificate(void **state)
{
	struct peer_cert files;
	struct generation *g;
	struct service *s;

	(void)state;
	peer_cert_make(&files, "service", PEER_EC, "localhost", 1);
	g = with_tls(files.cert, files.key);
	s = must_make(g, 0);
	assert_non_null(s->tls);
	service_put(s);
	generation_put(g);
}

static void a_certificate_that_cannot_be_read(void **state)
{
	struct generation *g = with_tls("/nonexistent.crt", "/nonexistent.key");
	struct service *s = NULL;

	(void)state;
	assert_true(service_new(&s, g, 0, &rig_limits, true) < 0);
	assert_null(s);
	assert_heard("/nonexistent");
	assert_int_equal(g->refs, 1);
	generation_put(g);
}

/* Only the worker that is asked to warn does so. */
static void warnings_are_for_one_worker(void **state)
{
	struct peer_cert files;
	struct generation *g;
	struct service *s;

	(void)state;
	peer_cert_make(&files, "old", PEER_EC, "localhost", -1);
	g = with_tls(files.cert, files.key);
	s = must_make(g, 0);
	service_put(s);
	assert_string_equal(heard, "");
	assert_int_equal(service_new(&s, g, 0, &rig_limits, true), 0);
	assert_heard("expired");
	service_put(s);
	generation_put(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_of_one_listener),
		TEST(connections_are_counted_twice),
		TEST(a_reload_changes_the_limit_and_not_the_count),
		TEST(with_a_certificate),
		TEST(a_certificate_that_cannot_be_read),
		TEST(warnings_are_for_one_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
