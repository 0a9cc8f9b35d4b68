/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * move: a relay with two engines: kedge's way of moving bytes, and io_uring. See move.h.
 *
 *   move --engine epoll|uring --port PORT --app HOST:PORT [--cert FILE --key FILE]
 *        [--without FEATURE,...] [--buffers N] [--buffer-bytes N]
 *
 * With a certificate clients speak TLS 1.3 and the kernel carries the records. FEATURE, of
 * io_uring: defer, ring-fd, files, multishot, skip.
 */
#include "move.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/ktls.h"

static const struct option options[] = {
	{"engine", required_argument, NULL, 'e'},
	{"port", required_argument, NULL, 'p'},
	{"app", required_argument, NULL, 'a'},
	{"cert", required_argument, NULL, 'c'},
	{"key", required_argument, NULL, 'k'},
	{"without", required_argument, NULL, 'w'},
	{"buffers", required_argument, NULL, 'n'},
	{"buffer-bytes", required_argument, NULL, 'b'},
	{NULL, 0, NULL, 0},
};

struct words {
	const char *engine, *cert, *key;
	uint16_t port;
};

void move_die(const char *what)
{
	fprintf(stderr, "move: %s: %m\n", what);
	exit(1);
}

static _Noreturn void usage(const char *option, const char *value)
{
	fprintf(stderr, "move: --%s: \"%s\" is not possible\n", option, value);
	exit(2);
}

static unsigned long number(const char *option, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(optarg, &end, 10);

	if (end == optarg || *end || n < least || n > most)
		usage(option, optarg);
	return n;
}

static void read_app(struct move *m)
{
	char *colon = strrchr(optarg, ':');

	m->app = (struct sockaddr_in){.sin_family = AF_INET};
	if (!colon)
		usage("app", optarg);
	*colon = '\0';
	if (inet_pton(AF_INET, optarg, &m->app.sin_addr) != 1)
		usage("app", optarg);
	m->app.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
}

static void read_without(struct move *m)
{
	static const char *const names[] = {"defer", "ring-fd", "files", "multishot", "skip"};

	for (char *word = strtok(optarg, ","); word; word = strtok(NULL, ",")) {
		size_t i = 0;

		while (i < sizeof(names) / sizeof(*names) && strcmp(names[i], word))
			i++;
		if (i == sizeof(names) / sizeof(*names))
			usage("without", word);
		m->features &= ~(1u << i);
	}
}

static void read_options(struct move *m, struct words *w, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'e':
			w->engine = optarg;
			break;
		case 'p':
			w->port = (uint16_t)number("port", 0, UINT16_MAX);
			break;
		case 'a':
			read_app(m);
			break;
		case 'c':
			w->cert = optarg;
			break;
		case 'k':
			w->key = optarg;
			break;
		case 'w':
			read_without(m);
			break;
		case 'n':
			m->buffers = (unsigned)number("buffers", 1, 32768);
			break;
		case 'b':
			m->buffer_bytes = number("buffer-bytes", 4096, 1 << 24);
			break;
		default:
			exit(2);
		}
	}
	if (m->buffers & (m->buffers - 1))
		usage("buffers", "no power of two");
	if (!w->engine || !m->app.sin_port || optind != argc || !w->cert != !w->key)
		usage("engine", "engine, application and both or none of certificate and key");
}

static void open_listener(struct move *m, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	socklen_t len = sizeof(in);
	int one = 1;

	m->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (m->listener < 0)
		move_die("socket");
	setsockopt(m->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(m->listener, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    listen(m->listener, 4096) < 0 ||
	    getsockname(m->listener, (struct sockaddr *)&in, &len) < 0)
		move_die("listen");
	printf("port %u\n", ntohs(in.sin_port));
}

static int connect_app(const struct move *m)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		move_die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&m->app, sizeof(m->app)) < 0) {
		fprintf(stderr, "move: application: %m\n");
		close(fd);
		return -1;
	}
	return fd;
}

bool move_accept(const struct move *m, int *client, int *app)
{
	int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC), one = 1;

	if (fd < 0) {
		if (errno != EAGAIN)
			fprintf(stderr, "move: accept4: %m\n");
		return false;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (m->tls && !move_tls_accept(m->tls, fd)) {
		close(fd);
		return false;
	}
	*app = connect_app(m);
	if (*app < 0) {
		close(fd);
		return false;
	}
	*client = fd;
	return true;
}

void move_shut(int fd, bool tls)
{
	static const uint8_t close_notify[] = {1, 0};

	if (tls)
		(void)ktls_send_control(fd, TLS_CONTENT_ALERT, close_notify, sizeof(close_notify));
	shutdown(fd, SHUT_WR);
}

int main(int argc, char **argv)
{
	struct move m = {.features = MOVE_ALL, .buffers = 512, .buffer_bytes = MOVE_BYTES};
	struct words w = {0};

	read_options(&m, &w, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (w.cert && !(m.tls = move_tls_new(w.cert, w.key)))
		return 1;
	if (!strcmp(w.engine, "epoll")) {
		open_listener(&m, w.port);
		move_epoll(&m);
	}
	if (strcmp(w.engine, "uring"))
		usage("engine", w.engine);
	open_listener(&m, w.port);
	move_uring(&m);
}
