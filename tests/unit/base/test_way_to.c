/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * way_to.c: finds the directory that blocks the way to a file, through links. The test decides
 * which directories may be entered, so it works as root; the links are real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/heard.h"

static char root[] = "/tmp/kedge-way-XXXXXX";
static const char *locked; /* below root; NULL: none */
static int locked_errno;
static unsigned looks;

static int test_access(const char *path, int mode)
{
	assert_int_equal(mode, X_OK);
	assert_true(path[0] != 0);
	looks++;
	if (locked && !strncmp(path, root, strlen(root)) && !strcmp(path + strlen(root), locked)) {
		errno = locked_errno;
		return -1;
	}
	return 0;
}

#define access test_access
#include "base/way_to.c"
#undef access

static char dir[PATH_MAX];

/* A path below the test's directory. Two at a time. */
static const char *at(const char *path)
{
	static char full[2][PATH_MAX];
	static int turn;

	turn = !turn;
	snprintf(full[turn], PATH_MAX, "%s%s", root, path);
	return full[turn];
}

static int make(void **state)
{
	(void)state;
	if (!mkdtemp(root) || mkdir(at("/a"), 0700) || mkdir(at("/a/b"), 0700) ||
	    mkdir(at("/c"), 0700))
		return -1;
	return symlink("../a/b/key", at("/c/near")) || symlink(at("/a/b/key"), at("/c/far")) ||
	       symlink("far", at("/c/twice")) || symlink("circle", at("/c/circle")) ||
	       symlink("key", at("/a/b/bare"));
}

static int clear(void **state)
{
	static const char *const links[] = {"/c/near", "/c/far", "/c/twice", "/c/circle",
					    "/a/b/bare"};

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		unlink(at(links[i]));
	return rmdir(at("/a/b")) || rmdir(at("/a")) || rmdir(at("/c")) || rmdir(root);
}

static int setup(void **state)
{
	(void)state;
	locked = NULL;
	locked_errno = EACCES;
	looks = 0;
	return 0;
}

static void check(const char *path, const char *blocked)
{
	memset(dir, 'x', sizeof(dir));
	if (!blocked) {
		assert_false(way_blocked(dir, at(path)));
		return;
	}
	assert_true(way_blocked(dir, at(path)));
	assert_string_equal(dir, at(blocked));
}

static void the_first_directory_that_is_locked_is_named(void **state)
{
	(void)state;
	check("/a/b/key", NULL);
	locked = "/a";
	check("/a/b/key", "/a");
	check("/c/key", NULL);
	locked = "/a/b";
	check("/a/b/key", "/a/b");
	check("/a/b", NULL); /* the thing itself is no directory on the way to it */
	check("/a/b/", "/a/b");
}

static void the_root_is_on_the_way_too(void **state)
{
	(void)state;
	assert_false(way_blocked(dir, "/x"));
	assert_int_equal(looks, 1);
	assert_false(way_blocked(dir, "x")); /* no directory is named */
	assert_int_equal(looks, 1);
}

static void links_are_followed(void **state)
{
	static const char *const links[] = {"/c/near", "/c/far", "/c/twice"};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		check(links[i], NULL);
	locked = "/a/b";
	check("/c/far", "/a/b");
	check("/c/twice", "/a/b");
	locked = "/c/../a/b"; /* as the link has it */
	check("/c/near", "/c/../a/b");
	locked = "/c";
	check("/c/near", "/c"); /* before any link is read */
	check("/a/b/bare", NULL);
}

static void a_link_without_a_directory_is_followed(void **state)
{
	char before[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(at("/c")), 0);
	locked = "/a/b";
	assert_true(way_blocked(dir, "far"));
	assert_string_equal(dir, at("/a/b"));
	assert_true(way_blocked(dir, "twice"));
	assert_int_equal(chdir(before), 0);
}

static void circles_and_long_paths_end(void **state)
{
	char path[2 * PATH_MAX];

	(void)state;
	check("/c/circle", NULL);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	for (size_t len = PATH_MAX - 2; len < PATH_MAX + 2; len++) {
		path[len] = '\0';
		assert_false(way_blocked(dir, path));
		path[len] = 'x';
	}
	/* A directory as long as it gets: it and its end fit dir[]. */
	memset(path, '/', sizeof(path));
	path[PATH_MAX - 1] = '\0';
	assert_false(way_blocked(dir, path));
}

/* What is not there is not in the way. */
static void other_errors_are_no_lock(void **state)
{
	static const int errors[] = {ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EIO};

	(void)state;
	locked = "/a";
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		locked_errno = errors[i];
		check("/a/b/key", NULL);
	}
}

static void the_message_names_the_directory(void **state)
{
	char expected[2 * PATH_MAX];

	(void)state;
	heard_begin();
	locked = "/a";
	assert_int_equal(way_cannot_open("key", at("/a/key"), EACCES), -EACCES);
	snprintf(expected, sizeof(expected),
		 "error: key %s/a/key: cannot open: directory %s/a may not be entered: it is ",
		 root, root);
	assert_memory_equal(heard, expected, strlen(expected));
	heard_begin();
	assert_int_equal(way_cannot_open("key", at("/c/key"), EACCES), -EACCES);
	snprintf(expected, sizeof(expected),
		 "error: key %s/c/key: cannot open: Permission denied: kedge runs as ", root);
	assert_memory_equal(heard, expected, strlen(expected));
	/* Other errors are not explained by a directory. */
	looks = 0;
	heard_begin();
	assert_int_equal(way_cannot_open("key", at("/a/key"), ENOENT), -ENOENT);
	assert_int_equal(looks, 0);
	snprintf(expected, sizeof(expected),
		 "error: key %s/a/key: cannot open: No such file or directory\n", root);
	assert_string_equal(heard, expected);
	heard_end();
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, setup)
	const struct CMUnitTest tests[] = {
		TEST(the_first_directory_that_is_locked_is_named),
		TEST(the_root_is_on_the_way_too),
		TEST(links_are_followed),
		TEST(a_link_without_a_directory_is_followed),
		TEST(circles_and_long_paths_end),
		TEST(other_errors_are_no_lock),
		TEST(the_message_names_the_directory),
	};

	return cmocka_run_group_tests(tests, make, clear);
}
