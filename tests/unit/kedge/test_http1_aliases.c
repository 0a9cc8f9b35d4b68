/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names that a server may confuse with one that kedge sets, removes or reads
 * (tests/lib/http1_aliases.h). None reaches the application, in a head, in trailers or in
 * Connection, whole or in pieces. The reference parser agrees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/http1_agree.h"
#include "tests/lib/http1_aliases.h"
#include "tests/lib/http1_driver.h"

static struct http1_alias *all;
static size_t count;

static int setup(void **state)
{
	all = http1_aliases(&count);
	return !all;
}

static int teardown(void **state)
{
	free(all);
	return 0;
}

/* kedge sets it, even if it takes nothing out. */
static bool is_set(const struct http1_alias *a)
{
	static const char *const names[] = {"X-Forwarded-For", "X-Forwarded-Proto",
					    "X-Forwarded-Port", "X-Real-IP"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(a->of->name, names[i]))
			return true;
	return false;
}

#define SET (HTTP1_SET_PROTO | HTTP1_SET_PORT | HTTP1_SET_REAL)

/* Why a stream is refused, KEDGE_REASON_NONE if it is not; the result in *out (may be NULL). */
static uint8_t reason_of(uint16_t flags, const char *in, size_t piece, struct http1_bytes *out)
{
	struct http1_conf conf;
	struct http1_run r = {.conf = &conf};
	size_t n = strlen(in), at = 0;
	uint8_t reason;
	const char *wrong;

	http1_case_conf(&conf, HTTP1_XFF_APPEND, flags);
	wrong = http1_disagree(&conf, false, (const uint8_t *)in, n, NULL);
	if (wrong)
		fail_msg("%s: %s", in, wrong);
	while (at < n && r.h.state != HTTP1_REFUSED) {
		size_t step = n - at < piece ? n - at : piece;

		at += http1_run_feed(&r, (const uint8_t *)in + at, step);
	}
	reason = r.h.reason;
	if (out)
		*out = r.out;
	else
		http1_run_free(&r);
	return reason;
}

static void must_be(uint16_t flags, const char *in, enum kedge_reason reason)
{
	static const size_t pieces[] = {SIZE_MAX, 1, 7};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		if (reason_of(flags, in, pieces[i], NULL) != reason)
			fail_msg("%s: not refused with reason %d", in, reason);
}

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"

static void refused(void **state)
{
	char in[256];

	assert_true(count > 800);
	for (size_t i = 0; i < count; i++) {
		const struct http1_alias *a = &all[i];

		snprintf(in, sizeof(in), GET "%s: 6.6.6.6\r\n\r\n", a->name);
		must_be(HTTP1_STRIP, in, KEDGE_REASON_http_forwarding_alias);
		if (a->of->framing || is_set(a)) {
			must_be(SET, in, KEDGE_REASON_http_forwarding_alias);
			must_be(SET | HTTP1_TRUSTED, in, KEDGE_REASON_http_forwarding_alias);
		}
	}
}

static void taken_out(void **state)
{
	char in[256];

	for (size_t i = 0; i < count; i++) {
		const struct http1_alias *a = &all[i];

		snprintf(in, sizeof(in), GET "%s: 6.6.6.6\r\n\r\n", a->name);
		if (a->of->framing)
			must_be(HTTP1_STRIP | HTTP1_CUT_ALIASES, in,
				KEDGE_REASON_http_forwarding_alias);
		for (size_t piece = 1; !a->of->framing && piece < 60; piece += 6) {
			__u16 flags = is_set(a) ? SET : HTTP1_STRIP;
			struct http1_bytes out;

			assert_int_equal(reason_of(flags | HTTP1_CUT_ALIASES, in, piece, &out), 0);
			assert_null(memmem(out.data, out.len, "6.6.6.6", 7));
			assert_null(memmem(out.data, out.len, a->name, strlen(a->name)));
			free(out.data);
		}
	}
}

/* Longer than all names that kedge knows; the beginning says enough. */
static void of_a_long_name(void **state)
{
	static const char in[] = GET "X_Forwarded-Client-Certificate: 6.6.6.6\r\n\r\n";
	struct http1_bytes out;

	must_be(HTTP1_STRIP, in, KEDGE_REASON_http_forwarding_alias);
	/* At once: the rest of the name may never come. */
	must_be(HTTP1_STRIP, GET "X_Forwarded-Client-C", KEDGE_REASON_http_forwarding_alias);
	assert_int_equal(reason_of(HTTP1_STRIP | HTTP1_CUT_ALIASES, in, 7, &out), 0);
	assert_null(memmem(out.data, out.len, "6.6.6.6", 7));
	free(out.data);
}

static void in_trailers(void **state)
{
	char in[256];

	for (size_t i = 0; i < count; i++) {
		snprintf(in, sizeof(in), POST "%s: 6.6.6.6\r\n\r\n", all[i].name);
		must_be(0, in, KEDGE_REASON_http_trailer);
	}
}

/* The next server removes the fields that Connection lists. */
static void in_connection(void **state)
{
	char in[256];

	for (size_t i = 0; i < count; i++) {
		if (!strcmp(all[i].of->name, "HTTP2-Settings"))
			continue;
		snprintf(in, sizeof(in), GET "Connection: close, %s\r\n\r\n", all[i].name);
		must_be(0, in, KEDGE_REASON_http_connection_field);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),        cmocka_unit_test(taken_out),
		cmocka_unit_test(of_a_long_name), cmocka_unit_test(in_trailers),
		cmocka_unit_test(in_connection),
	};

	return cmocka_run_group_tests_name("http1 aliases", tests, setup, teardown);
}
