/* SPDX-License-Identifier: BSD-2-Clause */
/* denied.c: what is said of a closed file, by owner, group and mode; the kernel's are fakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define USER  4000001
#define GROUP 4000002
#define OTHER 4000003
#define RUNS  "and kedge runs as 4000001:4000002: "

static struct stat file;
static const char *there; /* the only path that there is */

static int test_stat(const char *path, struct stat *st)
{
	*st = file;
	errno = ENOENT;
	return strcmp(path, there) ? -1 : 0;
}

static uid_t test_geteuid(void)
{
	return USER;
}

static gid_t test_getegid(void)
{
	return GROUP;
}

static int test_getgroups(int size, gid_t *out)
{
	out[0] = 4000009;
	return 1;
}

#define stat(...) test_stat(__VA_ARGS__)
#define geteuid   test_geteuid
#define getegid   test_getegid
#define getgroups test_getgroups
#include "base/denied.c"
#undef stat

static void says(enum denied_what what, const char *path, const char *expected)
{
	char buf[DENIED_TEXT];

	assert_string_equal(denied_text(buf, path, what), expected);
}

static void owner_mode_and_user_are_named(void **state)
{
	(void)state;
	there = "/k/a";
	file.st_uid = file.st_gid = OTHER;
	file.st_mode = S_IFREG | 0440;
	says(DENIED_READ, "/k/a",
	     "it is 4000003:4000003 mode 0440, " RUNS "chgrp 4000002 /k/a && chmod 640 /k/a");
	says(DENIED_WRITE, "/k/a",
	     "it is 4000003:4000003 mode 0440, " RUNS "chgrp 4000002 /k/a && chmod 660 /k/a");
	file.st_mode = S_IFDIR | 0700;
	says(DENIED_ENTER, "/k/a",
	     "it is 4000003:4000003 mode 0700, " RUNS "chgrp 4000002 /k/a && chmod 710 /k/a");
}

static void a_file_to_be_made_needs_its_directory(void **state)
{
	(void)state;
	there = "/k";
	file.st_mode = S_IFDIR | 0755;
	says(DENIED_WRITE, "/k/a",
	     "directory /k is 4000003:4000003 mode 0755, " RUNS "chgrp 4000002 /k && chmod 770 /k");
	says(DENIED_READ, "/k/a", "kedge runs as 4000001:4000002");
	there = "/";
	says(DENIED_WRITE, "/a",
	     "directory / is 4000003:4000003 mode 0755, " RUNS "chgrp 4000002 / && chmod 770 /");
	there = ".";
	says(DENIED_WRITE, "a",
	     "directory . is 4000003:4000003 mode 0755, " RUNS "chgrp 4000002 . && chmod 770 .");
}

/* The first class that fits decides: an owner without the right has it from nowhere else. */
static void a_mode_that_allows_it_is_not_to_blame(void **state)
{
	static const struct {
		unsigned uid, gid, mode;
		bool fine;
	} rows[] = {
		{USER, OTHER, 0400, true},   {USER, OTHER, 0044, false},
		{OTHER, GROUP, 0040, true},  {OTHER, GROUP, 0404, false},
		{OTHER, 4000009, 040, true}, {OTHER, OTHER, 0004, true},
		{OTHER, OTHER, 0440, false},
	};

	(void)state;
	there = "/k/a";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[DENIED_TEXT];

		file.st_uid = rows[i].uid;
		file.st_gid = rows[i].gid;
		file.st_mode = S_IFREG | rows[i].mode;
		denied_text(buf, "/k/a", DENIED_READ);
		assert_int_equal(strstr(buf, "the mode allows it") != NULL, rows[i].fine);
		assert_int_equal(strstr(buf, "chgrp") != NULL, !rows[i].fine);
	}
}

static void in_a_pod_it_is_a_setting(void **state)
{
	char buf[DENIED_TEXT];

	(void)state;
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	assert_string_equal(denied_next(buf, "/k", 65532, 0640),
			    "in the pod's spec, fsGroup: 65532, and defaultMode: 0440 for the "
			    "volume of a Secret");
	assert_string_equal(denied_next(buf, "/k", 65532, 0770),
			    "in the pod's spec, fsGroup: 65532");
	unsetenv("KUBERNETES_SERVICE_HOST");
}

/* Nothing is written beyond the buffer, and no path of the kernel's is too long to be looked at. */
static void a_long_path_is_cut(void **state)
{
	static char path[2 * PATH_MAX];
	char buf[DENIED_TEXT];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	there = path;
	assert_non_null(strstr(denied_text(buf, path, DENIED_WRITE), "kedge runs as"));
	path[PATH_MAX - 1] = '\0';
	file = (struct stat){.st_mode = S_IFREG, .st_uid = OTHER, .st_gid = OTHER};
	assert_non_null(strstr(denied_text(buf, path, DENIED_WRITE), "chmod 660"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owner_mode_and_user_are_named),
		cmocka_unit_test(a_file_to_be_made_needs_its_directory),
		cmocka_unit_test(a_mode_that_allows_it_is_not_to_blame),
		cmocka_unit_test(in_a_pod_it_is_a_setting),
		cmocka_unit_test(a_long_path_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
