/* SPDX-License-Identifier: BSD-2-Clause */
/* door.c: accepting, pausing, turning away; a socket that goes from one door to the next. */
#include "listen_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "listen/bind.h"

/* A door of listener `index` of g with a socket of its own, that accepts; its port. */
static struct door *open_door(struct generation *g, size_t index, uint16_t *port)
{
	struct door *d = NULL;

	assert_int_equal(door_new(&d, &rig_acceptor, g, index), 0);
	assert_int_equal(door_give(d, net_listen(port)), 0);
	fcntl(d->fd, F_SETFL, fcntl(d->fd, F_GETFL) | O_NONBLOCK);
	door_start(d);
	return d;
}

/* Turns until so many are accepted. */
static void until_accepted(unsigned count)
{
	while (rig_count < count)
		assert_true(rig_turn(NET_PATIENCE_MS));
	assert_int_equal(rig_count, count);
}

static uint16_t port_of(int fd)
{
	union addr a = {0};
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, &a.sa, &len), 0);
	return addr_port(&a);
}

/* --- accepting -------------------------------------------------------------------------------- */

static void nothing_is_accepted_before_it_starts(void **state)
{
	struct generation *g = rig_generation(1, 1);
	struct door *d = NULL;
	uint16_t port;
	int client;

	(void)state;
	assert_int_equal(door_new(&d, &rig_acceptor, g, 0), 0);
	assert_int_equal(d->fd, -1);
	assert_int_equal(door_give(d, net_listen(&port)), 0);
	assert_int_equal(d->service->port, port);
	assert_non_null(strstr(d->service->name, "127.0.0.1:"));
	client = net_connect(port);
	assert_false(rig_turn(0));
	door_start(d);
	until_accepted(1);
	assert_int_equal(rig_conns[0].peer, port_of(client));
	assert_ptr_equal(rig_conns[0].service, d->service);
	close(client);
	door_free(d);
	generation_put(g);
}

/* Also one that has given its socket a name: it may have any. */
static void a_client_of_a_unix_socket_has_no_address(void **state)
{
	union addr at = {.family = AF_UNIX}, own = at;
	struct generation *g = rig_generation(1, 1);
	struct door *d = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0),
	    client = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	strcpy(at.un.sun_path + 1, "kedge test_door");
	strcpy(own.un.sun_path + 1, "kedge test_door client");
	assert_int_equal(bind(fd, &at.sa, addr_len(&at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(door_new(&d, &rig_acceptor, g, 0), 0);
	assert_int_equal(door_give(d, fd), 0);
	assert_int_equal(d->service->port, 0);
	assert_string_equal(d->service->name, "unix:@kedge test_door");
	door_start(d);
	assert_int_equal(bind(client, &own.sa, addr_len(&own)), 0);
	assert_int_equal(connect(client, &at.sa, addr_len(&at)), 0);
	until_accepted(1);
	assert_int_equal(rig_conns[0].family, AF_UNSPEC);
	close(client);
	door_free(d);
	generation_put(g);
}

static void a_connection_outlives_its_door(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int client = net_connect(port);

	(void)state;
	until_accepted(1);
	door_free(d);
	generation_put(g);
	/* Only the connection keeps its service and its generation. */
	assert_int_equal(generation_count(), 1);
	assert_int_equal(rig_conns[0].service->refs, 1);
	assert_int_equal(rig_conns[0].service->generation->number, 1);
	rig_end(0);
	assert_int_equal(generation_count(), 0);
	close(client);
}

/* Connects clients[0..n), which wait in the door's queue. */
static void crowd(const struct door *d, uint16_t port, int *clients, int n)
{
	listen(d->fd, 128);
	for (int i = 0; i < n; i++)
		clients[i] = net_connect(port);
}

/* More clients than a door accepts per turn. */
static void not_all_in_one_turn(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int clients[100];

	(void)state;
	crowd(d, port, clients, 100);
	assert_true(rig_turn(NET_PATIENCE_MS));
	assert_int_equal(rig_count, 64);
	until_accepted(100);
	for (int i = 0; i < 100; i++)
		close(clients[i]);
	door_free(d);
	generation_put(g);
}

/* --- turned away ------------------------------------------------------------------------------ */

static void assert_reset(int client)
{
	char byte;

	assert_true(net_wait(client, POLLIN, NET_PATIENCE_MS));
	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(client);
}

static void over_a_limit_is_a_reset_that_counts(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int client, other;

	(void)state;
	g->conf->listeners[0].connections_max = 1;
	client = net_connect(port);
	until_accepted(1);
	other = net_connect(port);
	assert_true(rig_turn(NET_PATIENCE_MS));
	assert_reset(other);
	assert_int_equal(rig_count, 1);
	assert_int_equal(rig_stats->reasons.limit_listener, 1);
	assert_int_equal(rig_stats->reasons.limit_connections, 0);
	g->conf->connections_max = 1;
	other = net_connect(port);
	assert_true(rig_turn(NET_PATIENCE_MS));
	assert_reset(other);
	assert_int_equal(rig_stats->reasons.limit_listener, 1);
	assert_int_equal(rig_stats->reasons.limit_connections, 1);
	/* Both are accepted and closed in the counts of the worker and of the listener. */
	assert_int_equal(rig_stats->accepted, 2);
	assert_int_equal(rig_stats->closed, 2);
	assert_int_equal(d->service->metrics->accepted, 2);
	assert_int_equal(d->service->metrics->closed, 2);
	assert_int_equal(rig_limits.connections, 1);
	rig_end(0);
	close(client);
	client = net_connect(port);
	until_accepted(2);
	close(client);
	door_free(d);
	generation_put(g);
}

/* --- out of descriptors ----------------------------------------------------------------------- */

static struct rlimit old;

/* No descriptor is left. */
static void run_out(void)
{
	struct rlimit low;
	int next = dup(0);

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
}

static void out_of_descriptors_is_a_pause(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int client = net_connect(port);

	(void)state;
	run_out();
	assert_true(rig_turn(NET_PATIENCE_MS));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(rig_count, 0);
	assert_int_equal(rig_acceptor.pauses, 1);
	assert_heard("listener 127.0.0.1:0: accepting paused for 200 ms, 1 "
		     "pauses so far; raise the limit of open files");
	assert_int_equal(d->resume.due_ms, rig_loop.now_ms + 200);
	/* No event while it lasts, although the client waits. */
	assert_false(rig_turn(0));
	d->resume.expired(&d->resume);
	until_accepted(1);
	close(client);
	loop_timer_stop(&rig_loop, &d->resume);
	door_free(d);
	generation_put(g);
}

/* What there is to give up is given up first. */
static bool give_one_up(struct acceptor *a)
{
	a->spare = NULL;
	return setrlimit(RLIMIT_NOFILE, &old) == 0;
}

static void something_is_given_up_for_a_client(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int client = net_connect(port);

	(void)state;
	rig_acceptor.spare = give_one_up;
	run_out();
	until_accepted(1);
	assert_int_equal(rig_acceptor.pauses, 0);
	close(client);
	door_free(d);
	generation_put(g);
}

static void many_pauses_are_said_once(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int client = net_connect(port);

	(void)state;
	run_out();
	for (int i = 0; i < 5; i++) {
		assert_true(rig_turn(NET_PATIENCE_MS));
		d->resume.expired(&d->resume);
	}
	assert_int_equal(rig_acceptor.pauses, 5);
	assert_heard("1 pauses so far");
	assert_null(strstr(heard, "2 pauses so far"));
	/* Ten seconds later again. */
	rig_loop.now_ms += 10000;
	assert_true(rig_turn(NET_PATIENCE_MS));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_heard("6 pauses so far");
	loop_timer_stop(&rig_loop, &d->resume);
	close(client);
	door_free(d);
	generation_put(g);
}

/* The timer expires after the socket is closed. */
static void a_pause_that_outlives_the_socket(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int client = net_connect(port);

	(void)state;
	run_out();
	assert_true(rig_turn(NET_PATIENCE_MS));
	door_stop(d);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(d->fd, -1);
	assert_int_equal(d->resume.due_ms, 0); /* stopped */
	d->resume.expired(&d->resume);
	assert_false(rig_turn(0));
	close(client);
	door_free(d);
	generation_put(g);
}

/* --- from one to the next --------------------------------------------------------------------- */

static struct door *next_door(struct generation *g, struct door *before)
{
	struct door *d = NULL;

	assert_int_equal(door_new(&d, &rig_acceptor, g, 0), 0);
	d->before = before;
	return d;
}

static void the_next_door_takes_the_socket(void **state)
{
	struct generation *g = rig_generation(1, 1), *next = rig_generation(1, 2);
	uint16_t port;
	struct door *d = open_door(g, 0, &port), *after;
	int fd = d->fd, client = net_connect(port), waiting;

	(void)state;
	until_accepted(1);
	after = next_door(next, d);
	waiting = net_connect(port); /* not accepted before the configuration changes */
	door_start(after);
	assert_int_equal(after->fd, fd);
	assert_null(after->before);
	assert_int_equal(after->service->port, port);
	assert_ptr_equal(after->service->metrics, d->service->metrics);
	assert_string_equal(after->service->name, d->service->name);
	assert_int_equal(d->fd, -1);
	door_stop(d); /* nothing to stop, and nothing to accept */
	door_free(d);
	generation_put(g);
	until_accepted(2);
	assert_int_equal(rig_conns[0].service->generation->number, 1);
	assert_int_equal(rig_conns[1].service->generation->number, 2);
	assert_int_equal(generation_count(), 2);
	rig_end(0);
	assert_int_equal(generation_count(), 1);
	close(client);
	close(waiting);
	door_free(after);
	generation_put(next);
}

static void a_pause_ends_with_the_door(void **state)
{
	struct generation *g = rig_generation(1, 1), *next = rig_generation(1, 2);
	uint16_t port;
	struct door *d = open_door(g, 0, &port), *after = next_door(next, d);
	int client = net_connect(port);

	(void)state;
	run_out();
	assert_true(rig_turn(NET_PATIENCE_MS));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	door_start(after);
	assert_int_equal(d->resume.due_ms, 0);
	door_free(d);
	until_accepted(1);
	close(client);
	door_free(after);
	generation_put(g);
	generation_put(next);
}

/* A reload is refused: the next door never has a socket, and this one is unchanged. */
static void the_next_door_is_never_opened(void **state)
{
	struct generation *g = rig_generation(1, 1), *next = rig_generation(1, 2);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int client;

	(void)state;
	door_free(next_door(next, d));
	generation_put(next);
	assert_int_equal(generation_count(), 1);
	client = net_connect(port);
	until_accepted(1);
	close(client);
	door_free(d);
	generation_put(g);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void connected_clients_are_accepted_at_the_end(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int clients[70];

	(void)state;
	crowd(d, port, clients, 70);
	door_stop(d);
	assert_int_equal(rig_count, 70);
	assert_int_equal(d->fd, -1);
	door_stop(d);
	for (int i = 0; i < 70; i++)
		close(clients[i]);
	door_free(d);
	door_free(NULL);
	generation_put(g);
}

/* A passed socket is open elsewhere, too. Its events must not reach a freed door. */
static void a_socket_that_stays_open_elsewhere(void **state)
{
	struct generation *g = rig_generation(1, 1);
	uint16_t port;
	struct door *d = open_door(g, 0, &port);
	int elsewhere = dup(d->fd), client;

	(void)state;
	door_free(d);
	client = net_connect(port);
	assert_false(rig_turn(0));
	close(client);
	close(elsewhere);
	generation_put(g);
}

/* --- failures --------------------------------------------------------------------------------- */

/* The door has owned it since the call. */
static void refuses_to_take(int fd, int err, const char *line)
{
	struct generation *g = rig_generation(1, 1);
	struct door *d = NULL;

	assert_int_equal(door_new(&d, &rig_acceptor, g, 0), 0);
	assert_int_equal(door_give(d, fd), err);
	assert_heard(line);
	door_free(d);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	generation_put(g);
}

static void a_socket_that_cannot_be_watched(void **state)
{
	struct watch other = {0};
	uint16_t port;
	int fd = net_listen(&port);

	(void)state;
	assert_int_equal(loop_add(&rig_loop, fd, &other, 0), 0); /* epoll(7) takes it once */
	refuses_to_take(fd, -EEXIST, "listener 127.0.0.1:0: cannot be watched");
}

/* The application would be told that the port is 0. */
static void a_descriptor_without_an_address(void **state)
{
	(void)state;
	refuses_to_take(eventfd(0, EFD_CLOEXEC), -ENOTSOCK,
			"listener 127.0.0.1:0: its own address cannot be read: ");
}

static void a_listener_whose_certificate_is_missing(void **state)
{
	struct generation *g = rig_generation(1, 1);
	struct door *d = NULL;

	(void)state;
	rig_tls(g, 0, "/nonexistent.crt", "/nonexistent.key");
	assert_true(door_new(&d, &rig_acceptor, g, 0) < 0);
	assert_null(d);
	assert_int_equal(g->refs, 1);
	generation_put(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_accepted_before_it_starts),
		TEST(a_client_of_a_unix_socket_has_no_address),
		TEST(a_connection_outlives_its_door),
		TEST(not_all_in_one_turn),
		TEST(over_a_limit_is_a_reset_that_counts),
		TEST(out_of_descriptors_is_a_pause),
		TEST(something_is_given_up_for_a_client),
		TEST(many_pauses_are_said_once),
		TEST(a_pause_that_outlives_the_socket),
		TEST(the_next_door_takes_the_socket),
		TEST(a_pause_ends_with_the_door),
		TEST(the_next_door_is_never_opened),
		TEST(connected_clients_are_accepted_at_the_end),
		TEST(a_socket_that_stays_open_elsewhere),
		TEST(a_socket_that_cannot_be_watched),
		TEST(a_descriptor_without_an_address),
		TEST(a_listener_whose_certificate_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
