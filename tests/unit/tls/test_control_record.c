/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of control_record.h, each by itself. test_record_rules.c tests them in the record
 * layers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tls/control_record.h"
#include "tls/pace.h"

#include "tests/lib/assert_reason.h"

#define MAX (16384 + 1)

static struct control fresh(bool tls13)
{
	return (struct control){.tls13 = tls13};
}

/* One record, from the heap: the sanitizer sees a byte too many. */
static enum control_verdict feed(struct control *c, uint8_t type, const char *bytes, size_t n)
{
	uint8_t *copy = test_malloc(n ? n : 1);
	enum control_verdict v;

	memcpy(copy, bytes, n);
	v = control_record(c, type, copy, n);
	test_free(copy);
	return v;
}

#define ALERT(c, text)     feed(c, TLS_CONTENT_ALERT, text, sizeof(text) - 1)
#define HANDSHAKE(c, text) feed(c, TLS_CONTENT_HANDSHAKE, text, sizeof(text) - 1)

#define assert_fatal(c, verdict, description, why)                 \
	do {                                                       \
		assert_int_equal(verdict, CONTROL_FATAL);          \
		assert_int_equal((c)->alert, description);         \
		assert_int_equal((c)->reason, KEDGE_REASON_##why); \
	} while (0)

/* Every level and description there is. */
static void every_alert(void **state)
{
	(void)state;
	for (int tls13 = 0; tls13 < 2; tls13++)
		for (int level = 0; level < 256; level++)
			for (int what = 0; what < 256; what++) {
				struct control c = fresh(tls13);
				const char bytes[] = {(char)level, (char)what};
				enum control_verdict v = feed(&c, TLS_CONTENT_ALERT, bytes, 2);

				if (what == 0 && (tls13 || level == 1))
					assert_int_equal(v, CONTROL_END);
				else if (!tls13 && level == 1 && what == ALERT_NO_RENEGOTIATION)
					assert_fatal(&c, v, 40, record_control);
				else if (tls13 ? what == 90 : level == 1)
					assert_int_equal(v, CONTROL_GO_ON);
				else if (tls13 || level == 2)
					assert_fatal(&c, v, ALERT_NONE, tls_client_alert);
				else
					assert_fatal(&c, v, 47, record_control);
			}
}

static void alerts_of_other_sizes(void **state)
{
	(void)state;
	for (int tls13 = 0; tls13 < 2; tls13++)
		for (size_t n = 0; n < 10; n++) {
			struct control c = fresh(tls13);
			enum control_verdict v =
				feed(&c, TLS_CONTENT_ALERT, "\1\0\1\0\1\0\1\0\1", n);

			if (n == 2)
				assert_int_equal(v, CONTROL_END);
			else
				assert_fatal(&c, v, 10, record_control);
		}
}

static void every_type(void **state)
{
	(void)state;
	for (int tls13 = 0; tls13 < 2; tls13++)
		for (int type = 0; type < 256; type++) {
			struct control c = fresh(tls13);
			enum control_verdict v;

			if (type == TLS_CONTENT_ALERT || type == TLS_CONTENT_HANDSHAKE)
				continue;
			v = feed(&c, (uint8_t)type, "\1", 1);
			assert_fatal(&c, v, 10, record_control);
		}
}

/* Refused at the first wrong byte. */
static void every_message(void **state)
{
	(void)state;
	for (int tls13 = 0; tls13 < 2; tls13++)
		for (int type = 0; type < 256; type++) {
			struct control c = fresh(tls13);
			const char byte = (char)type;
			enum control_verdict v = feed(&c, TLS_CONTENT_HANDSHAKE, &byte, 1);

			if (type == (tls13 ? HANDSHAKE_KEY_UPDATE : HANDSHAKE_CLIENT_HELLO))
				assert_int_equal(v, CONTROL_GO_ON);
			else
				assert_fatal(&c, v, 10, record_control);
		}
}

static void every_key_update(void **state)
{
	(void)state;
	for (int value = 0; value < 256; value++)
		for (size_t cut = 0; cut < 5; cut++) {
			struct control c = fresh(true);
			const char bytes[] = {24, 0, 0, 1, (char)value};
			enum control_verdict v;

			if (cut)
				assert_int_equal(feed(&c, TLS_CONTENT_HANDSHAKE, bytes, cut),
						 CONTROL_GO_ON);
			v = feed(&c, TLS_CONTENT_HANDSHAKE, bytes + cut, 5 - cut);
			if (value > 1) {
				assert_fatal(&c, v, 47, record_control);
				continue;
			}
			assert_int_equal(v, value ? CONTROL_UPDATE_ANSWER : CONTROL_UPDATE);
			assert_int_equal(control_data(&c, 1), CONTROL_GO_ON);
		}
}

static void key_updates_of_other_lengths(void **state)
{
	static const char *const bytes[] = {"\30\0\0\0", "\30\0\0\2", "\30\0\1\1", "\30\1\0\1"};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct control c = fresh(true);

		assert_fatal(&c, feed(&c, TLS_CONTENT_HANDSHAKE, bytes[i], 4), 50, record_control);
	}
}

/* RFC 8446 section 5.1. */
static void nothing_comes_between(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 5; cut++) {
		struct control c = fresh(true);

		feed(&c, TLS_CONTENT_HANDSHAKE, "\30\0\0\1\0", cut);
		assert_fatal(&c, control_data(&c, 1), 10, record_control);
		c = fresh(true);
		feed(&c, TLS_CONTENT_HANDSHAKE, "\30\0\0\1\0", cut);
		assert_fatal(&c, ALERT(&c, "\1\0"), 10, record_control);
	}
	for (size_t more = 1; more < 6; more++) {
		struct control c = fresh(true);

		assert_fatal(&c,
			     feed(&c, TLS_CONTENT_HANDSHAKE, "\30\0\0\1\0\30\0\0\1\0", 5 + more),
			     10, record_control);
	}
}

static void no_handshake_record_is_empty(void **state)
{
	(void)state;
	for (int tls13 = 0; tls13 < 2; tls13++) {
		struct control c = fresh(tls13);

		assert_fatal(&c, HANDSHAKE(&c, ""), 10, record_control);
		c = fresh(tls13);
		feed(&c, TLS_CONTENT_HANDSHAKE, tls13 ? "\30" : "\1", 1);
		assert_fatal(&c, HANDSHAKE(&c, ""), 10, record_control);
	}
}

/* --- numbers ---------------------------------------------------------------------------------- */

static unsigned updates_allowed(struct control *c)
{
	unsigned n = 0;

	while (HANDSHAKE(c, "\30\0\0\1\0") == CONTROL_UPDATE)
		n++;
	assert_int_equal(c->alert, 10);
	assert_reason(c->reason, KEDGE_REASON_key_update_flood);
	return n;
}

static void key_updates_are_bought_with_data(void **state)
{
	struct control c = fresh(true);

	(void)state;
	assert_int_equal(updates_allowed(&c), 32);
	c = fresh(true);
	control_data(&c, 16383);
	assert_int_equal(updates_allowed(&c), 32);
	c = fresh(true);
	control_data(&c, 1);
	control_data_sent(&c, 16383);
	assert_int_equal(updates_allowed(&c), 33);
	/* One for every record of a download. */
	c = fresh(true);
	for (int i = 0; i < 1000; i++)
		control_data_sent(&c, 16384);
	assert_int_equal(updates_allowed(&c), 1032);
}

static void warnings_in_a_row(void **state)
{
	(void)state;
	for (int tls13 = 0; tls13 < 2; tls13++) {
		struct control c = fresh(tls13);

		for (int round = 0; round < 100; round++) {
			for (int i = 0; i < 4; i++)
				assert_int_equal(ALERT(&c, "\1\132"), CONTROL_GO_ON);
			assert_int_equal(control_data(&c, 1), CONTROL_GO_ON);
		}
		for (int i = 0; i < 4; i++)
			assert_int_equal(ALERT(&c, "\1\132"), CONTROL_GO_ON);
		assert_fatal(&c, ALERT(&c, "\1\132"), 10, record_control);
	}
}

static void renegotiations(void **state)
{
	static char hello[MAX] = {1, 0, 0x3f, 0xfc}; /* as large as a record */
	struct control c = fresh(false);

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(HANDSHAKE(&c, "\1\0\0\0"), CONTROL_REFUSE);
		control_data(&c, 100000); /* data allows no more of them */
	}
	assert_fatal(&c, HANDSHAKE(&c, "\1\0\0\0"), ALERT_NO_RENEGOTIATION, renegotiation);

	/* Several in a record count as several. */
	c = fresh(false);
	assert_int_equal(HANDSHAKE(&c, "\1\0\0\0\1\0\0\1x\1\0\0\0"), CONTROL_REFUSE);
	assert_int_equal(HANDSHAKE(&c, "\1\0\0\0"), CONTROL_REFUSE);
	assert_fatal(&c, HANDSHAKE(&c, "\1\0\0\0"), ALERT_NO_RENEGOTIATION, renegotiation);

	/* In pieces: refused with the last one. */
	for (size_t cut = 1; cut < 16384; cut = cut * 2 + 1) {
		c = fresh(false);
		assert_int_equal(feed(&c, TLS_CONTENT_HANDSHAKE, hello, cut), CONTROL_GO_ON);
		assert_int_equal(feed(&c, TLS_CONTENT_HANDSHAKE, hello + cut, 16384 - cut),
				 CONTROL_REFUSE);
	}
	c = fresh(false);
	assert_int_equal(HANDSHAKE(&c, "\1\2\1\104"), CONTROL_GO_ON);
	c = fresh(false);
	assert_fatal(&c, HANDSHAKE(&c, "\1\2\1\105"), 47, record_control);
}

/*
 * --- how much a read asks for ------------------------------------------------------------------
 */

static void pace_follows_the_clock(void **state)
{
	struct pace p = {0};

	(void)state;
	assert_int_equal(pace_limit(&p, 131072), 16384);
	assert_int_equal(pace_limit(&p, 100), 100);
	assert_false(pace_took(&p, 100, 10)); /* small reads say nothing */
	assert_int_equal(pace_limit(&p, 131072), 16384);
	for (int i = 0; i < 100; i++)
		assert_false(pace_took(&p, pace_limit(&p, 1 << 30), 10));
	assert_int_equal(pace_limit(&p, 131072), 131072);
	assert_int_equal(pace_limit(&p, 1 << 30), 1 << 20);
	assert_false(pace_took(&p, 1 << 20, 500));
	assert_int_equal(pace_limit(&p, 1 << 30), 1 << 20);
	for (int i = 0; i < 100; i++)
		assert_true(pace_took(&p, pace_limit(&p, 1 << 30), 5000));
	assert_int_equal(pace_limit(&p, 131072), 16384);
	assert_true(pace_took(&p, 0, 1000000));
	assert_int_equal(pace_limit(&p, 131072), 16384);
}

static void floods_are_told_from_slow_machines(void **state)
{
	(void)state;
	assert_false(pace_is_flood(0, 0));
	assert_false(pace_is_flood(1 << 20, 0));          /* little enough */
	assert_false(pace_is_flood(16406, 16384));        /* one record, a second to read */
	assert_false(pace_is_flood(100 << 20, 99 << 20)); /* an upload */
	assert_true(pace_is_flood((1 << 20) + 16, 0));
	assert_true(pace_is_flood(23 * 131072, 131072));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_alert),
		cmocka_unit_test(alerts_of_other_sizes),
		cmocka_unit_test(every_type),
		cmocka_unit_test(every_message),
		cmocka_unit_test(every_key_update),
		cmocka_unit_test(key_updates_of_other_lengths),
		cmocka_unit_test(nothing_comes_between),
		cmocka_unit_test(no_handshake_record_is_empty),
		cmocka_unit_test(key_updates_are_bought_with_data),
		cmocka_unit_test(warnings_in_a_row),
		cmocka_unit_test(renegotiations),
		cmocka_unit_test(pace_follows_the_clock),
		cmocka_unit_test(floods_are_told_from_slow_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
