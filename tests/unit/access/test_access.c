/* SPDX-License-Identifier: BSD-2-Clause */
/* access.c: which entry each request of a flow gets. The log is a fake that keeps entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/access.h"

#include "tests/lib/assert_reason.h"

/* --- a log in the place of access_log.c ------------------------------------------------------- */

struct access_log {
	enum access_format format;
};

static struct access_log log_ = {ACCESS_FORMAT_COMBINED};

static struct kept {
	struct access_entry e;
	unsigned worker;
	char request[ACCESS_REQUEST_MAX + 1], referer[ACCESS_FIELD_MAX + 1];
	char agent[ACCESS_FIELD_MAX + 1], listener[ADDR_TEXT_MAX + 1], id[ACCESS_ID_MAX + 1];
	char host[ACCESS_HOST_MAX + 1], request_id[ACCESS_REQUEST_ID_MAX + 1];
	char sni[ACCESS_SNI_MAX + 1];
} kept[8];
static unsigned kept_count;

enum access_format access_log_format(const struct access_log *log)
{
	return log->format;
}

static void keep(char *to, const char *text, size_t len)
{
	if (len)
		memcpy(to, text, len);
	to[len] = '\0';
}

void access_log_put(struct access_log *log, unsigned worker, const struct access_entry *e,
		    const struct access_texts *t)
{
	struct kept *k = &kept[kept_count++];

	assert_ptr_equal(log, &log_);
	assert_true(kept_count <= sizeof(kept) / sizeof(kept[0]));
	assert_true(e->request_len <= ACCESS_REQUEST_MAX && e->referer_len <= ACCESS_FIELD_MAX &&
		    e->agent_len <= ACCESS_FIELD_MAX && e->listener_len <= ADDR_TEXT_MAX &&
		    e->id_len <= ACCESS_ID_MAX && e->host_len <= ACCESS_HOST_MAX &&
		    e->request_id_len <= ACCESS_REQUEST_ID_MAX && e->sni_len <= ACCESS_SNI_MAX);
	k->e = *e;
	k->worker = worker;
	keep(k->request, t->request, e->request_len);
	keep(k->referer, t->referer, e->referer_len);
	keep(k->agent, t->agent, e->agent_len);
	keep(k->listener, t->listener, e->listener_len);
	keep(k->id, t->id, e->id_len);
	keep(k->host, t->host, e->host_len);
	keep(k->request_id, t->request_id, e->request_id_len);
	keep(k->sni, t->sni, e->sni_len);
}

/* --- flows ------------------------------------------------------------------------------------ */

static uint64_t now_us;

static int up(void **state)
{
	log_.format = ACCESS_FORMAT_COMBINED;
	kept_count = 0;
	now_us = 5000000;
	return 0;
}

static struct access_flow *flow_of(const char *client, const char *listener)
{
	struct access_facts facts = {.listener = listener, .record = ACCESS_RECORD_USER};
	union addr addr = {.family = AF_UNSPEC};
	struct access_flow *a;
	const char *why;

	if (client)
		assert_int_equal(addr_parse(&addr, client, &why), 0);
	facts.client = &addr;
	facts.tls_version = 1;
	facts.tls_suite = 2;
	facts.edit_kernel = true;
	a = access_flow_new(&log_, 7, &facts, &now_us);
	assert_non_null(a);
	return a;
}

static struct access_flow *flow(void)
{
	return flow_of("192.0.2.1:4660", "127.0.0.1:443");
}

static void request(struct access_flow *a, const char *head)
{
	access_request(a, head, strlen(head));
}

static void the_unique_id_is_in_every_entry(void **state)
{
	char id[] = {'a', 'b', 'c', 'd'}; /* not terminated */
	const union addr nobody = {.family = AF_UNSPEC};
	const struct access_facts facts = {
		.listener = "l", .client = &nobody, .id = id, .id_len = sizeof(id)};
	struct access_flow *a = access_flow_new(&log_, 0, &facts, &now_us);

	(void)state;
	assert_non_null(a);
	memset(id, 'x', sizeof(id)); /* it has been copied */
	request(a, "GET /1 HTTP/1.1\r\n\r\n");
	access_response(a, 200, 1, 2);
	access_own(a, 408, 3);
	access_flow_end(a);
	assert_int_equal(kept_count, 2);
	assert_string_equal(kept[0].id, "abcd");
	assert_string_equal(kept[1].id, "abcd");
	kept_count = 0;
	a = flow();
	access_own(a, 408, 3);
	access_flow_end(a);
	assert_int_equal(kept[0].e.id_len, 0);
}

static void facts_are_in_every_entry(void **state)
{
	struct access_flow *a = flow();

	request(a, "GET /1 HTTP/1.1\r\n\r\n");
	access_response(a, 200, 1, 2);
	access_joined(a, false, true, true);
	access_own(a, 408, 3);
	access_flow_end(a);
	assert_int_equal(kept_count, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kept[i].worker, 7);
		assert_string_equal(kept[i].listener, "127.0.0.1:443");
		assert_string_equal(kept[i].e.client, "192.0.2.1");
		assert_int_equal(kept[i].e.client_port, 4660);
		assert_int_equal(kept[i].e.record, ACCESS_RECORD_USER);
		assert_int_equal(kept[i].e.tls_version, 1);
		assert_int_equal(kept[i].e.tls_suite, 2);
		assert_int_equal(kept[i].e.edit_kernel, i == 0);
		assert_int_equal(kept[i].e.bypass, i == 1);
		assert_int_equal(kept[i].e.splice, i == 1);
	}
}

static void a_client_may_be_of_any_family(void **state)
{
	static const char *const clients[] = {"[2001:db8::1]:1", NULL};

	for (int i = 0; i < 2; i++) {
		struct access_flow *a = flow_of(clients[i], "a");

		access_own(a, 400, 0);
		access_flow_end(a);
	}
	assert_string_equal(kept[0].e.client, "2001:db8::1");
	assert_string_equal(kept[1].e.client, "");
	assert_int_equal(kept[1].e.client_port, 0);
}

/* A name longer than any address is cut. */
static void a_listeners_name_is_cut(void **state)
{
	char name[2 * ADDR_TEXT_MAX];
	struct access_flow *a;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	a = flow_of("192.0.2.1:1", name);
	access_own(a, 400, 0);
	access_flow_end(a);
	assert_int_equal(strlen(kept[0].listener), ADDR_TEXT_MAX);
}

static void responses_go_to_the_oldest_request(void **state)
{
	struct access_flow *a = flow();

	request(a, "GET /1 HTTP/1.1\r\n\r\n");
	request(a, "GET /2 HTTP/1.1\r\n\r\n");
	access_response(a, 200, 10, 1);
	request(a, "GET /3 HTTP/1.1\r\n\r\n");
	access_response(a, 404, 20, 1);
	access_response(a, 304, 0, 1);
	/* Nobody asked. */
	access_response(a, 408, 0, 1);
	access_flow_end(a);
	assert_int_equal(kept_count, 3);
	assert_string_equal(kept[0].request, "GET /1 HTTP/1.1");
	assert_int_equal(kept[0].e.status, 200);
	assert_int_equal(kept[0].e.bytes, 10);
	assert_string_equal(kept[1].request, "GET /2 HTTP/1.1");
	assert_int_equal(kept[1].e.status, 404);
	assert_string_equal(kept[2].request, "GET /3 HTTP/1.1");
	assert_int_equal(kept[2].e.status, 304);
}

/* kedge's own answer is for the oldest request, or for one that it has not read. */
static void an_own_answer_needs_no_request(void **state)
{
	struct access_flow *a = flow();

	request(a, "GET /1 HTTP/1.1\r\n\r\n");
	access_reason(a, KEDGE_REASON_app_gone);
	access_own(a, 502, 63);
	access_own(a, 400, 7);
	access_flow_end(a);
	assert_int_equal(kept_count, 2);
	assert_string_equal(kept[0].request, "GET /1 HTTP/1.1");
	assert_int_equal(kept[0].e.status, 502);
	assert_reason(kept[0].e.reason, KEDGE_REASON_app_gone);
	assert_string_equal(kept[1].request, "");
	assert_int_equal(kept[1].e.status, 400);
	assert_int_equal(kept[1].e.bytes, 7);
	assert_int_equal(kept[1].e.duration_us, 0);
	assert_int_equal(kept[1].e.begun_us, now_us);
}

/* One request has an unfinished response, the others have none. */
static void the_end_meets_what_waits(void **state)
{
	struct access_flow *a = flow();

	request(a, "GET /1 HTTP/1.1\r\n\r\n");
	request(a, "GET /2");
	request(a, "GET /3");
	access_reason(a, KEDGE_REASON_app_gone);
	access_cut(a, 206, 99);
	access_flow_end(a);
	assert_int_equal(kept_count, 3);
	assert_int_equal(kept[0].e.status, 206);
	assert_int_equal(kept[0].e.bytes, 99);
	assert_string_equal(kept[1].request, "GET /2");
	for (int i = 1; i < 3; i++) {
		assert_int_equal(kept[i].e.status, 0);
		assert_int_equal(kept[i].e.bytes, 0);
		assert_reason(kept[i].e.reason, KEDGE_REASON_app_gone);
	}
	a = flow();
	access_cut(a, 200, 1); /* of a response that no request waited for */
	access_flow_end(a);
	access_flow_end(NULL);
	assert_int_equal(kept_count, 3);
}

/* One that is sent twice is logged once. */
static void a_request_that_is_sent_again(void **state)
{
	struct access_flow *a = flow();

	(void)state;
	request(a, "GET /1");
	access_again(a);
	request(a, "GET /1");
	access_response(a, 200, 5, 6);
	access_again(a); /* nothing waits */
	access_flow_end(a);
	assert_int_equal(kept_count, 1);
	assert_int_equal(kept[0].e.status, 200);
	assert_string_equal(kept[0].request, "GET /1");
}

static void times_are_of_the_request(void **state)
{
	struct access_flow *a = flow();

	request(a, "GET /1");
	now_us += 100;
	request(a, "GET /2");
	now_us += 1000;
	/* A duration that the caller has measured. */
	access_response(a, 200, 0, 700);
	/* Otherwise it is the time from the head until now. */
	access_own(a, 504, 0);
	access_flow_end(a);
	assert_int_equal(kept[0].e.duration_us, 700);
	assert_int_equal(kept[0].e.begun_us, 5001100 - 700);
	assert_int_equal(kept[1].e.duration_us, 1000);
	assert_int_equal(kept[1].e.begun_us, 5000100);
}

static void fields_come_from_the_head(void **state)
{
	static const struct {
		const char *head, *referer, *agent;
	} cases[] = {
		{"GET / HTTP/1.1\r\nUser-Agent: a b \r\nReferer:http://r\r\n\r\n", "http://r",
		 "a b "},
		{"GET / HTTP/1.1\r\nreferer: \t x\r\nUSER-AGENT:\r\n\r\n", "x", ""},
		{"GET / HTTP/1.1\r\nX-Referer: x\r\nUser-Agents: y\r\nReferer : z\r\n\r\n", "", ""},
		{"GET / HTTP/1.1\r\nReferer: 1\r\nReferer: 2\r\n\r\n", "1", ""},
		{"GET / HTTP/1.1\r\nHost: a\r\nReferer: cu", "cu", ""},
		{"GET / HTTP/1.1\nUser-Agent: lf\nReferer: only\n\n", "only", "lf"},
		{"GET / HTTP/1.1\r\nrefere", "", ""},
		{"GET / HTTP/1.1\r\nReferer: \t", "", ""},
		{"GET / HTTP/1.1\r\n", "", ""},
		{"Referer: not a field\r\n\r\n", "", ""},
		{"", "", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Flush against the end, so that the sanitizer sees one byte too many. */
		size_t len = strlen(cases[i].head);
		char *head = malloc(len);
		struct access_flow *a = flow();

		kept_count = 0;
		memcpy(head, cases[i].head, len);
		access_request(a, head, len);
		free(head);
		access_flow_end(a);
		assert_string_equal(kept[0].referer, cases[i].referer);
		assert_string_equal(kept[0].agent, cases[i].agent);
	}
}

static void host_and_request_id_come_from_the_head(void **state)
{
	static const struct {
		const char *head, *host, *id;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: a:80\r\nX-Request-ID: 7f\r\n\r\n", "a:80", "7f"},
		{"GET / HTTP/1.1\r\nx-request-id:1\r\nhost:b\r\nX-Request-Id: 2\r\n\r\n", "b", "1"},
		{"GET / HTTP/1.1\r\nHosts: b\r\nX-Request: 2\r\nX-Request-Id : 3\r\n\r\n", "", ""},
		{"GET / HTTP/1.1\r\nHost: a\"\x1b[2J,sni=b c", "a\"\x1b[2J,sni=b c", ""},
		{"GET / HTTP/1.1", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int common = 0; common < 2; common++) {
			struct access_flow *a;

			log_.format = common ? ACCESS_FORMAT_COMMON : ACCESS_FORMAT_JSON;
			a = flow();
			kept_count = 0;
			request(a, cases[i].head);
			access_flow_end(a);
			assert_string_equal(kept[0].host, cases[i].host);
			assert_string_equal(kept[0].request_id, cases[i].id);
			assert_string_equal(kept[0].sni, "");
		}
	}
}

/* Also of an answer to a request that kedge has not read. */
static void the_name_of_the_handshake_is_in_every_entry(void **state)
{
	const union addr nobody = {.family = AF_UNSPEC};
	const struct access_facts facts = {
		.listener = "l", .client = &nobody, .sni = "example.com"};
	struct access_flow *a = access_flow_new(&log_, 0, &facts, &now_us);

	(void)state;
	request(a, "GET /1 HTTP/1.1\r\n\r\n");
	access_response(a, 200, 1, 2);
	access_own(a, 408, 3);
	access_flow_end(a);
	assert_string_equal(kept[0].sni, "example.com");
	assert_string_equal(kept[1].sni, "example.com");
}

/* Common has none of these. */
static void common_has_no_fields(void **state)
{
	struct access_flow *a;

	log_.format = ACCESS_FORMAT_COMMON;
	a = flow();
	request(a, "GET / HTTP/1.1\r\nReferer: r\r\nUser-Agent: a\r\n\r\n");
	access_flow_end(a);
	assert_string_equal(kept[0].request, "GET / HTTP/1.1");
	assert_int_equal(kept[0].e.referer_len, 0);
	assert_int_equal(kept[0].e.agent_len, 0);
}

static void long_texts_are_cut(void **state)
{
	static char head[2 * ACCESS_REQUEST_MAX];

	for (int more = 0; more < 2; more++) {
		struct access_flow *a = flow();
		size_t len = 0;

		kept_count = 0;
		memset(head, 'G', ACCESS_REQUEST_MAX + (size_t)more);
		len = ACCESS_REQUEST_MAX + (size_t)more;
		len += (size_t)sprintf(head + len, "\r\nReferer: ");
		memset(head + len, 'r', ACCESS_FIELD_MAX + (size_t)more);
		len += ACCESS_FIELD_MAX + (size_t)more;
		len += (size_t)sprintf(head + len, "\r\nUser-Agent: ");
		memset(head + len, 'u', ACCESS_FIELD_MAX + (size_t)more);
		len += ACCESS_FIELD_MAX + (size_t)more;
		len += (size_t)sprintf(head + len, "\r\nHost: ");
		memset(head + len, 'h', ACCESS_HOST_MAX + (size_t)more);
		len += ACCESS_HOST_MAX + (size_t)more;
		len += (size_t)sprintf(head + len, "\r\nX-Request-Id: ");
		memset(head + len, 'x', ACCESS_REQUEST_ID_MAX + (size_t)more);
		len += ACCESS_REQUEST_ID_MAX + (size_t)more;
		access_request(a, head, len);
		access_flow_end(a);
		assert_int_equal(strspn(kept[0].host, "h"), ACCESS_HOST_MAX);
		assert_int_equal(strspn(kept[0].request_id, "x"), ACCESS_REQUEST_ID_MAX);
		assert_int_equal(strspn(kept[0].request, "G"), ACCESS_REQUEST_MAX);
		assert_int_equal(strspn(kept[0].referer, "r"), ACCESS_FIELD_MAX);
		assert_int_equal(strspn(kept[0].agent, "u"), ACCESS_FIELD_MAX);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(facts_are_in_every_entry),
		TEST(the_unique_id_is_in_every_entry),
		TEST(a_client_may_be_of_any_family),
		TEST(a_listeners_name_is_cut),
		TEST(responses_go_to_the_oldest_request),
		TEST(an_own_answer_needs_no_request),
		TEST(the_end_meets_what_waits),
		TEST(a_request_that_is_sent_again),
		TEST(times_are_of_the_request),
		TEST(fields_come_from_the_head),
		TEST(host_and_request_id_come_from_the_head),
		TEST(the_name_of_the_handshake_is_in_every_entry),
		TEST(common_has_no_fields),
		TEST(long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
