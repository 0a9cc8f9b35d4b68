/* SPDX-License-Identifier: BSD-2-Clause */
/* user/tls/cert_name.c: what is a host name, and which names a certificate lists. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tls/cert_name.h"

static char out[CERT_NAME_MAX + 2];

static int normalise(const char *name)
{
	memset(out, '?', sizeof(out));
	return cert_name_normalise(out, name, strlen(name));
}

static void names_are_normalised(void **state)
{
	static const char *const cases[][2] = {
		{"example.org", "example.org"},
		{"EXAMPLE.Org", "example.org"},
		{"example.org.", "example.org"},
		{"a", "a"},
		{"*.Example.org", "*.example.org"},
		{"xn--Bcher-kva.example", "xn--bcher-kva.example"},
		{"a..b", "a..b"},
		{"[Z]_@", "[z]_@"},
		{"\xc3\x84", "\xc3\x84"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(normalise(cases[i][0]), 0);
		assert_string_equal(out, cases[i][1]);
	}
}

static void what_cannot_be_a_name(void **state)
{
	assert_int_equal(normalise(""), -EINVAL);
	assert_int_equal(normalise("."), -EINVAL);
	assert_int_equal(cert_name_normalise(out, "a\0b", 3), -EINVAL);
	assert_int_equal(cert_name_normalise(out, "\0", 1), -EINVAL);
}

static void every_length(void **state)
{
	for (size_t n = 0; n < 300; n++)
		for (int dot = 0; dot < 2; dot++) {
			char *name = test_malloc(n + 1), *small = test_malloc(CERT_NAME_MAX + 1);
			const bool good = n > 0 && n <= CERT_NAME_MAX;

			memset(name, 'A', n);
			if (dot)
				name[n] = '.';
			assert_int_equal(cert_name_normalise(small, name, n + (size_t)dot),
					 good ? 0 : -EINVAL);
			if (good)
				assert_int_equal(strlen(small), n);
			test_free(name);
			test_free(small);
		}
}

static void wildcards(void **state)
{
	static const char *const cases[][2] = {
		{"www.example.org", "*.example.org"},
		{"a.b", "*.b"},
		{"x.y.wild.test", "*.y.wild.test"}, /* one label */
		{"localhost", NULL},
		{".example.org", NULL},
		{"*.example.org", NULL},
		{"*", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(cert_name_wildcard(out, cases[i][0]), cases[i][1] != NULL);
		if (cases[i][1])
			assert_string_equal(out, cases[i][1]);
	}
}

static void the_longest_wildcard(void **state)
{
	char name[CERT_NAME_MAX + 1], *exact = test_malloc(CERT_NAME_MAX + 2);

	memset(name, 'a', CERT_NAME_MAX);
	name[CERT_NAME_MAX] = '\0';
	name[1] = '.';
	assert_true(cert_name_wildcard(exact, name));
	assert_int_equal(strlen(exact), CERT_NAME_MAX);
	assert_int_equal(exact[0], '*');
	test_free(exact);
}

/* --- in a certificate ------------------------------------------------------------------------- */

static void add(GENERAL_NAMES *sans, int type, const char *text, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = type == GEN_IPADD ? (ASN1_STRING *)ASN1_OCTET_STRING_new()
					       : (ASN1_STRING *)ASN1_IA5STRING_new();

	assert_int_equal(ASN1_STRING_set(value, text, len), 1);
	GENERAL_NAME_set0_value(name, type, value);
	sk_GENERAL_NAME_push(sans, name);
}

static void listed_names(void **state)
{
	GENERAL_NAMES *sans = sk_GENERAL_NAME_new_null();

	add(sans, GEN_DNS, "A.test.", -1);
	add(sans, GEN_IPADD, "\300\0\2\1", 4);
	add(sans, GEN_EMAIL, "who@b.test", -1);
	add(sans, GEN_DNS, "c.test\0.evil.test", 17); /* not the name of c.test */
	add(sans, GEN_DNS, "", 0);
	add(sans, GEN_DNS, "*.d.test", -1);

	static const char *const want[] = {"a.test", "", "", "", "", "*.d.test"};

	for (int n = 0; n < 6; n++) {
		assert_true(cert_name_at(sans, n, out));
		assert_string_equal(out, want[n]);
	}
	assert_false(cert_name_at(sans, 6, out));

	assert_true(cert_name_is_listed(sans, "a.test"));
	assert_true(cert_name_is_listed(sans, "*.d.test"));
	assert_false(cert_name_is_listed(sans, "x.d.test")); /* the caller asks for the wildcard */
	assert_false(cert_name_is_listed(sans, "c.test"));
	assert_false(cert_name_is_listed(sans, "b.test"));
	assert_false(cert_name_is_listed(sans, "a.tes"));
	sk_GENERAL_NAME_pop_free(sans, GENERAL_NAME_free);
}

static void without_any_name(void **state)
{
	GENERAL_NAMES *sans = sk_GENERAL_NAME_new_null();

	assert_false(cert_name_at(NULL, 0, out));
	assert_false(cert_name_is_listed(NULL, "a.test"));
	assert_false(cert_name_at(sans, 0, out));
	assert_false(cert_name_is_listed(sans, ""));
	sk_GENERAL_NAME_free(sans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_normalised), cmocka_unit_test(what_cannot_be_a_name),
		cmocka_unit_test(every_length),         cmocka_unit_test(wildcards),
		cmocka_unit_test(the_longest_wildcard), cmocka_unit_test(listed_names),
		cmocka_unit_test(without_any_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
