/* SPDX-License-Identifier: BSD-2-Clause */
/* conn.c: the table of states, how a verdict is carried out, and events that come in any state. */
#include "conn/conn_leg.h"
#include "tests/unit/conn/conn_parts.h"
#include "tests/lib/assert_reason.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* --- the table -------------------------------------------------------------------------------- */

#define ROW(state, to) [CONN_##state] = (to),
static const unsigned goes_to[CONN_STAY] = {CONN_TABLE(ROW)};

static void a_state_only_goes_further_down(void **state)
{
	unsigned reached = CONN_TO(ACCEPTED);

	(void)state;
	for (unsigned s = 0; s < CONN_STAY; s++) {
		assert_int_equal(goes_to[s] & ((2u << s) - 1), s == CONN_MOVE ? CONN_TO(IDLE) : 0);
		assert_true(goes_to[s] < CONN_TO(STAY));
		if (s != CONN_CLOSED) /* each can be closed at any time */
			assert_true(goes_to[s] & CONN_TO(CLOSED));
		reached |= goes_to[s];
	}
	assert_int_equal(goes_to[CONN_CLOSED], 0);
	assert_int_equal(reached, CONN_TO(STAY) - 1);
}

/* The invariants I1 of conn.h and those of the section on transitions, as the table has them. */
static void what_the_table_forbids(void **state)
{
	(void)state;
	/* Nothing is said in clear before a handshake is over. */
	assert_false(goes_to[CONN_HANDSHAKE] & (CONN_TO(REPLY) | CONN_TO(MOVE)));
	/* Bytes only move between two legs. */
	for (unsigned s = 0; s < CONN_STAY; s++)
		assert_int_equal(!!(goes_to[s] & CONN_TO(MOVE)), s == CONN_CONNECT);
	assert_int_equal(goes_to[CONN_LINGER], CONN_TO(CLOSED));
}

/* --- a programmer's error --------------------------------------------------------------------- */

/* True if it ends the process. */
static bool aborts(void (*what)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void abort_it(void)
{
	conn_abort(c, KEDGE_REASON_NONE);
}

static void drain_it(void)
{
	conn_drain(c);
}

static void a_forbidden_transition_is_not_made(void **state)
{
	(void)state;
	begin(CONN_MOVE);
	app_leg(true);
	note.requests = c->flow.leg->response.done = 1;
	assert_false(aborts(abort_it));
	assert_false(aborts(drain_it));
	c->state = CONN_CLOSED; /* nothing comes after it */
	assert_true(aborts(abort_it));
	c->state = CONN_MOVE;
	c->flow.record = NULL; /* nothing can be said without a record layer */
	assert_true(aborts(drain_it));
	c->flow.record = &record;
}

/* --- one is carried out ----------------------------------------------------------------------- */

static void client_event(uint32_t events)
{
	c->client_watch.ready(&c->client_watch, events);
}

static void app_event(uint32_t events)
{
	c->flow.leg->watch.ready(&c->flow.leg->watch, events);
}

/* The real record layer and editor of a connection in clear, state by state. */
static void from_the_prefix_to_the_end(void **state)
{
	static const char prefix[] = "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n";
	char answer[sizeof(OK_HI)];

	(void)state;
	accept_one();
	assert_int_equal(c->state, CONN_PREFIX);
	expect_timer(conf.prefix_timeout_ms);
	assert_int_equal(send(client, prefix, strlen(prefix), 0), strlen(prefix));
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	client_event(EPOLLIN);
	assert_int_equal(c->state, CONN_IDLE);
	expect_timer(conf.idle_timeout_ms);
	assert_false(net_wait(listener, POLLIN, NET_QUIET_MS));
	assert_int_equal(send(client, GET, strlen(GET), 0), strlen(GET));
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	client_event(EPOLLIN);
	assert_int_equal(c->state, CONN_CONNECT);
	expect_timer(conf.connect_timeout_ms);
	app = net_accept(listener);
	app_event(EPOLLOUT);
	assert_int_equal(c->state, CONN_MOVE);
	expect_timer(conf.idle_timeout_ms);
	assert_int_equal(stats->flows, 1);
	assert_int_equal(send(app, OK_HI, strlen(OK_HI), 0), strlen(OK_HI));
	close(app);
	app = -1;
	assert_true(net_wait(c->flow.leg->fd, POLLIN, NET_PATIENCE_MS));
	app_event(EPOLLIN | EPOLLRDHUP);
	assert_int_equal(c->state, CONN_LINGER);
	expect_timer(conf.linger_timeout_ms);
	assert_int_equal(recv(client, answer, sizeof(answer), MSG_WAITALL), strlen(OK_HI));
	assert_memory_equal(answer, OK_HI, strlen(OK_HI));
	close(client);
	client = -1;
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	client_event(EPOLLIN | EPOLLRDHUP);
	assert_int_equal(c->state, CONN_CLOSED);
	assert_int_equal(stats->closed, 1);
	assert_int_equal(service_metrics.closed, 1);
	assert_int_equal(worker.conns_count, 0);
	assert_int_equal(limits.connections, 0);
	assert_int_equal(c->timer.due_ms, 0);
}

/* It is told once. The request waits for its answer, so that nothing more would be read. */
static void a_reset_that_comes_with_the_prefix(void **state)
{
	static const char said[] = "PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n"
				   "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
				   "Upgrade: a\r\n\r\n";

	(void)state;
	accept_one();
	assert_int_equal(send(client, said, strlen(said), 0), strlen(said));
	assert_true(net_wait(c->client_fd, POLLIN, NET_PATIENCE_MS));
	net_close_reset(client);
	client = -1;
	assert_true(net_wait(c->client_fd, POLLERR, NET_PATIENCE_MS));
	client_event(EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	assert_int_equal(c->state, CONN_CONNECT);
	app = net_accept(listener);
	app_event(EPOLLOUT);
	assert_int_equal(c->state, CONN_CLOSED);
	assert_int_equal(stats->reasons.client_reset, 1);
}

/* CONNECT, REPLY, LINGER, CLOSED: no application, and the client has left. */
static void many_transitions_of_one_event(void **state)
{
	(void)state;
	begin(CONN_CONNECT);
	app_leg(false);
	assert_true(residue_keep(&c->flow.up, GET, strlen(GET)));
	fake.drain[0] = 0;
	c->timer.expired(&c->timer);
	assert_int_equal(c->state, CONN_CLOSED);
	assert_string_equal(fake.log, "fwcdF");
	assert_int_equal(stats->reasons.app_timeout, 1);
	assert_int_equal(stats->responses_own, 1);
}

static void a_reason_is_counted_once(void **state)
{
	(void)state;
	begin(CONN_CONNECT);
	app_leg(false);
	fake.in = GET;
	fake.drain[0] = -EAGAIN;
	c->timer.expired(&c->timer);
	assert_int_equal(c->state, CONN_LINGER);
	assert_int_equal(stats->reasons.app_timeout, 1);
	conn_abort(c, KEDGE_REASON_drain_deadline);
	assert_int_equal(stats->reasons.app_timeout, 1);
	assert_int_equal(stats->reasons.drain_deadline, 0);
}

/* --- events ----------------------------------------------------------------------------------- */

static void what_comes_after_the_close_is_nothing(void **state)
{
	struct leg *l;

	(void)state;
	begin(CONN_MOVE);
	app_leg(true);
	l = c->flow.leg;
	conn_abort(c, KEDGE_REASON_NONE);
	assert_string_equal(fake.log, "EF");
	client_event(EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR);
	conn_leg_ready(&l->watch, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR);
	c->again.run(&c->again);
	c->timer.expired(&c->timer);
	assert_int_equal(c->state, CONN_CLOSED);
	assert_string_equal(fake.log, "EF");
	assert_int_equal(stats->closed, 1);
}

static void a_client_that_hangs_up_while_the_application_is_awaited(void **state)
{
	(void)state;
	begin(CONN_CONNECT);
	app_leg(false);
	client_event(EPOLLIN | EPOLLERR); /* one of the record layer, which tells it later */
	assert_int_equal(c->state, CONN_CONNECT);
	assert_true(c->flow.client_in);
	client_event(EPOLLHUP);
	assert_int_equal(c->state, CONN_CLOSED);
	assert_int_equal(stats->reasons.client_reset, 1);
}

static void a_client_that_hangs_up_while_it_is_answered(void **state)
{
	(void)state;
	begin(CONN_REPLY);
	fake.flush = -EAGAIN;
	client_event(EPOLLIN);
	assert_string_equal(fake.log, "");
	client_event(EPOLLOUT | EPOLLERR); /* there is room: what goes out tells more */
	assert_int_equal(c->state, CONN_REPLY);
	assert_string_equal(fake.log, "f");
	client_event(EPOLLERR);
	assert_int_equal(c->state, CONN_CLOSED);
	assert_int_equal(stats->reasons.client_reset, 1);
}

/* Its leg is closed then; the event is of the same turn. */
static void the_application_is_not_heard_after_the_answer(void **state)
{
	struct leg *l;

	(void)state;
	begin(CONN_REPLY);
	app_leg(false);
	l = c->flow.leg;
	conn_leg_close(c, true);
	fake.flush = -EAGAIN;
	conn_leg_ready(&l->watch, EPOLLIN | EPOLLOUT | EPOLLHUP);
	assert_int_equal(c->state, CONN_REPLY);
	assert_false(l->in);
	assert_string_equal(fake.log, "");
}

/* A task that was put off before the state changed. */
static void a_task_of_another_state_does_nothing(void **state)
{
	static const enum conn_state states[] = {CONN_PREFIX, CONN_CONNECT, CONN_REPLY};

	(void)state;
	begin(CONN_PREFIX);
	for (size_t i = 0; i < 3; i++) {
		c->state = states[i];
		c->again.run(&c->again);
		assert_int_equal(c->state, states[i]);
	}
	assert_string_equal(fake.log, "");
}

/* Those whose servers were taken out run, and give their idle legs up. */
static void the_operator_takes_a_server_out(void **state)
{
	(void)state;
	joined();
	conn_servers_changed(&worker);
	assert_false(c->again.queued);
	server_set_admin(servers.set[0], SERVER_DRAIN, now());
	conn_servers_changed(&worker);
	assert_true(c->again.queued);
	c->again.queued = false;
	STAILQ_INIT(&worker.loop.tasks);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void a_socket_that_cannot_be_watched_is_closed_and_counted(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_reason(service_enter(&service), KEDGE_REASON_NONE);
	conn_accept(&worker, &service, fd, &(union addr){0});
	assert_true(LIST_EMPTY(&worker.conns));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(limits.connections, 0);
	assert_int_equal(service.refs, 1);
	assert_int_equal(stats->accepted, 1);
	assert_int_equal(stats->closed, 1);
	assert_int_equal(stats->reasons.no_memory, 1);
	assert_int_equal(service_metrics.accepted, 1);
	assert_int_equal(service_metrics.closed, 1);
}

static void draining_looks_again_where_a_request_may_come(void **state)
{
	static const enum conn_state soon[] = {CONN_PREFIX, CONN_HANDSHAKE, CONN_IDLE};
	static const enum conn_state later[] = {CONN_CONNECT, CONN_REPLY, CONN_LINGER};

	(void)state;
	begin(CONN_PREFIX);
	for (size_t i = 0; i < 3; i++) {
		c->state = soon[i];
		loop_timer_stop(&worker.loop, &c->timer);
		conn_drain(c);
		expect_timer(CONN_DRAIN_LOOK_MS);
		c->state = later[i];
		loop_timer_stop(&worker.loop, &c->timer);
		conn_drain(c);
		assert_int_equal(c->timer.due_ms, 0);
	}
	assert_string_equal(fake.log, "");
}

static void draining_ends_a_flow_that_is_idle_and_was_used(void **state)
{
	(void)state;
	begin(CONN_MOVE);
	app_leg(true);
	conn_drain(c); /* its first request may be on the way */
	assert_int_equal(c->state, CONN_MOVE);
	expect_timer(CONN_DRAIN_LOOK_MS);
	note.requests = 1;
	loop_timer_stop(&worker.loop, &c->timer);
	conn_drain(c); /* it waits for its answer */
	assert_int_equal(c->state, CONN_MOVE);
	assert_int_equal(c->timer.due_ms, 0);
	c->flow.leg->response.done = 1;
	fake.drain[0] = -EAGAIN;
	conn_drain(c);
	assert_int_equal(c->state, CONN_LINGER);
	assert_int_equal(far_end(app), 0);
}

static void the_end_of_the_drain_takes_those_that_linger(void **state)
{
	(void)state;
	begin(CONN_MOVE);
	app_leg(true);
	conn_drain_over(&worker);
	assert_int_equal(c->state, CONN_MOVE);
	c->state = CONN_LINGER;
	conn_drain_over(&worker);
	assert_int_equal(c->state, CONN_CLOSED);
	assert_int_equal(stats->closed, 1);
}

static void a_grave_with_a_task_is_kept_for_a_turn(void **state)
{
	(void)state;
	begin(CONN_LINGER);
	loop_later(&worker.loop, &c->again);
	conn_abort(c, KEDGE_REASON_NONE);
	conn_bury(&worker);
	assert_false(LIST_EMPTY(&worker.graves));
	assert_true(worker.bury.queued);
	assert_int_equal(service.refs, 2);
	bury();
	assert_true(LIST_EMPTY(&worker.graves));
	assert_int_equal(service.refs, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_only_goes_further_down),
		cmocka_unit_test(what_the_table_forbids),
		TEST(a_forbidden_transition_is_not_made),
		TEST(from_the_prefix_to_the_end),
		TEST(a_reset_that_comes_with_the_prefix),
		TEST(many_transitions_of_one_event),
		TEST(a_reason_is_counted_once),
		TEST(what_comes_after_the_close_is_nothing),
		TEST(a_client_that_hangs_up_while_the_application_is_awaited),
		TEST(a_client_that_hangs_up_while_it_is_answered),
		TEST(the_application_is_not_heard_after_the_answer),
		TEST(a_task_of_another_state_does_nothing),
		TEST(the_operator_takes_a_server_out),
		TEST(a_socket_that_cannot_be_watched_is_closed_and_counted),
		TEST(draining_looks_again_where_a_request_may_come),
		TEST(draining_ends_a_flow_that_is_idle_and_was_used),
		TEST(the_end_of_the_drain_takes_those_that_linger),
		TEST(a_grave_with_a_task_is_kept_for_a_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
