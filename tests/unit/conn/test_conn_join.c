/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_join.c: both legs become a flow: its editor and its counts. */
#include "conn/conn_join.h"

#include "conn/conn_header.h"
#include "tests/unit/conn/conn_parts.h"
#include "tests/lib/assert_reason.h"

/* In CONNECT, connected to the application. */
static void connected(void)
{
	begin(CONN_CONNECT);
	app_leg(false);
	c->flow.leg->ready = true;
	c->flow.leg->connect_took_us = 1500;
}

static void a_flow_in_clear(void **state)
{
	(void)state;
	connected();
	expect_next(conn_join(c), CONN_MOVE);
	assert_string_equal(c->flow.leg->edit->ops->name, "user");
	assert_int_equal(c->flow.leg->edit->fd, c->flow.leg->fd);
	assert_int_equal(c->flow.leg->response.state, RESPONSE_LINE);
	assert_null(c->flow.leg->mixed);
	assert_null(c->flow.access);
	assert_int_equal(stats->flows, 1);
	assert_int_equal(stats->flows_plain, 1);
	assert_int_equal(stats->flows_edit_user, 1);
	assert_int_equal(stats->flows_edit_kernel + stats->flows_tcp + stats->flows_bypass, 0);
	assert_int_equal(service_metrics.flows, 1);
	assert_int_equal(worker.metrics->flows[ACCESS_RECORD_PLAIN][METRICS_EDIT_USER][0], 1);
	assert_int_equal(histogram_count(&worker.metrics->connect), 1);
	assert_int_equal(worker.metrics->connect.count[histogram_bucket(1500)], 1);
}

/* Not a byte is read, so there is nothing to edit and nothing to follow. */
static void a_flow_of_mode_tcp(void **state)
{
	(void)state;
	listener_conf.mode = MODE_TCP;
	connected();
	expect_next(conn_join(c), CONN_MOVE);
	assert_string_equal(c->flow.leg->edit->ops->name, "none");
	assert_int_equal(c->flow.leg->edit->note->standing, KEDGE_TUNNEL);
	assert_int_equal(c->flow.leg->response.state, RESPONSE_TUNNEL);
	assert_int_equal(stats->flows_tcp, 1);
	assert_int_equal(stats->flows_edit_user, 0);
}

static void the_record_layer_is_counted(void **state)
{
	static const struct record_ops kernel_ops = {.name = "kernel", .free = fake_record_free};

	(void)state;
	connected();
	service.tls = (struct tls_ctx *)&service; /* what it is does not matter here */
	expect_next(conn_join(c), CONN_MOVE);
	assert_int_equal(stats->flows_record_user, 1);
	edit_free(c->flow.leg->edit);
	c->flow.leg->edit = NULL;
	record.ops = &kernel_ops;
	expect_next(conn_join(c), CONN_MOVE);
	assert_int_equal(stats->flows_record_kernel, 1);
	assert_int_equal(stats->flows_plain, 0);
	service.tls = NULL;
}

static ssize_t fake_splice(struct record *r, int pipe_fd, size_t len)
{
	(void)r;
	(void)pipe_fd;
	return (ssize_t)len;
}

/* Only where the listener, its mode, the record layer and the bypass allow it. */
static void who_splices(void **state)
{
	static const struct record_ops can = {.name = "kernel",
					      .free = fake_record_free,
					      .splice_in = fake_splice,
					      .splice_out = fake_splice};
	static const struct {
		bool option, can, tcp, bypass, splices;
	} rows[] = {
		{true, true, false, false, true},   {false, true, false, false, false},
		{true, false, false, false, false}, {true, true, true, false, false},
		{true, true, false, true, false},
	};
	const struct record_ops *cannot;
	unsigned count = 0;

	(void)state;
	connected();
	cannot = record.ops;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		listener_conf.splice = rows[i].option;
		listener_conf.mode = rows[i].tcp ? MODE_TCP : MODE_HTTP;
		record.ops = rows[i].can ? &can : cannot;
		shared.bypass = rows[i].bypass;
		expect_next(conn_join(c), CONN_MOVE);
		count += rows[i].splices;
		assert_int_equal(c->flow.splices, rows[i].splices);
		assert_int_equal(stats->flows_splice, count);
		edit_free(c->flow.leg->edit);
		c->flow.leg->edit = NULL;
	}
	shared.bypass = false;
	record.ops = cannot;
}

/* The header waits for room in the socket, and nothing is joined before it is sent. */
static void the_header_comes_first(void **state)
{
	char filler[65536] = "", line[128];
	size_t filled = 0;
	ssize_t n;

	(void)state;
	app_conf.send_proxy = SEND_PROXY_V1;
	connected();
	assert_reason(conn_header_make(c, NULL), KEDGE_REASON_NONE);

	while ((n = send(c->flow.leg->fd, filler, sizeof(filler), MSG_DONTWAIT)) > 0)
		filled += (size_t)n;
	expect_stay(conn_join(c));
	assert_null(c->flow.leg->edit);
	assert_int_equal(stats->flows, 0);
	for (; filled; filled -= (size_t)n) {
		assert_true(net_wait(app, POLLIN, NET_PATIENCE_MS));
		n = recv(app, filler, filled < sizeof(filler) ? filled : sizeof(filler), 0);
		assert_true(n > 0);
	}
	assert_true(net_wait(c->flow.leg->fd, POLLOUT, NET_PATIENCE_MS));
	expect_next(conn_join(c), CONN_MOVE);
	assert_int_equal(edit_send(c->flow.leg->edit, GET, strlen(GET)), strlen(GET));
	assert_true(net_wait(app, POLLIN, NET_PATIENCE_MS));
	n = recv(app, line, sizeof(line) - 1, 0);
	assert_true(n > 0);
	line[n] = '\0';
	assert_ptr_equal(strstr(line, "PROXY TCP4 127.0.0.1 127.0.0.1 "), line);
	assert_non_null(strstr(line, "\r\nGET / "));
}

/* It has taken the connection, and closed it before the header. */
static void an_application_that_closes_at_once(void **state)
{
	(void)state;
	app_conf.send_proxy = SEND_PROXY_V2;
	connected();
	assert_reason(conn_header_make(c, NULL), KEDGE_REASON_NONE);
	shutdown(c->flow.leg->fd, SHUT_WR); /* the same error as after its reset */
	expect(conn_join(c), CONN_REPLY, CONN_ANSWER, KEDGE_REASON_app_gone);
	assert_null(c->flow.leg->edit);
	assert_int_equal(stats->flows, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flow_in_clear),
		TEST(a_flow_of_mode_tcp),
		TEST(the_record_layer_is_counted),
		TEST(who_splices),
		TEST(the_header_comes_first),
		TEST(an_application_that_closes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
