/* SPDX-License-Identifier: BSD-2-Clause */
/* probe_record.c: what the report says of a kernel's TLS. The kernel is a fake, sockets are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/probe_record.h"
#include "tls/ktls_probe.h"

static struct ktls_caps kernel;
static int probe_err;
static int take_over_errs[2]; /* of the near end, of the far end */
static unsigned take_overs;

static int fake_ktls_probe(struct ktls_caps *out)
{
	*out = kernel;
	return probe_err;
}

static int fake_take_over(int fd, const union ktls_crypto *tx, const union ktls_crypto *rx)
{
	assert_true(fd >= 0 && tx != rx);
	assert_true(take_overs < 2);
	return take_over_errs[take_overs++];
}

#define ktls_probe     fake_ktls_probe
#define ktls_take_over fake_take_over
#include "daemon/probe_record.c"

static struct probe_report report;

static int setup(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	memset(&kernel, 0, sizeof(kernel));
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++)
			kernel.tx[v][s] = kernel.rx[v][s] = true;
	kernel.rekey = true;
	probe_err = take_over_errs[0] = take_over_errs[1] = 0;
	take_overs = 0;
	return 0;
}

static const struct probe_row *row_of(const char *name)
{
	const struct probe_row *found = NULL;

	for (size_t i = 0; i < report.count; i++) {
		if (strcmp(report.rows[i].name, name) != 0)
			continue;
		assert_null(found); /* each once */
		found = &report.rows[i];
	}
	if (!found)
		fail_msg("no row %s", name);
	assert_string_equal(found->capability, "record");
	return found;
}

static void check(const char *name, bool ok, const char *detail, const char *next)
{
	const struct probe_row *row = row_of(name);

	assert_int_equal(row->ok, ok);
	assert_string_equal(row->detail, detail);
	if (next)
		assert_non_null(row->next ? strstr(row->next, next) : NULL);
	else
		assert_null(row->next);
}

static void a_kernel_that_can_do_all(void **state)
{
	static const char *const names[] = {"tls1.2 aes-128-gcm",       "tls1.2 aes-256-gcm",
					    "tls1.2 chacha20-poly1305", "tls1.3 aes-128-gcm",
					    "tls1.3 aes-256-gcm",       "tls1.3 chacha20-poly1305"};

	(void)state;
	probe_record(&report);
	assert_true(report.record);
	check("TCP_ULP tls", true, "accepted", NULL);
	for (size_t i = 0; i < 6; i++)
		check(names[i], true, "bytes went through both ways", NULL);
	check("rekey", true, "new keys accepted after a KeyUpdate (TLS 1.3)", NULL);
	check("splice", true, "4096 bytes from a kTLS socket through a pipe", NULL);
	assert_int_equal(report.count, 9);
	assert_memory_equal(&report.caps, &kernel, sizeof(kernel));
}

static void a_kernel_without_tls(void **state)
{
	(void)state;
	kernel.ulp_err = ENOENT;
	probe_record(&report);
	assert_false(report.record);
	assert_int_equal(report.count, 1);
	check("TCP_ULP tls", false, "no kernel TLS (CONFIG_TLS) in this kernel",
	      "a kernel with CONFIG_TLS, or its module (modprobe tls); until then kedge carries "
	      "the records");
	setup(state);
	kernel.ulp_err = EPERM;
	probe_record(&report);
	check("TCP_ULP tls", false, "Operation not permitted", "modprobe tls");
}

/* Nothing was tried: no row may say that anything was accepted, or refused. */
static void no_loopback_is_no_verdict(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	probe_err = -EMFILE;
	probe_record(&report);
	assert_false(report.record);
	assert_int_equal(report.count, 1);
	check("TCP_ULP tls", false, "no loopback pair: Too many open files", NULL);
}

static void suites_that_are_refused_say_why(void **state)
{
	(void)state;
	kernel.tx[VERSION_TLS12][SUITE_AES_128_GCM] = false;
	kernel.err[VERSION_TLS12][SUITE_AES_128_GCM] = ENOENT;
	kernel.rx[VERSION_TLS13][SUITE_AES_256_GCM] = false;
	kernel.err[VERSION_TLS13][SUITE_AES_256_GCM] = EINVAL;
	kernel.tx[VERSION_TLS13][SUITE_CHACHA20_POLY1305] = false;
	kernel.rx[VERSION_TLS13][SUITE_CHACHA20_POLY1305] = false;
	kernel.err[VERSION_TLS13][SUITE_CHACHA20_POLY1305] = 524; /* ENOTSUPP: the kernel's own */
	probe_record(&report);
	assert_true(report.record); /* others work */
	check("tls1.2 aes-128-gcm", false, "TX refused, RX ok: No such file or directory",
	      "modprobe gcm");
	check("tls1.3 aes-256-gcm", false, "TX ok, RX refused: Invalid argument", "newer kernel");
	check("tls1.3 chacha20-poly1305", false, "TX refused, RX refused: Unknown error 524",
	      "CONFIG_TLS");
	check("tls1.2 aes-256-gcm", true, "bytes went through both ways", NULL);
}

/* One suite in one version, both ways: then there is something for the kernel to carry. */
static void one_suite_is_enough(void **state)
{
	(void)state;
	memset(kernel.tx, 0, sizeof(kernel.tx));
	kernel.rekey = false;
	probe_record(&report);
	assert_false(report.record); /* one way is none */
	check("rekey", false, "keys can be set once only: a KeyUpdate ends the connection",
	      "Linux 6.14");
	setup(state);
	memset(kernel.tx, 0, sizeof(kernel.tx));
	kernel.tx[VERSION_TLS13][SUITE_CHACHA20_POLY1305] = true;
	probe_record(&report);
	assert_true(report.record);
}

static void splice_needs_keys_at_both_ends(void **state)
{
	for (int end = 0; end < 2; end++) {
		setup(state);
		take_over_errs[end] = -ENOPROTOOPT;
		probe_record(&report);
		assert_int_equal(take_overs, end + 1);
		check("splice", false, "no kTLS pair: Protocol not available", NULL);
	}
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(a_kernel_that_can_do_all),  TEST(a_kernel_without_tls),
		TEST(no_loopback_is_no_verdict), TEST(suites_that_are_refused_say_why),
		TEST(one_suite_is_enough),       TEST(splice_needs_keys_at_both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
