/* SPDX-License-Identifier: BSD-2-Clause */
/* What the record layer's faults mean for a connection: it ends in order, after its alert. */
#include "conn_rig.h"

#include <fcntl.h>

#include <openssl/err.h>

/* A TLS client of the worker, its handshake done. */
static void greet(struct peer *p, int version)
{
	int fd = net_connect(port);

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	peer_open(p, fd, &(struct peer_opts){.version = version});
	while (SSL_do_handshake(p->ssl) != 1) {
		ERR_clear_error();
		peer_send(p, 0, NULL, NULL);
		peer_wait(p->fd);
		peer_receive(p);
	}
	peer_send(p, 0, NULL, NULL);
}

static void client_says(struct peer *p, const void *text, size_t n)
{
	assert_int_equal(SSL_write(p->ssl, text, (int)n), n);
	peer_send(p, 0, NULL, NULL);
}

/* Turns a bit of the last record that the client has sealed and not sent. */
static void damage(struct peer *p)
{
	char *bytes;
	long n = BIO_get_mem_data(p->out, &bytes);

	bytes[n - 1] ^= 1;
}

/* All that is left to read, to the end; the reason of the alert. No reset may cut it short. */
static int alert_and_end(struct peer *p)
{
	char buf[4096];
	ssize_t n;
	int reason = 0;

	do {
		peer_wait(p->fd);
		n = recv(p->fd, buf, sizeof(buf), 0);
		if (n > 0)
			assert_int_equal(BIO_write(p->in, buf, (int)n), n);
		else if (n < 0)
			assert_int_equal(errno, EAGAIN);
	} while (n);
	BIO_set_mem_eof_return(p->in, 0);
	while (SSL_read(p->ssl, buf, sizeof(buf)) > 0)
		;
	reason = ERR_GET_REASON(ERR_peek_error());
	ERR_clear_error();
	return reason;
}

/* A request, which has reached the application, and a damaged record behind it. The app leg. */
static int ask_and_damage(struct peer *p, int version)
{
	int leg;

	greet(p, version);
	client_says(p, GET, strlen(GET));
	leg = net_accept(app);
	hear(leg, SEEN);
	assert_int_equal(SSL_write(p->ssl, "x", 1), 1);
	damage(p);
	peer_send(p, 0, NULL, NULL);
	return leg;
}

static void a_fault_ends_after_its_alert(void **state)
{
	static char upload[3000000];

	(void)state;
	with_tls();
	start();
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct peer p;
		int leg;

		leg = ask_and_damage(&p, version);
		hear_end(leg, ECONNRESET);
		/* The client is in the middle of a long write when it happens, and ends that. */
		for (size_t done = 0; done < sizeof(upload); done += 16000) {
			assert_true(net_wait(p.fd, POLLOUT, NET_PATIENCE_MS));
			assert_true(send(p.fd, upload, 16000, MSG_NOSIGNAL) > 0);
		}
		shutdown(p.fd, SHUT_WR);
		assert_int_equal(alert_and_end(&p), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
		peer_close(&p);
		close(leg);
	}
	until(&stats->closed, 2);
	assert_int_equal(stats->reasons.record_bad, 2);
}

/* A client that is told and does not go is not waited for longer than allowed. */
static void the_wait_after_an_alert_has_an_end(void **state)
{
	struct peer p;
	int leg;

	(void)state;
	with_tls();
	conf.linger_timeout_ms = 300;
	start();
	leg = ask_and_damage(&p, TLS1_3_VERSION);
	until(&stats->closed, 1);
	assert_int_equal(alert_and_end(&p), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
	peer_close(&p);
	close(leg);
}

/* An error alert of the client's own needs no answer, and no reset. */
static void a_clients_alert_ends_in_order(void **state)
{
	struct peer p;
	int leg;

	(void)state;
	with_tls();
	start();
	greet(&p, TLS1_3_VERSION);
	client_says(&p, GET, strlen(GET));
	leg = net_accept(app);
	hear(leg, SEEN);
	/* A record that the client refuses makes it send an alert. */
	(void)BIO_write(p.in, "\27\3\3\0\30not what the server sent", 29);
	assert_true(SSL_read(p.ssl, &(char){0}, 1) <= 0);
	ERR_clear_error();
	peer_send(&p, 0, NULL, NULL);
	until(&stats->reasons.tls_client_alert, 1);
	hear_end(leg, ECONNRESET);
	close(leg);
	while (!p.eof) {
		peer_wait(p.fd);
		assert_true(recv(p.fd, &(char){0}, 1, MSG_PEEK) >= 0);
		peer_receive(&p);
	}
	peer_close(&p);
	until(&stats->closed, 1);
}

static void put24(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

/* A hello in records of one byte: nobody else's turn waits until it is read. */
static void a_hello_in_many_records_takes_turns(void **state)
{
	enum { BYTES = 20000 };
	static uint8_t records[6 * BYTES];
	uint8_t hello[BYTES] = {1, 0, 0, 0, 3, 3};
	struct peer p;
	int fd;

	(void)state;
	/* One that would be complete: no suites, so that it is refused when it is. */
	put24(hello + 1, BYTES - 4);
	for (size_t i = 0; i < BYTES; i++) {
		static const uint8_t header[] = {22, 3, 1, 0, 1};

		memcpy(records + 6 * i, header, 5);
		records[6 * i + 5] = hello[i];
	}
	with_tls();
	start();
	fd = net_connect(port);
	for (size_t at = 0; at < sizeof(records);) {
		ssize_t n = send(fd, records + at, sizeof(records) - at, MSG_NOSIGNAL);

		assert_true(n > 0);
		at += (size_t)n;
	}
	greet(&p, TLS1_3_VERSION);
	until(&stats->reasons.tls_handshake, 1);
	peer_close(&p);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fault_ends_after_its_alert),
		TEST(the_wait_after_an_alert_has_an_end),
		TEST(a_clients_alert_ends_in_order),
		TEST(a_hello_in_many_records_takes_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
