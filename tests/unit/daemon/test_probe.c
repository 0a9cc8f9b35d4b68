/* SPDX-License-Identifier: BSD-2-Clause */
/* probe.c: rows of the report, its limits, and what is said of BPF objects. The guard is a fake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int load_fails, dispatcher_fails;
static unsigned loads, dispatcher_loads;

static int fake_load(char why[256])
{
	loads++;
	if (load_fails)
		snprintf(why, 256, "no XDP");
	return load_fails;
}

static int fake_dispatcher(char why[256])
{
	dispatcher_loads++;
	if (dispatcher_fails)
		snprintf(why, 256, "no EXT");
	return dispatcher_fails;
}

#include "guard/guard_probe.h"
#define guard_probe_load       fake_load
#define guard_probe_dispatcher fake_dispatcher
#include "daemon/probe.c"

static struct probe_report report;

static int setup(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	load_fails = dispatcher_fails = 0;
	loads = dispatcher_loads = 0;
	return 0;
}

static void check_row(size_t i, const char *capability, const char *name, bool ok,
		      const char *detail, const char *next)
{
	const struct probe_row *row = &report.rows[i];

	assert_true(i < report.count);
	assert_string_equal(row->capability, capability);
	assert_string_equal(row->name, name);
	assert_int_equal(row->ok, ok);
	assert_string_equal(row->detail, detail);
	if (next)
		assert_string_equal(row->next, next);
	else
		assert_null(row->next);
}

static void rows_come_in_order(void **state)
{
	(void)state;
	probe_say(&report, "edit", "one", true, "saw %d", 1);
	probe_next_step(&report, "nothing to do"); /* it is fine: no next step */
	probe_say(&report, "bypass", "two", false, "%s", "missing");
	probe_next_step(&report, "first");
	probe_next_step(&report, "second");
	assert_int_equal(report.count, 2);
	check_row(0, "edit", "one", true, "saw 1", NULL);
	check_row(1, "bypass", "two", false, "missing", "second");
}

static void a_next_step_without_a_row_is_no_matter(void **state)
{
	static const struct probe_report empty;

	(void)state;
	probe_next_step(&report, "lost");
	assert_memory_equal(&report, &empty, sizeof(empty));
}

static void long_texts_are_cut(void **state)
{
	char text[512];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	probe_say(&report, "edit", text, true, "%s", text);
	assert_int_equal(strlen(report.rows[0].name), sizeof(report.rows[0].name) - 1);
	assert_int_equal(strlen(report.rows[0].detail), sizeof(report.rows[0].detail) - 1);
}

static void a_full_report_takes_no_more(void **state)
{
	(void)state;
	for (int i = 0; i < PROBE_ROWS_MAX + 3; i++)
		probe_say(&report, "edit", "row", true, "%d", i);
	assert_int_equal(report.count, PROBE_ROWS_MAX);
	check_row(PROBE_ROWS_MAX - 1, "edit", "row", true, "27", NULL);
	assert_false(report.record); /* what lies behind the rows is as it was */
}

static void the_guard_is_loaded_alone_and_for_the_dispatcher(void **state)
{
	(void)state;
	probe_guard(&report);
	assert_true(report.guard);
	assert_int_equal(report.count, 2);
	check_row(0, "guard", "XDP program", true,
		  "verified; whether a driver has XDP of its own shows at the start", NULL);
	check_row(1, "guard", "dispatcher", true, "other XDP programs may be beside it", NULL);
}

static void a_guard_without_dispatcher_works_alone(void **state)
{
	(void)state;
	dispatcher_fails = -EPERM;
	probe_guard(&report);
	assert_true(report.guard);
	check_row(1, "guard", "dispatcher", false, "no EXT",
		  "the guard is alone on its interfaces; other XDP programs must go first");
}

static void a_guard_that_cannot_be_loaded_has_no_dispatcher(void **state)
{
	(void)state;
	load_fails = -EPERM;
	probe_guard(&report);
	assert_false(report.guard);
	assert_int_equal(report.count, 1);
	assert_int_equal(dispatcher_loads, 0);
	check_row(0, "guard", "XDP program", false, "no XDP",
		  "run as root, or grant the capabilities of docs/guard.md");
}

static void what_cannot_be_opened_has_a_row(void **state)
{
	(void)state;
	probe_no_bpf(&report, "why 1");
	probe_no_bypass(&report, "why 2 %s");
	probe_no_peername(&report, "why 3");
	check_row(0, "edit", "sk_msg program", false, "why 1",
		  "put that right; until then user space edits, with the same bytes");
	assert_true(report.rows[0].fallback && report.rows[2].fallback);
	check_row(1, "bypass", "sockops program", false, "why 2 %s", NULL);
	check_row(2, "peername", "getpeername programs", false, "why 3",
		  "applications see kedge as their peer until then");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(rows_come_in_order),
		TEST(a_next_step_without_a_row_is_no_matter),
		TEST(long_texts_are_cut),
		TEST(a_full_report_takes_no_more),
		TEST(the_guard_is_loaded_alone_and_for_the_dispatcher),
		TEST(a_guard_without_dispatcher_works_alone),
		TEST(a_guard_that_cannot_be_loaded_has_no_dispatcher),
		TEST(what_cannot_be_opened_has_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
