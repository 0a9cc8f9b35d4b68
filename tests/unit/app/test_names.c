/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.c: what becomes of the addresses that names have, while the name service hangs, fails or
 * changes its mind. It is a fake; the thread is real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <semaphore.h>

#include "app/resolve.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

static int fake_resolve_here(struct resolved *out, const char *host, uint16_t port,
			     char why[RESOLVE_WHY_SIZE]);

#define resolve_here fake_resolve_here
#include "app/names.c"
#undef resolve_here

/* --- a name service --------------------------------------------------------------------------- */

#define ADDRS_MAX 4

static struct {
	pthread_mutex_t lock;
	const char *addrs[ADDRS_MAX]; /* up to a NULL; none: an error */
	unsigned asked;
	char host[300];
	bool hear;  /* the thread is to be heard from now on, with nothing heard yet */
	bool hangs; /* each question, until it is told to go on */
	sem_t hung, go_on;
} service = {.lock = PTHREAD_MUTEX_INITIALIZER};

static union addr addr_of(const char *text)
{
	union addr a;
	const char *why;

	assert_int_equal(addr_parse(&a, text, &why), 0);
	return a;
}

static int fake_resolve_here(struct resolved *out, const char *host, uint16_t port,
			     char why[RESOLVE_WHY_SIZE])
{
	bool hangs;

	pthread_mutex_lock(&service.lock);
	if (service.hear)
		heard_begin();
	service.hear = false;
	hangs = service.hangs;
	pthread_mutex_unlock(&service.lock);
	if (hangs) {
		sem_post(&service.hung);
		sem_wait(&service.go_on);
	}
	pthread_mutex_lock(&service.lock);
	snprintf(service.host, sizeof(service.host), "%s:%u", host, port);
	out->count = 0;
	for (size_t i = 0; i < ADDRS_MAX && service.addrs[i]; i++)
		out->set[out->count++] = addr_of(service.addrs[i]);
	snprintf(why, RESOLVE_WHY_SIZE, "nobody knows it");
	service.asked++;
	pthread_mutex_unlock(&service.lock);
	return out->count ? 0 : -ENOENT;
}

static void says(const char *first, const char *second)
{
	pthread_mutex_lock(&service.lock);
	service.addrs[0] = first;
	service.addrs[1] = second;
	pthread_mutex_unlock(&service.lock);
}

static unsigned asked(void)
{
	unsigned n;

	pthread_mutex_lock(&service.lock);
	n = service.asked;
	pthread_mutex_unlock(&service.lock);
	return n;
}

static void hang(bool does)
{
	pthread_mutex_lock(&service.lock);
	service.hangs = does;
	pthread_mutex_unlock(&service.lock);
}

/* Until so many more questions have been answered, and the answers are in force. */
static void answers(unsigned more)
{
	const unsigned until =
		asked() + more + 1; /* one is asked: what was before has been taken */
	const uint64_t deadline = net_now_ms() + NET_PATIENCE_MS;

	while (asked() < until && net_now_ms() < deadline)
		poll(NULL, 0, 1);
	assert_true(asked() >= until);
}

static void hear(void)
{
	pthread_mutex_lock(&service.lock);
	service.hear = true;
	pthread_mutex_unlock(&service.lock);
	answers(1);
}

/* --- an application --------------------------------------------------------------------------- */

static struct conf_server confs[3];
static struct conf_app conf;
static struct servers app;
static struct names *names;

static const char *address(size_t at)
{
	static char text[ADDR_TEXT_MAX];
	union addr buf;

	addr_format(text, server_addr(app.set[at], &confs[at].addr, &buf));
	return text;
}

static void configured(size_t at, char *host, const char *name, const char *addr)
{
	confs[at].host = host;
	confs[at].port = 80;
	snprintf(confs[at].name, sizeof(confs[at].name), "%s", name);
	confs[at].addr = addr_of(addr);
}

static int setup(void **state)
{
	(void)state;
	sem_init(&service.hung, 0, 0);
	sem_init(&service.go_on, 0, 0);
	service.asked = 0;
	service.hangs = false;
	memset(confs, 0, sizeof(confs));
	configured(0, "a.internal", "a.internal:80", "192.0.2.1:80");
	configured(1, NULL, "192.0.2.9:80", "192.0.2.9:80");
	conf = (struct conf_app){.name = "web", .servers = {confs, 2}, .resolve_ms = 1};
	assert_int_equal(servers_init(&app, &conf, 1), 0);
	names = names_new();
	assert_non_null(names);
	service.hear = true;
	return 0;
}

/* The thread may still be in the name service, and frees the plan then. */
static void wait_for_refs(unsigned n)
{
	const uint64_t deadline = net_now_ms() + NET_PATIENCE_MS;

	while (__atomic_load_n(&app.set[0]->refs, __ATOMIC_ACQUIRE) > n && net_now_ms() < deadline)
		poll(NULL, 0, 1);
	assert_int_equal(__atomic_load_n(&app.set[0]->refs, __ATOMIC_ACQUIRE), n);
}

static int teardown(void **state)
{
	(void)state;
	names_close(names);
	wait_for_refs(1);
	servers_fini(&app);
	return 0;
}

static void begin(void)
{
	assert_int_equal(names_prepare(names, &app, 1), 0);
	names_commit(names);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_server_moves_with_its_name(void **state)
{
	(void)state;
	says("192.0.2.1:80", NULL);
	begin();
	assert_string_equal(address(0), "192.0.2.1:80");
	answers(2);
	assert_int_equal(heard_lines, 0);
	assert_string_equal(service.host, "a.internal:80");
	says("192.0.2.2:80", NULL);
	answers(2);
	assert_string_equal(address(0), "192.0.2.2:80");
	assert_string_equal(address(1), "192.0.2.9:80"); /* it has no name */
	assert_string_equal(heard, "info: application web: server a.internal:80: "
				   "192.0.2.1:80 -> 192.0.2.2:80\n");
}

/* Name services change the order with each answer. */
static void it_stays_while_its_name_has_the_address(void **state)
{
	(void)state;
	says("192.0.2.7:80", "192.0.2.1:80");
	begin();
	answers(2);
	assert_string_equal(address(0), "192.0.2.1:80");
	assert_int_equal(heard_lines, 0);
	says("192.0.2.7:80", "192.0.2.8:80");
	answers(2);
	assert_string_equal(address(0), "192.0.2.7:80");
	says("192.0.2.8:80", "192.0.2.7:80");
	answers(2);
	assert_string_equal(address(0), "192.0.2.7:80");
	assert_int_equal(heard_lines, 1);
}

static void it_stays_while_its_name_is_not_known(void **state)
{
	(void)state;
	says(NULL, NULL);
	begin();
	answers(5);
	assert_string_equal(address(0), "192.0.2.1:80");
	assert_string_equal(heard, "warning: application web: server a.internal:80: cannot be "
				   "resolved any more: nobody knows it: "
				   "it stays at 192.0.2.1:80\n");
	hear();
	says("192.0.2.1:80", NULL);
	answers(3);
	assert_string_equal(heard,
			    "info: application web: server a.internal:80: is resolved again\n");
	hear();
	says(NULL, NULL);
	answers(3);
	assert_int_equal(heard_lines, 1);
	hear();
	says("192.0.2.3:80", NULL);
	answers(2);
	assert_string_equal(address(0), "192.0.2.3:80");
	assert_int_equal(heard_lines, 2);
}

static void a_lone_server_is_named_once(void **state)
{
	(void)state;
	snprintf(app.set[0]->app, sizeof(app.set[0]->app), "a.internal:80");
	says("192.0.2.2:80", NULL);
	begin();
	answers(2);
	assert_string_equal(heard,
			    "info: application a.internal:80: 192.0.2.1:80 -> 192.0.2.2:80\n");
}

static void nothing_is_asked_without_resolve_ms(void **state)
{
	(void)state;
	conf.resolve_ms = 0;
	begin();
	assert_false(names->started);
	conf.resolve_ms = 1;
	confs[0].host = NULL;
	begin();
	assert_false(names->started);
	assert_int_equal(asked(), 0);
}

/* The reload has looked the name up itself, and its answer is the newer one. */
static void a_reload_decides(void **state)
{
	(void)state;
	says("192.0.2.2:80", NULL);
	begin();
	answers(2);
	assert_string_equal(address(0), "192.0.2.2:80");
	says("192.0.2.5:80", NULL);
	hang(true);
	sem_wait(&service.hung);
	confs[0].addr = addr_of("192.0.2.4:80");
	conf.resolve_ms = 3600000;
	begin();
	assert_string_equal(address(0), "192.0.2.4:80");
	hang(false);
	sem_post(&service.go_on); /* I3: what was asked before says nothing */
	assert_int_equal(names_prepare(names, &app, 1), 0);
	names_cancel(names);
	assert_string_equal(address(0), "192.0.2.4:80");
	conf.resolve_ms = 0;
	confs[0].addr = addr_of("192.0.2.6:80");
	begin();
	assert_string_equal(address(0), "192.0.2.6:80");
}

static void an_answer_from_before_a_reload_is_forgotten(void **state)
{
	(void)state;
	says("192.0.2.5:80", NULL);
	hang(true);
	begin();
	sem_wait(&service.hung);
	confs[0].addr = addr_of("192.0.2.4:80");
	begin();
	sem_post(&service.go_on);
	sem_wait(&service.hung); /* it asks for the new plan now */
	assert_string_equal(address(0), "192.0.2.4:80");
	assert_int_equal(heard_lines, 0);
	hang(false);
	sem_post(&service.go_on);
	answers(1);
	assert_string_equal(address(0), "192.0.2.5:80");
}

/* The thread ends by itself; the sanitizer sees what it leaves. */
static void an_end_does_not_wait_for_the_name_service(void **state)
{
	(void)state;
	hang(true);
	says("192.0.2.5:80", NULL);
	begin();
	sem_wait(&service.hung);
	names_close(names);
	names = NULL;
	wait_for_refs(2);
	sem_post(&service.go_on);
	wait_for_refs(1);
	assert_string_equal(address(0), "192.0.2.1:80");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_server_moves_with_its_name),
		TEST(it_stays_while_its_name_has_the_address),
		TEST(it_stays_while_its_name_is_not_known),
		TEST(a_lone_server_is_named_once),
		TEST(nothing_is_asked_without_resolve_ms),
		TEST(a_reload_decides),
		TEST(an_answer_from_before_a_reload_is_forgotten),
		TEST(an_end_does_not_wait_for_the_name_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
