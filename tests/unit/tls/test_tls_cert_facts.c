/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_cert_facts.c: subject, names and end of certificates, also of odd ones. */
#include "tests/unit/tls/cert_rig.h"

#include <time.h>

#include "tls/tls_cert.h"
#include "tls/tls_cert_facts.h"

static struct cert_facts seen[4];
static size_t seen_count;

static void see(void *arg, const struct cert_facts *facts)
{
	assert_ptr_equal(arg, seen);
	assert_true(seen_count < 4);
	seen[seen_count++] = *facts;
}

static void look(struct made *m, size_t n)
{
	struct conf_cert pairs[4] = {{0}};
	struct tls_certs *t = NULL;

	for (size_t i = 0; i < n; i++)
		pairs[i] = made_pair(&m[i]);
	assert_int_equal(tls_certs_load(&t, pairs, n), 0);
	seen_count = 0;
	tls_certs_facts(t, see, seen);
	assert_int_equal(seen_count, n);
	assert_int_equal(ERR_peek_error(), 0);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(seen[i].file, pairs[i].cert);
	tls_certs_free(t);
	for (size_t i = 0; i < n; i++)
		made_free(&m[i]);
}

static void each_is_told_in_order(void **state)
{
	struct made two[] = {
		{.name = "one",
		 .sans = "DNS:Www.Test,IP:192.0.2.1,IP:2001:db8::1,email:a@b.test",
		 .from_days = -1,
		 .until_days = 10},
		{.name = "two", .from_days = -9, .until_days = -3},
	};
	time_t now = time(NULL);

	(void)state;
	look(two, 2);
	assert_string_equal(seen[0].subject, "CN=one");
	assert_string_equal(seen[0].names, "www.test,192.0.2.1,2001:db8::1");
	assert_in_range(seen[0].not_after, now + 10 * 86400 - 600, now + 10 * 86400 + 600);
	assert_string_equal(seen[1].subject, "CN=two");
	assert_string_equal(seen[1].names, "");
	assert_in_range(seen[1].not_after, now - 3 * 86400 - 600, now - 3 * 86400 + 600);
}

static void many_names_are_cut_between_two(void **state)
{
	char sans[2000] = "";
	struct made one = {.name = "many", .sans = sans};
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 60; i++)
		len += (size_t)snprintf(sans + len, sizeof(sans) - len, "%sDNS:name%02d.test",
					i ? "," : "", i);
	look(&one, 1);
	len = strlen(seen[0].names);
	assert_true(len > 200 && len < CERT_FACTS_TEXT);
	assert_string_equal(seen[0].names + len - 9, ".test,...");
	assert_int_equal(strncmp(seen[0].names, "name00.test,name01.test,", 24), 0);
}

static int tear_down(void **state)
{
	made_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_told_in_order),
		cmocka_unit_test(many_names_are_cut_between_two),
	};

	return cmocka_run_group_tests(tests, made_begin, tear_down);
}
