/* SPDX-License-Identifier: BSD-2-Clause */
/* self_signed.c: what the certificate says; one for the process; renewed in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "tls/cert_name.h"

static time_t skew;

static time_t skewed_time(time_t *out)
{
	(void)out;
	return (time)(NULL) + skew;
}

#define time(out) skewed_time(out)
#include "tls/self_signed.c"
#undef time

static void it_verifies_as_itself(void **state)
{
	struct cert c;

	(void)state;
	assert_int_equal(self_signed_cert(&c), 0);
	assert_true(self_signed_is(&c));
	assert_int_equal(X509_verify(c.leaf, c.key), 1);
	assert_int_equal(X509_check_private_key(c.leaf, c.key), 1);
	assert_int_equal(X509_check_issued(c.leaf, c.leaf), X509_V_OK);
	assert_int_equal(X509_get_version(c.leaf), X509_VERSION_3);
	assert_int_equal(X509_check_ca(c.leaf), 0);
	assert_int_equal(X509_check_host(c.leaf, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(c.leaf, "example.org", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ip_asc(c.leaf, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(c.leaf, "::1", 0), 1);
	assert_true(cert_name_is_listed(c.sans, "localhost"));
	assert_true(X509_cmp_current_time(X509_get0_notBefore(c.leaf)) < 0);
	assert_true(X509_cmp_current_time(X509_get0_notAfter(c.leaf)) > 0);
	cert_release(&c);
	assert_false(self_signed_is(&c));
}

static void a_reload_gets_the_same(void **state)
{
	struct cert first, second;

	(void)state;
	assert_int_equal(self_signed_cert(&first), 0);
	assert_int_equal(self_signed_cert(&second), 0);
	assert_int_equal(X509_cmp(first.leaf, second.leaf), 0);
	assert_int_equal(EVP_PKEY_eq(first.key, second.key), 1);
	cert_release(&first);
	assert_int_equal(X509_verify(second.leaf, second.key), 1);
	cert_release(&second);
}

static void another_before_it_expires(void **state)
{
	struct cert first, second;

	(void)state;
	assert_int_equal(self_signed_cert(&first), 0);
	skew = VALID_S - 6L * DAY_S;
	assert_int_equal(self_signed_cert(&second), 0);
	skew = 0;
	assert_int_not_equal(X509_cmp(first.leaf, second.leaf), 0);
	assert_int_equal(EVP_PKEY_eq(first.key, second.key), 0);
	assert_int_equal(X509_verify(first.leaf, first.key), 1);
	cert_release(&first);
	cert_release(&second);
}

static int tear_down(void **state)
{
	(void)state;
	X509_free(made);
	EVP_PKEY_free(made_key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_verifies_as_itself),
		cmocka_unit_test(a_reload_gets_the_same),
		cmocka_unit_test(another_before_it_expires),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
