/* SPDX-License-Identifier: BSD-2-Clause */
/* speed_text.c: what is said of figures that were made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/speed_text.h"

static struct speed_report report;

static void set(struct speed_spread *s, double low, double median, double high)
{
	*s = (struct speed_spread){low, median, high};
}

static void compared(struct speed_figures *f, enum speed_verdict verdict)
{
	set(&f->ns[SPEED_USER], 99000, 99990, 1234567);
	set(&f->ns[SPEED_KERNEL], 100400, 100600, 200000);
	set(&f->ratio, 0.5, 1.25, 1.3333);
	f->verdict = verdict;
}

static void only_user(struct speed_figures *f)
{
	memset(f, 0, sizeof(*f));
	set(&f->ns[SPEED_USER], 900, 1000, 1100);
}

static int setup(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	for (int s = 0; s < SUITE_COUNT; s++) {
		report.suites[s].rounds = 20 + (unsigned)s;
		compared(&report.suites[s].works[SPEED_REQUEST], SPEED_USER_LESS);
		compared(&report.suites[s].works[SPEED_DOWN], SPEED_KERNEL_LESS);
		compared(&report.suites[s].works[SPEED_UP], SPEED_USER_LESS);
	}
	report.probe.record = true;
	return 0;
}

static void miss(enum tls_suite suite, const struct probe_row *row)
{
	report.suites[suite].missing = row;
	for (int work = 0; work < SPEED_WORKS; work++)
		only_user(&report.suites[suite].works[work]);
}

static char *printed(void)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	speed_text_print(to, &report, "9.9.9");
	fclose(to);
	return text;
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("not in it: %s\n%s", part, text);
}

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

static void both_layers_are_compared(void **state)
{
	_cleanup_(freep)
	char *text = NULL;

	(void)state;
	report.suites[2].works[SPEED_UP].verdict = SPEED_NO_DIFFERENCE;
	report.suites[1].works[SPEED_REQUEST].verdict = SPEED_KERNEL_LESS;
	report.suites[1].works[SPEED_UP].verdict = SPEED_KERNEL_LESS;
	text = printed();
	assert_int_equal(strncmp(text, "kernel 9.9.9\nCPU time in microseconds", 36), 0);
	expect(text, "tls1.3 aes-128-gcm        records in user space       kernel records      "
		     "        kernel / user space\n"
		     "  a request of 1 KB       100.0 (99.0 to 1234.6)      101 (100 to 200)    "
		     "        1.25 (0.50 to 1.33)\n");
	expect(text, "\n  20 rounds: kernel records cost less for 1 MB to the client; records in "
		     "user space cost less for a request of 1 KB, 1 MB from the client\n");
	expect(text, "\n  21 rounds: kernel records cost less for a request of 1 KB, 1 MB to the "
		     "client, 1 MB from the client\n");
	expect(text, "\n  22 rounds: kernel records cost less for 1 MB to the client; records in "
		     "user space cost less for a request of 1 KB; no difference beyond the spread "
		     "for 1 MB from the client\n");
	assert_null(strstr(text, "cannot"));
	expect(text, "\nNot in it: memory, handshakes, the network, and the application's side");
	expect(text, "docs/operations.md, \"Which record layer\"\n");
}

static void one_cause_is_said_once(void **state)
{
	static const struct probe_row row = {
		.name = "TCP_ULP tls", .detail = "none", .next = "load it"};
	_cleanup_(freep)
	char *text = NULL;

	(void)state;
	for (int s = 0; s < SUITE_COUNT; s++)
		miss((enum tls_suite)s, &row);
	text = printed();
	expect(text, "\ntls1.3 aes-128-gcm        records in user space\n"
		     "  a request of 1 KB       1.0 (0.9 to 1.1)\n"
		     "  1 MB to the client      1.0 (0.9 to 1.1)\n"
		     "  1 MB from the client    1.0 (0.9 to 1.1)\n"
		     "  20 rounds: kernel records were not measured\n");
	expect(text, "\n\nThis kernel cannot carry the records: TCP_ULP tls: none\n"
		     "next step: load it\n");
	assert_int_equal(count(text, "cannot carry"), 1);
	assert_int_equal(count(text, "were not measured"), 3);
	assert_null(strstr(text, "kernel / user space"));
}

static void each_cause_has_its_suite(void **state)
{
	static const struct probe_row row = {.name = "tls1.3 aes-256-gcm", .detail = "refused"};
	_cleanup_(freep)
	char *text = NULL;

	(void)state;
	miss(SUITE_AES_256_GCM, &row);
	text = printed();
	expect(text, "This kernel cannot carry the records: tls1.3 aes-256-gcm: refused\n\n");
	assert_int_equal(count(text, "were not measured"), 1);
	assert_int_equal(count(text, "kernel / user space"), 2);
}

static double number(const json_t *work, const char *what, const char *which)
{
	const json_t *n = json_object_get(json_object_get(work, what), which);

	assert_true(json_is_number(n));
	return json_number_value(n);
}

static void json_has_the_same(void **state)
{
	static const struct probe_row row = {
		.name = "tls1.3 aes-256-gcm", .detail = "refused \xff", .next = "newer"};
	const json_t *suites, *suite, *work;
	json_t *root;

	(void)state;
	miss(SUITE_AES_256_GCM, &row);
	root = speed_text_json(&report, "9.9.9");
	assert_string_equal(json_string_value(json_object_get(root, "kernel")), "9.9.9");
	assert_true(json_is_true(json_object_get(root, "record")));
	suites = json_object_get(root, "speed");
	assert_int_equal(json_array_size(suites), SUITE_COUNT);
	suite = json_array_get(suites, 0);
	assert_string_equal(json_string_value(json_object_get(suite, "name")),
			    "tls1.3 aes-128-gcm");
	assert_int_equal(json_integer_value(json_object_get(suite, "rounds")), 20);
	assert_true(json_is_true(json_object_get(suite, "kernel")));
	assert_null(json_object_get(suite, "missing"));
	work = json_object_get(suite, "down_1m");
	assert_true(number(work, "user_ns", "low") == 99000);
	assert_true(number(work, "user_ns", "high") == 1234567);
	assert_true(number(work, "kernel_ns", "median") == 100600);
	assert_true(number(work, "ratio", "median") == 1.25);
	assert_string_equal(json_string_value(json_object_get(work, "cheaper")), "kernel");
	work = json_object_get(suite, "request_1k");
	assert_string_equal(json_string_value(json_object_get(work, "cheaper")), "user");
	suite = json_array_get(suites, SUITE_AES_256_GCM);
	assert_true(json_is_false(json_object_get(suite, "kernel")));
	work = json_object_get(suite, "up_1m");
	assert_true(number(work, "user_ns", "median") == 1000);
	assert_true(json_is_null(json_object_get(work, "kernel_ns")));
	assert_true(json_is_null(json_object_get(work, "ratio")));
	assert_true(json_is_null(json_object_get(work, "cheaper")));
	work = json_object_get(suite, "missing");
	assert_string_equal(json_string_value(json_object_get(work, "detail")), "refused ?");
	assert_string_equal(json_string_value(json_object_get(work, "next")), "newer");
	json_decref(root);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(both_layers_are_compared),
		TEST(one_cause_is_said_once),
		TEST(each_cause_has_its_suite),
		TEST(json_has_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
