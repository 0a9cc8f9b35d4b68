/* SPDX-License-Identifier: BSD-2-Clause */
/* resolve.c: what becomes of the name service's answers, and of one that comes too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/heard.h"

static int fake_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
			    struct addrinfo **out);
static void fake_freeaddrinfo(struct addrinfo *ai);
static int fake_socket(int family, int type, int protocol);

#define getaddrinfo  fake_getaddrinfo
#define freeaddrinfo fake_freeaddrinfo
#define socket       fake_socket
#include "app/resolve.c"
#undef socket

#define ANSWERS_MAX (RESOLVE_MAX + 4)

/* What the name service says next. */
static struct {
	const char *addrs[ANSWERS_MAX]; /* up to a NULL */
	int answer, err;
	bool hangs; /* until it is told to go on */
	sem_t go_on, went;
	char host[HOST_NAME_BYTES_MAX + 2];
	unsigned lent; /* answers that nobody has freed */
	bool no_ipv6;
} service;

static const struct resolve_wait patient = {.ms = 20000};

static int fake_socket(int family, int type, int protocol)
{
	if (family == AF_INET6 && service.no_ipv6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return socket(family == AF_INET6 ? AF_INET : family, type, protocol);
}

static struct addrinfo *answer_of(const char *text, struct addrinfo *next)
{
	struct addrinfo *ai = calloc(1, sizeof(*ai));
	struct sockaddr_in6 *in6 = calloc(1, sizeof(*in6));
	struct sockaddr_in *in = (struct sockaddr_in *)in6;

	ai->ai_next = next;
	ai->ai_addr = (struct sockaddr *)in6;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		ai->ai_family = in->sin_family = AF_INET;
		ai->ai_addrlen = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		ai->ai_family = in6->sin6_family = AF_INET6;
		ai->ai_addrlen = sizeof(*in6);
	} else {
		ai->ai_family = AF_UNIX;
		ai->ai_addrlen = sizeof(*in);
	}
	return ai;
}

static int fake_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
			    struct addrinfo **out)
{
	struct addrinfo *list = NULL;
	size_t n = 0;

	assert(!port && hints->ai_socktype == SOCK_STREAM && !hints->ai_flags);
	if (service.hangs)
		sem_wait(&service.go_on);
	strcpy(service.host, host);
	while (service.addrs[n])
		n++;
	while (n > 0)
		list = answer_of(service.addrs[--n], list);
	if (!service.answer)
		*out = list;
	service.lent += !service.answer && list;
	errno = service.err;
	return service.answer;
}

static void fake_freeaddrinfo(struct addrinfo *ai)
{
	while (ai) {
		struct addrinfo *next = ai->ai_next;

		free(ai->ai_addr);
		free(ai);
		ai = next;
	}
	service.lent--;
	if (service.hangs)
		sem_post(&service.went);
}

static int up(void **state)
{
	(void)state;
	memset(&service, 0, sizeof(service));
	sem_init(&service.go_on, 0, 0);
	sem_init(&service.went, 0, 0);
	heard_begin();
	return 0;
}

static int down(void **state)
{
	(void)state;
	heard_end();
	return service.lent ? -1 : 0;
}

static void expect(const struct resolved *r, size_t at, const char *text)
{
	char buf[ADDR_TEXT_MAX];

	assert_true(at < r->count);
	addr_format(buf, &r->set[at]);
	assert_string_equal(buf, text);
}

static void all_addresses_each_once_in_their_order(void **state)
{
	struct resolved r;
	char why[RESOLVE_WHY_SIZE] = "";

	(void)state;
	memset(&r, 0xaa, sizeof(r));
	service.addrs[0] = "2001:db8::2";
	service.addrs[1] = "192.0.2.1";
	service.addrs[2] = "no address of IP";
	service.addrs[3] = "192.0.2.1";
	service.addrs[4] = "::ffff:192.0.2.1";
	service.addrs[5] = "0.0.0.0";
	service.addrs[6] = "::";
	service.addrs[7] = "192.0.2.2";
	assert_int_equal(resolve(&r, "app.internal", 3000, &patient, why), 0);
	assert_string_equal(service.host, "app.internal");
	assert_int_equal(r.count, 3);
	assert_int_equal(r.left_out, 0);
	expect(&r, 0, "[2001:db8::2]:3000");
	expect(&r, 1, "192.0.2.1:3000");
	expect(&r, 2, "192.0.2.2:3000");
	assert_string_equal(why, "");
}

static void the_calling_thread_may_ask_itself(void **state)
{
	struct resolved r = {.count = 0};
	char why[RESOLVE_WHY_SIZE] = "";

	(void)state;
	service.addrs[0] = "2001:db8::2";
	service.addrs[1] = "192.0.2.1";
	busy = true; /* the main thread's question does not matter */
	assert_int_equal(resolve_here(&r, "app.internal", 3000, why), 0);
	busy = false;
	assert_string_equal(service.host, "app.internal");
	assert_int_equal(r.count, 2);
	assert_ptr_equal(resolve_usable(&r), &r.set[0]);
	service.no_ipv6 = true;
	assert_ptr_equal(resolve_usable(&r), &r.set[1]);
	r.count = 1;
	assert_null(resolve_usable(&r));
	service.addrs[0] = NULL;
	service.answer = EAI_AGAIN;
	assert_int_equal(resolve_here(&r, "app.internal", 3000, why), -EAGAIN);
	assert_non_null(strstr(why, "Temporary failure"));
}

static void there_is_room_for_so_many(void **state)
{
	static char texts[ANSWERS_MAX][16];
	char why[RESOLVE_WHY_SIZE];
	struct resolved r;

	(void)state;
	for (size_t i = 0; i + 1 < ANSWERS_MAX; i++) {
		snprintf(texts[i], sizeof(texts[i]), "192.0.2.%zu", i + 1);
		service.addrs[i] = texts[i];
	}
	assert_int_equal(resolve(&r, "many", 1, &patient, why), 0);
	assert_int_equal(r.count, RESOLVE_MAX);
	assert_int_equal(r.left_out, 3);
	expect(&r, RESOLVE_MAX - 1, "192.0.2.16:1");
}

static void a_failure_says_why(void **state)
{
	static const struct {
		int answer, err, want;
		const char *why;
	} cases[] = {
		{EAI_NONAME, 0, -ENOENT, "not known"},
		{EAI_AGAIN, 0, -EAGAIN, "Temporary failure"},
		{EAI_FAIL, 0, -EIO, "Non-recoverable"},
		{EAI_MEMORY, 0, -ENOMEM, "emory"},
		{EAI_SYSTEM, EMFILE, -EMFILE, "Too many open files"},
		{0, 0, -ENOENT, "has no address"},
	};
	struct resolved r, before;

	(void)state;
	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char why[RESOLVE_WHY_SIZE] = "";

		r = before;
		service.answer = cases[i].answer;
		service.err = cases[i].err;
		assert_int_equal(resolve(&r, "a", 1, &patient, why), cases[i].want);
		if (!strstr(why, cases[i].why))
			fail_msg("\"%s\" in: %s", cases[i].why, why);
		assert_memory_equal(&r, &before, sizeof(r));
	}
}

static unsigned meanwhile;

static void count(void *arg)
{
	assert_ptr_equal(arg, &meanwhile);
	meanwhile++;
}

/* It is not waited for. The thread frees its answer, and until then there is no second one. */
static void one_that_hangs_is_left_behind(void **state)
{
	const struct resolve_wait wait = {
		.ms = 3 * SLICE_MS, .meanwhile = count, .arg = &meanwhile};
	char why[RESOLVE_WHY_SIZE];
	struct resolved r;

	(void)state;
	meanwhile = 0;
	service.hangs = true;
	service.addrs[0] = "192.0.2.1";
	assert_int_equal(resolve(&r, "a", 1, &wait, why), -ETIMEDOUT);
	assert_string_equal(why, "no answer within 600 ms");
	assert_true(meanwhile >= 1);
	assert_int_equal(resolve(&r, "b", 1, &patient, why), -EBUSY);
	assert_non_null(strstr(why, "still hangs"));
	sem_post(&service.go_on);
	sem_wait(&service.went);
	/* The next one waits for its own answer. */
	sem_post(&service.go_on);
	assert_int_equal(resolve(&r, "c", 1, &patient, why), 0);
	assert_string_equal(service.host, "c");
}

static void let_it_go_on(void *arg)
{
	(void)arg;
	sem_post(&service.go_on);
}

static void meanwhile_other_things_are_done(void **state)
{
	const struct resolve_wait wait = {.ms = 20000, .meanwhile = let_it_go_on};
	char why[RESOLVE_WHY_SIZE];
	struct resolved r;

	(void)state;
	service.hangs = true;
	service.addrs[0] = "192.0.2.1";
	assert_int_equal(resolve(&r, "a", 1, &wait, why), 0);
}

/* --- the application --- */

static struct conf_server server;
static struct conf_app app;

static struct conf conf_of(char *host)
{
	server = (struct conf_server){.host = host, .port = 3000, .name = "app:3000"};
	app = (struct conf_app){.name = "app:3000", .servers = {&server, 1}};
	return (struct conf){.apps = &app, .apps_count = 1};
}

static void an_application_gets_the_first_address_that_fits(void **state)
{
	char host[] = "app", name[ADDR_TEXT_MAX];
	struct conf conf = conf_of(host);

	(void)state;
	service.addrs[0] = "2001:db8::1";
	service.addrs[1] = "192.0.2.1";
	assert_int_equal(resolve_servers(&conf, &patient), 0);
	addr_format(name, &server.addr);
	assert_string_equal(name, "[2001:db8::1]:3000");
	assert_string_equal(heard, "info: application app:3000: [2001:db8::1]:3000, the first "
				   "of 2 addresses\n");
	service.no_ipv6 = true;
	assert_int_equal(resolve_servers(&conf, &patient), 0);
	addr_format(name, &server.addr);
	assert_string_equal(name, "192.0.2.1:3000");
	service.addrs[1] = NULL;
	assert_int_equal(resolve_servers(&conf, &patient), -EAFNOSUPPORT);
	assert_heard("error: application app:3000: cannot be resolved: it has addresses "
		     "of IPv6 only");
	addr_format(name, &server.addr);
	assert_string_equal(name, "192.0.2.1:3000");
}

static void one_with_an_address_is_left_alone(void **state)
{
	struct conf conf = conf_of(NULL);

	(void)state;
	server.addr.family = AF_UNIX;
	assert_int_equal(resolve_servers(&conf, &patient), 0);
	assert_int_equal(server.addr.family, AF_UNIX);
	assert_string_equal(heard, "");
	assert_string_equal(service.host, "");
}

static void one_that_nobody_knows_is_an_error(void **state)
{
	char host[] = "app";
	struct conf conf = conf_of(host);

	(void)state;
	service.answer = EAI_NONAME;
	assert_int_equal(resolve_servers(&conf, &patient), -ENOENT);
	assert_heard("error: application app:3000: cannot be resolved: Name or service not known "
		     "(getent ahosts app shows what this host knows)");
}

static void a_server_of_several_is_named_with_its_application(void **state)
{
	char host[] = "app";
	struct conf conf = conf_of(host);

	(void)state;
	strcpy(app.name, "web");
	service.answer = EAI_NONAME;
	assert_int_equal(resolve_servers(&conf, &patient), -ENOENT);
	assert_heard("error: application web: server app:3000: cannot be resolved: ");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_addresses_each_once_in_their_order),
		TEST(the_calling_thread_may_ask_itself),
		TEST(there_is_room_for_so_many),
		TEST(a_failure_says_why),
		TEST(one_that_hangs_is_left_behind),
		TEST(meanwhile_other_things_are_done),
		TEST(an_application_gets_the_first_address_that_fits),
		TEST(one_with_an_address_is_left_alone),
		TEST(one_that_nobody_knows_is_an_error),
		TEST(a_server_of_several_is_named_with_its_application),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
