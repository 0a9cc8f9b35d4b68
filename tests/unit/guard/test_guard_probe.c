/* SPDX-License-Identifier: BSD-2-Clause */
/* guard_probe.c: why the guard cannot be loaded, and that it can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf/kbpf_host.h"
#include "guard/guard_probe.h"
#include "tests/lib/child.h"

static bool has_caps(void)
{
	char caps[80];

	kbpf_missing_caps(caps, sizeof(caps));
	return !caps[0];
}

static int try(int (*probe)(char *why))
{
	char why[KBPF_WHY_SIZE] = "", caps[80], want[96];
	int err = probe(why);

	kbpf_missing_caps(caps, sizeof(caps));
	snprintf(want, sizeof(want), "no %s", caps);
	if (caps[0] && strcmp(why, want) != 0)
		fprintf(stderr, "\"%s\" instead of \"%s\"\n", why, want);
	return caps[0] && err == -EPERM && !strcmp(why, want) ? 0 : 1;
}

static int try_both(void)
{
	return try(guard_probe_load) + 2 * try(guard_probe_dispatcher);
}

/* The message is their names and no more. */
static void without_capabilities(void **state)
{
	(void)state;
	assert_int_equal(as_nobody(try_both), 0);
}

static void need_caps(void)
{
	if (has_caps())
		return;
	print_message("no capabilities for bpf(2): run as root\n");
	skip();
}

static void it_loads(void **state)
{
	char why[KBPF_WHY_SIZE] = "";

	(void)state;
	need_caps();
	if (guard_probe_load(why))
		fail_msg("%s", why);
	assert_string_equal(why, "");
}

/* Older kernels cannot. Then the message says why. */
static void it_loads_for_the_dispatcher(void **state)
{
	char why[KBPF_WHY_SIZE] = "";
	int err;

	(void)state;
	need_caps();
	err = guard_probe_dispatcher(why);
	if (!err)
		assert_string_equal(why, "");
	else
		assert_int_equal(strncmp(why, "programs of type EXT are refused: ", 34), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_capabilities),
		cmocka_unit_test(it_loads),
		cmocka_unit_test(it_loads_for_the_dispatcher),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
