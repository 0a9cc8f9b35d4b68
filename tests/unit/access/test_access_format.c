/* SPDX-License-Identifier: BSD-2-Clause */
/* access_format.c: the three formats; no text from a client can break one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "access/access_format.h"
#include "kedge/abi.h"
#include "tls/ktls.h"

/* 2026-11-25 07:11:18.000250 UTC, as begun_us = 250. */
#define WALL_US 1795590678000000

static const struct access_entry plain = {
	.begun_us = 250,
	.duration_us = 1000042,
	.bytes = 5000000000,
	.status = 200,
	.client_port = 35646,
	.client = "198.51.100.22",
};

static char out[ACCESS_LINE_MAX];
static const char *id = "", *host = "", *sni = "", *request_id = ""; /* of the next lines */

/* A line of the entry, with these texts; terminated, in out[]. */
static const char *format(enum access_format f, struct access_entry e, const char *request,
			  const char *referer, const char *agent)
{
	struct access_texts t = {.request = request,
				 .referer = referer,
				 .agent = agent,
				 .host = host,
				 .request_id = request_id,
				 .listener = "127.0.0.1:443",
				 .id = id,
				 .sni = sni};
	size_t n;

	e.request_len = (uint16_t)strlen(request);
	e.referer_len = (uint16_t)strlen(referer);
	e.agent_len = (uint16_t)strlen(agent);
	e.listener_len = (uint16_t)strlen(t.listener);
	e.id_len = (uint8_t)strlen(id);
	e.host_len = (uint16_t)strlen(host);
	e.sni_len = (uint16_t)strlen(sni);
	e.request_id_len = (uint16_t)strlen(request_id);
	n = access_format_line(out, f, &e, &t, WALL_US);
	assert_true(n < sizeof(out));
	assert_int_equal(out[n - 1], '\n');
	assert_null(memchr(out, '\n', n - 1));
	out[n] = '\0';
	return out;
}

static void common_has_its_fields_and_four_more(void **state)
{
	struct access_entry e = plain;

	(void)state;
	assert_string_equal(format(ACCESS_FORMAT_COMMON, e, "GET /a?b HTTP/1.1", "", ""),
			    "198.51.100.22 - - [25/Nov/2026:07:11:18 +0000] "
			    "\"GET /a?b HTTP/1.1\" 200 5000000000 "
			    "1.000042 - - record=plain,edit=user,bypass=off,splice=off\n");
	e.record = ACCESS_RECORD_KERNEL;
	e.tls_version = VERSION_TLS13;
	e.tls_suite = SUITE_CHACHA20_POLY1305;
	e.edit_kernel = e.bypass = e.splice = 1;
	e.status = 0;
	e.bytes = 0;
	e.duration_us = 7;
	assert_string_equal(
		format(ACCESS_FORMAT_COMMON, e, "GET / HTTP/1.0", "", ""),
		"198.51.100.22 - - [25/Nov/2026:07:11:18 +0000] "
		"\"GET / HTTP/1.0\" - 0 0.000007 "
		"TLSv1.3 CHACHA20-POLY1305 record=kernel,edit=kernel,bypass=on,splice=on\n");
}

static void combined_has_referer_and_agent(void **state)
{
	struct access_entry e = plain;

	(void)state;
	e.record = ACCESS_RECORD_USER;
	e.tls_version = VERSION_TLS12;
	assert_string_equal(
		format(ACCESS_FORMAT_COMBINED, e, "GET / HTTP/1.1", "http://r/", "curl/8"),
		"198.51.100.22 - - [25/Nov/2026:07:11:18 +0000] "
		"\"GET / HTTP/1.1\" 200 5000000000 \"http://r/\" \"curl/8\" "
		"1.000042 TLSv1.2 AES-128-GCM record=user,edit=user,bypass=off,splice=off\n");
	e.client[0] = '\0';
	assert_string_equal(
		format(ACCESS_FORMAT_COMBINED, e, "", "", ""),
		"- - - [25/Nov/2026:07:11:18 +0000] \"-\" 200 5000000000 \"-\" \"-\" "
		"1.000042 TLSv1.2 AES-128-GCM record=user,edit=user,bypass=off,splice=off\n");
}

static const char *string_of(json_t *line, const char *key)
{
	json_t *value = json_object_get(line, key);

	assert_non_null(value);
	return json_string_value(value);
}

static json_t *parse(const char *line)
{
	json_error_t error;
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);

	if (!object)
		fail_msg("%s: %s", error.text, line);
	return object;
}

static void json_has_everything_by_name(void **state)
{
	struct access_entry e = plain;
	json_t *line;

	(void)state;
	e.record = ACCESS_RECORD_KERNEL;
	e.tls_version = VERSION_TLS13;
	e.tls_suite = SUITE_AES_256_GCM;
	e.reason = KEDGE_REASON_http_host;
	line = parse(format(ACCESS_FORMAT_JSON, e, "POST /a HTTP/1.1", "", "x"));
	assert_string_equal(string_of(line, "time"), "2026-11-25T07:11:18.000250Z");
	assert_string_equal(string_of(line, "client"), "198.51.100.22");
	assert_int_equal(json_integer_value(json_object_get(line, "client_port")), 35646);
	assert_string_equal(string_of(line, "listener"), "127.0.0.1:443");
	assert_string_equal(string_of(line, "method"), "POST");
	assert_string_equal(string_of(line, "target"), "/a");
	assert_string_equal(string_of(line, "protocol"), "HTTP/1.1");
	assert_int_equal(json_integer_value(json_object_get(line, "status")), 200);
	assert_int_equal(json_integer_value(json_object_get(line, "bytes")), 5000000000);
	assert_int_equal(json_integer_value(json_object_get(line, "duration_us")), 1000042);
	assert_string_equal(string_of(line, "tls"), "TLSv1.3");
	assert_string_equal(string_of(line, "cipher"), "AES-256-GCM");
	assert_string_equal(string_of(line, "record"), "kernel");
	assert_string_equal(string_of(line, "edit"), "user");
	assert_string_equal(string_of(line, "bypass"), "off");
	assert_string_equal(string_of(line, "splice"), "off");
	assert_string_equal(string_of(line, "reason"), "http_host");
	assert_true(json_is_null(json_object_get(line, "referer")));
	assert_string_equal(string_of(line, "user_agent"), "x");
	json_decref(line);
}

static void only_a_connection_with_a_unique_id_has_one(void **state)
{
	json_t *line;

	(void)state;
	line = parse(format(ACCESS_FORMAT_JSON, plain, "GET / HTTP/1.1", "", ""));
	assert_null(json_object_get(line, "unique_id"));
	json_decref(line);
	id = "0123456789abcdef0123456789abcdef";
	line = parse(format(ACCESS_FORMAT_JSON, plain, "GET / HTTP/1.1", "", ""));
	assert_string_equal(string_of(line, "unique_id"), id);
	json_decref(line);
	format(ACCESS_FORMAT_COMBINED, plain, "GET / HTTP/1.1", "", "");
	assert_non_null(strstr(out, ",splice=off,id=0123456789abcdef0123456789abcdef\n"));
	id = "\n\""; /* of a kind that kedge does not make */
	format(ACCESS_FORMAT_COMMON, plain, "GET / HTTP/1.1", "", "");
	assert_non_null(strstr(out, ",splice=off,id=\\x0A\\x22\n"));
	id = "";
}

static void host_name_and_request_id(void **state)
{
	json_t *line;

	(void)state;
	line = parse(format(ACCESS_FORMAT_JSON, plain, "GET / HTTP/1.1", "", ""));
	assert_true(json_is_null(json_object_get(line, "host")));
	assert_true(json_is_null(json_object_get(line, "sni")));
	assert_true(json_is_null(json_object_get(line, "request_id")));
	json_decref(line);
	host = "a.example:443";
	sni = "a.example";
	request_id = "7f-1";
	id = "00ff";
	line = parse(format(ACCESS_FORMAT_JSON, plain, "GET / HTTP/1.1", "", ""));
	assert_string_equal(string_of(line, "host"), host);
	assert_string_equal(string_of(line, "sni"), sni);
	assert_string_equal(string_of(line, "request_id"), request_id);
	json_decref(line);
	format(ACCESS_FORMAT_COMMON, plain, "GET / HTTP/1.1", "", "");
	assert_non_null(
		strstr(out, ",splice=off,host=a.example:443,sni=a.example,request=7f-1,id=00ff\n"));
	/* One cannot be taken for two, nor for another line. */
	host = "a,sni=b c\n\"\x1b[2J\\";
	sni = request_id = id = "";
	format(ACCESS_FORMAT_COMBINED, plain, "GET / HTTP/1.1", "", "");
	assert_non_null(strstr(out, ",host=a\\x2Csni=b\\x20c\\x0A\\x22\\x1B[2J\\x5C\n"));
	host = "";
}

/* A refused request line may not have three words. */
static void json_splits_any_request_line(void **state)
{
	static const struct {
		const char *line, *method, *target, *protocol;
	} cases[] = {
		{"GET / HTTP/1.1", "GET", "/", "HTTP/1.1"},
		{"GET /a b HTTP/1.1", "GET", "/a b", "HTTP/1.1"},
		{"GET /a", "GET", "/a", NULL},
		{"GET /a HTTP/", "GET", "/a", "HTTP/"},
		{"GET", "GET", NULL, NULL},
		{"GET ", "GET", NULL, NULL},
		{" / HTTP/1.1", NULL, "/", "HTTP/1.1"},
		{"GET HTTP/1.1", "GET", "HTTP/1.1", NULL},
		{"", NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *want[] = {cases[i].method, cases[i].target, cases[i].protocol};
		const char *key[] = {"method", "target", "protocol"};
		json_t *line = parse(format(ACCESS_FORMAT_JSON, plain, cases[i].line, "", ""));

		for (int k = 0; k < 3; k++) {
			const char *got = string_of(line, key[k]);

			if (!want[k] != !got || (got && strcmp(got, want[k]) != 0))
				fail_msg("'%s': %s is '%s'", cases[i].line, key[k], got);
		}
		json_decref(line);
	}
}

/* Every byte value in every field. */
static void no_byte_breaks_a_line(void **state)
{
	char all[256];
	json_t *line;

	(void)state;
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	format(ACCESS_FORMAT_COMBINED, plain, all, all, all);
	for (const char *p = out; p[1]; p++)
		assert_in_range(*p, ' ', '~');
	assert_non_null(strstr(out, "\\x01\\x02"));
	assert_non_null(strstr(out, " !\\x22#"));
	assert_non_null(strstr(out, "[\\x5C]"));
	assert_non_null(strstr(out, "~\\x7F\\x80"));
	assert_non_null(strstr(out, "\\xFF\" 200"));
	line = parse(format(ACCESS_FORMAT_JSON, plain, "GET / HTTP/1.1", all, all));
	/* U+0080 and up take two bytes in UTF-8. */
	assert_int_equal(strlen(string_of(line, "user_agent")), 127 + 2 * 128);
	assert_memory_equal(string_of(line, "referer"), all, 127);
	json_decref(line);
}

/* The longest texts of the worst bytes stay within the room that callers give. */
static void the_longest_line_fits(void **state)
{
	static char bytes[ACCESS_REQUEST_MAX + 1], field[ACCESS_FIELD_MAX + 1];
	static char longest[ACCESS_ID_MAX + 1], hosts[ACCESS_HOST_MAX + 1];
	static char names[ACCESS_SNI_MAX + 1], ids[ACCESS_REQUEST_ID_MAX + 1];
	struct access_entry e = plain;
	json_t *line;

	(void)state;
	memset(bytes, 0xff, ACCESS_REQUEST_MAX);
	memset(field, 0xff, ACCESS_FIELD_MAX);
	memset(longest, 0xff, ACCESS_ID_MAX);
	memset(hosts, 0xff, ACCESS_HOST_MAX);
	memset(names, 0xff, ACCESS_SNI_MAX);
	memset(ids, 0xff, ACCESS_REQUEST_ID_MAX);
	id = longest;
	host = hosts;
	sni = names;
	request_id = ids;
	memset(e.client, ':', sizeof(e.client) - 1);
	e.duration_us = e.bytes = INT64_MAX;
	line = parse(format(ACCESS_FORMAT_JSON, e, bytes, field, field));
	assert_int_equal(strlen(string_of(line, "method")), 2 * ACCESS_REQUEST_MAX);
	assert_int_equal(strlen(string_of(line, "user_agent")), 2 * ACCESS_FIELD_MAX);
	json_decref(line);
	format(ACCESS_FORMAT_COMBINED, e, bytes, field, field);
	assert_non_null(strstr(out, "bypass=off,splice=off,host=\\xFF"));
	id = host = sni = request_id = "";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(common_has_its_fields_and_four_more),
		cmocka_unit_test(combined_has_referer_and_agent),
		cmocka_unit_test(json_has_everything_by_name),
		cmocka_unit_test(only_a_connection_with_a_unique_id_has_one),
		cmocka_unit_test(host_name_and_request_id),
		cmocka_unit_test(json_splits_any_request_line),
		cmocka_unit_test(no_byte_breaks_a_line),
		cmocka_unit_test(the_longest_line_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
