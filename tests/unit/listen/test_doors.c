/* SPDX-License-Identifier: BSD-2-Clause */
/* doors.c: the doors of a worker from one generation to the next, and failures on the way. */
#include "listen_rig.h"

#include <fcntl.h>
#include <poll.h>

#include "listen/doors.h"

static struct doors *must_make(struct generation *g)
{
	struct doors *set = NULL;

	assert_int_equal(doors_new(&set, &rig_acceptor, g), 0);
	return set;
}

/* A first set that accepts, of all listeners of g. */
static struct doors *first_set(struct generation *g)
{
	struct doors *set = must_make(g);
	struct sockets *sockets;

	assert_int_equal(sockets_open(&sockets, g->conf, NULL, NULL), 0);
	assert_int_equal(doors_give(set, sockets, 0, NULL, NULL), 0);
	sockets_close(sockets);
	doors_take(set, NULL);
	return set;
}

/* The set of the next generation, which takes over as `from` says; not in force yet. */
static struct doors *next_set(struct generation *g, const struct doors *before, const int *from)
{
	struct doors *set = must_make(g);
	struct sockets *sockets;

	assert_int_equal(sockets_open(&sockets, g->conf, from, NULL), 0);
	assert_int_equal(doors_give(set, sockets, 0, before, from), 0);
	sockets_close(sockets);
	return set;
}

static void connect_and_take(uint16_t port, unsigned number)
{
	unsigned before = rig_count;
	int client = net_connect(port);

	while (rig_count == before)
		assert_true(rig_turn(NET_PATIENCE_MS));
	assert_int_equal(rig_count, before + 1);
	assert_int_equal(rig_conns[before].service->generation->number, number);
	close(client);
}

static bool is_refused(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				.sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool refused = connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == ECONNREFUSED;

	close(fd);
	return refused;
}

static void a_door_for_each_listener(void **state)
{
	struct generation *g = rig_generation(3, 1);
	struct doors *set = first_set(g);
	uint16_t *ports = doors_ports(set);

	(void)state;
	assert_int_equal(set->count, 3);
	assert_non_null(ports);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(set->doors[i]->service->conf, &g->conf->listeners[i]);
		assert_int_equal(set->doors[i]->service->port, ports[i]);
		connect_and_take(ports[i], 1);
	}
	free(ports);
	generation_put(g); /* the set has references of its own */
	doors_free(set);
	doors_free(NULL);
}

/* Of three listeners one goes, two change their places, and one is new. */
static void from_one_generation_to_the_next(void **state)
{
	static const int from[] = {2, -1, 0};
	struct generation *g = rig_generation(3, 1), *next = rig_generation(3, 2);
	struct doors *set = first_set(g), *after;
	uint16_t *before = doors_ports(set), *ports;
	int waiting;

	(void)state;
	generation_inherit(next, g, from);
	connect_and_take(before[1], 1);
	after = next_set(next, set, from);
	/* The ports are known before the set is in force. */
	ports = doors_ports(after);
	assert_int_equal(ports[0], before[2]);
	assert_int_equal(ports[2], before[0]);
	assert_true(ports[1] && ports[1] != before[1]);
	/* A client of the one that goes is still taken, under the old configuration. */
	waiting = net_connect(before[1]);
	doors_take(after, set);
	generation_put(g);
	assert_int_equal(rig_count, 2);
	assert_int_equal(rig_conns[1].service->generation->number, 1);
	close(waiting);
	assert_true(is_refused(before[1]));
	for (size_t i = 0; i < 3; i++)
		connect_and_take(ports[i], 2);
	/* Two connections keep the first generation. */
	assert_int_equal(generation_count(), 2);
	rig_end(0);
	assert_int_equal(generation_count(), 2);
	rig_end(1);
	assert_int_equal(generation_count(), 1);
	free(before);
	free(ports);
	doors_free(after);
	generation_put(next);
}

static void many_reloads_leave_one_generation(void **state)
{
	static const int from[] = {0, 1};
	struct generation *g = rig_generation(2, 1);
	struct doors *set = first_set(g);
	uint16_t *ports = doors_ports(set);

	(void)state;
	for (unsigned n = 2; n < 30; n++) {
		struct generation *next = rig_generation(2, n);
		struct doors *after;

		generation_inherit(next, g, from);
		after = next_set(next, set, from);
		doors_take(after, set);
		generation_put(g);
		set = after;
		g = next;
		assert_int_equal(generation_count(), 1);
	}
	connect_and_take(ports[0], 29);
	connect_and_take(ports[1], 29);
	free(ports);
	doors_free(set);
	generation_put(g);
}

/* --- failures --------------------------------------------------------------------------------- */

/* The second listener's certificate cannot be read: nothing of the first is left. */
static void a_door_that_cannot_be_made(void **state)
{
	struct generation *g = rig_generation(3, 1);
	struct doors *set = NULL;

	(void)state;
	rig_tls(g, 1, "/nonexistent.crt", "/nonexistent.key");
	assert_true(doors_new(&set, &rig_acceptor, g) < 0);
	assert_null(set);
	assert_int_equal(g->refs, 1);
	generation_put(g);
}

/* A reload fails at its last step: the old doors go on, and the new ones are closed. */
static void a_reload_that_is_refused(void **state)
{
	static const int from[] = {0, -1};
	struct generation *g = rig_generation(1, 1), *next = rig_generation(2, 2);
	struct doors *set = first_set(g), *after = next_set(next, set, from);
	uint16_t *ports = doors_ports(after);

	(void)state;
	doors_free(after);
	generation_put(next);
	assert_int_equal(generation_count(), 1);
	assert_true(is_refused(ports[1]));
	connect_and_take(ports[0], 1);
	free(ports);
	doors_free(set);
	generation_put(g);
}

/* One is no socket. The owners of the others close them. */
static void a_socket_that_cannot_be_given(void **state)
{
	struct generation *g = rig_generation(3, 1);
	struct doors *set = must_make(g);
	struct sockets *sockets;
	int fds[3], file;

	(void)state;
	assert_int_equal(sockets_open(&sockets, g->conf, NULL, NULL), 0);
	file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	dup2(file, sockets->fd[1]);
	close(file);
	for (int i = 0; i < 3; i++)
		fds[i] = sockets->fd[i];
	assert_int_equal(doors_give(set, sockets, 0, NULL, NULL), -ENOTSOCK);
	doors_free(set);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	assert_true(fcntl(fds[2], F_GETFD) >= 0);
	sockets_close(sockets);
	assert_int_equal(fcntl(fds[2], F_GETFD), -1);
	generation_put(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_door_for_each_listener),          TEST(from_one_generation_to_the_next),
		TEST(many_reloads_leave_one_generation), TEST(a_door_that_cannot_be_made),
		TEST(a_reload_that_is_refused),          TEST(a_socket_that_cannot_be_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
