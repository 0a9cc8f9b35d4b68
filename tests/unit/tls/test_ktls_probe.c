/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/ktls_probe.c: what it finds under a kernel that can do all, or all but something, and
 * under the kernel that is here.
 */
#include "tests/unit/tls/fake_ktls.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "tls/ktls_probe.h"

static struct ktls_caps caps;
static int before;

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int up(void **state)
{
	fake_start();
	memset(&caps, 0xff, sizeof(caps));
	before = open_files();
	return 0;
}

static int down(void **state)
{
	fake.on = false;
	return open_files() != before;
}

/* All of them can be used but these, of which the first refusal is told. */
static void expect(uint32_t refused, int err)
{
	assert_int_equal(caps.ulp_err, 0);
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			const bool bad = refused >> (8 * v + s) & 1;

			assert_int_equal(ktls_can(&caps, v, s), !bad);
			assert_int_equal(caps.tx[v][s], !bad);
			assert_int_equal(caps.rx[v][s], !bad);
			assert_int_equal(caps.err[v][s], bad ? err : 0);
		}
}

#define ALL 0x0707

static void all_that_there_is(void **state)
{
	assert_int_equal(ktls_probe(&caps), 0);
	expect(0, 0);
	assert_true(caps.rekey);
}

static void each_suite_may_be_missing(void **state)
{
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			fake_start();
			fake.suites = 1U << (8 * v + s);
			assert_int_equal(ktls_probe(&caps), 0);
			expect(fake.suites, ENOENT);
			assert_true(caps.rekey); /* with another one */
		}
}

static void without_tls_nothing_else_is_tried(void **state)
{
	fake.err[FAKE_ULP] = ENOENT;
	assert_int_equal(ktls_probe(&caps), 0);
	assert_string_equal(fake.log, "u");
	assert_int_equal(caps.ulp_err, ENOENT);
	assert_false(caps.rekey);
	for (int v = 0; v < VERSION_COUNT; v++)
		for (int s = 0; s < SUITE_COUNT; s++) {
			assert_false(caps.tx[v][s] || caps.rx[v][s]);
			assert_int_equal(caps.err[v][s], ENOENT);
		}
}

/* One direction alone is of no use. */
static void either_direction_may_be_refused(void **state)
{
	for (int step = FAKE_TX; step <= FAKE_RX; step++)
		for (int end = 0; end < 2; end++) { /* which of the two ends is refused */
			fake_start();
			fake.err[step] = EINVAL;
			fake.after[step] = end;
			assert_int_equal(ktls_probe(&caps), 0);
			expect(ALL, EINVAL);
			assert_false(caps.rekey);
		}
}

/* An option that is taken and does nothing: only bytes that arrive prove it. */
static void bytes_must_arrive(void **state)
{
	fake.send_err = EIO;
	assert_int_equal(ktls_probe(&caps), 0);
	expect(1, EIO); /* the first that was tried */

	fake_start();
	fake.recv_err = EBADMSG;
	assert_int_equal(ktls_probe(&caps), 0);
	expect(1, EBADMSG);

	fake_start(); /* on the way back */
	fake.recv_err = EBADMSG;
	fake.recv_after = 1;
	assert_int_equal(ktls_probe(&caps), 0);
	expect(1, EBADMSG);
}

static void keys_that_can_be_set_once(void **state)
{
	fake.rekey = false; /* before Linux 6.14 */
	assert_int_equal(ktls_probe(&caps), 0);
	expect(0, 0);
	assert_false(caps.rekey);

	fake_start();
	fake.suites = 0x0700; /* no TLS 1.3 at all */
	assert_int_equal(ktls_probe(&caps), 0);
	expect(0x0700, ENOENT);
	assert_false(caps.rekey);
}

static void without_a_loopback_pair(void **state)
{
	static const struct ktls_caps zero;
	struct rlimit old, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(ktls_probe(&caps), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_memory_equal(&caps, &zero, sizeof(zero));
	assert_string_equal(fake.log, "");
}

/* --- the kernel that is here ------------------------------------------------------------------ */

static void this_kernel(void **state)
{
	struct utsname u;

	fake.on = false;
	assert_int_equal(ktls_probe(&caps), 0);
	uname(&u);
	print_message("%s: TCP_ULP: %s, rekey %d\n", u.release, strerror(caps.ulp_err), caps.rekey);
	if (caps.ulp_err) {
		assert_false(caps.rekey);
		for (int v = 0; v < VERSION_COUNT; v++)
			for (int s = 0; s < SUITE_COUNT; s++) {
				assert_false(ktls_can(&caps, v, s));
				assert_int_equal(caps.err[v][s], caps.ulp_err);
			}
		return;
	}
	expect(0, 0);
	/* Of Debian's kernels those from 7 on can; a wrong "yes" would lose connections. */
	assert_int_equal(caps.rekey, u.release[0] >= '7');
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		TEST(all_that_there_is),
		TEST(each_suite_may_be_missing),
		TEST(without_tls_nothing_else_is_tried),
		TEST(either_direction_may_be_refused),
		TEST(bytes_must_arrive),
		TEST(keys_that_can_be_set_once),
		TEST(without_a_loopback_pair),
		TEST(this_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
