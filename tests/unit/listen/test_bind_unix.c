/* SPDX-License-Identifier: BSD-2-Clause */
/* bind_unix.c: which files are replaced, which are left alone, and what is there afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listen/bind.h"
#include "listen/bind_unix.h"
#include "tests/lib/heard.h"
#include "tests/lib/net.h"

static char dir[] = "/tmp/kedge-bind-unix-XXXXXX";
static char path[64], other[64];
static struct conf_listener conf;
static int fds[3], before; /* the lowest free descriptor */

static int lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void listen_at(const char *name)
{
	char text[ADDR_TEXT_MAX];
	const char *why;

	snprintf(text, sizeof(text), "unix:%s", name);
	conf = (struct conf_listener){.socket_mode = 0660};
	assert_int_equal(addr_parse(&conf.addr, text, &why), 0);
	addr_format(conf.name, &conf.addr);
}

static int up(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a", dir);
	snprintf(other, sizeof(other), "%s/b", dir);
	listen_at(path);
	heard_begin();
	before = lowest_free();
	return 0;
}

/* Nothing is left: no descriptor, no file. */
static int down(void **state)
{
	(void)state;
	heard_end();
	bind_unix_keep(NULL);
	return lowest_free() == before && rmdir(dir) == 0 ? 0 : -1;
}

static void close_all(void)
{
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static bool there(const char *name)
{
	return access(name, F_OK) == 0;
}

static int connected(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, &conf.addr.sa, addr_len(&conf.addr)), 0);
	return fd;
}

/* A socket of another process, which may have ended. */
static int foreign(int type, bool listens)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &conf.addr.sa, addr_len(&conf.addr)), 0);
	if (listens)
		assert_int_equal(listen(fd, 0), 0);
	return fd;
}

static void all_workers_have_one_queue(void **state)
{
	char name[ADDR_TEXT_MAX];
	int client, served;

	(void)state;
	assert_int_equal(bind_shared(fds, 3, &conf, name), 0);
	assert_string_equal(name, conf.name);
	for (int i = 0; i < 3; i++) {
		client = connected();
		served = accept4(fds[i], NULL, NULL, SOCK_CLOEXEC);
		assert_true(served >= 0);
		close(served);
		close(client);
		assert_true(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
	}
	close_all();
	bind_unix_keep(NULL);
	assert_false(there(path));
}

static void the_file_has_its_mode_whatever_the_umask(void **state)
{
	static const unsigned modes[] = {0660, 0600, 0666, 0777};
	static const mode_t masks[] = {0, 022, 077};
	struct stat st;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < 3; k++) {
			mode_t was = umask(masks[k]);

			conf.socket_mode = modes[i];
			assert_int_equal(bind_unix(fds, 3, &conf, 4), 0);
			assert_int_equal(umask(was), masks[k]);
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_mode, S_IFSOCK | modes[i]);
			close_all();
			bind_unix_keep(NULL);
		}
}

static void the_file_of_one_that_has_ended_is_replaced(void **state)
{
	(void)state;
	close(foreign(SOCK_STREAM, true));
	assert_true(there(path));
	assert_int_equal(bind_unix(fds, 3, &conf, 4), 0);
	close(connected());
	close_all();
}

/* Also one that is too busy to take us, and one that is no stream socket. */
static void the_file_of_one_that_listens_is_left(void **state)
{
	int fd = foreign(SOCK_STREAM, true), first = connected();

	(void)state;
	assert_int_equal(bind_unix(fds, 3, &conf, 4), -EADDRINUSE);
	assert_heard("another process listens there");
	close(first);
	close(accept(fd, NULL, NULL));
	assert_int_equal(bind_unix(fds, 3, &conf, 4), -EADDRINUSE);
	close(accept(fd, NULL, NULL));
	close(connected());
	close(fd);
	assert_int_equal(unlink(path), 0);
	fd = foreign(SOCK_DGRAM, false);
	assert_int_equal(bind_unix(fds, 3, &conf, 4), -EADDRINUSE);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

static void no_other_kind_of_file_is_touched(void **state)
{
	struct stat st;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(bind_unix(fds, 3, &conf, 4), -ENOTSOCK);
	assert_heard("there is a file that is no socket");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(unlink(path), 0);
	/* A link is not followed, be it to a socket of the past. */
	listen_at(other);
	close(foreign(SOCK_STREAM, true));
	listen_at(path);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(bind_unix(fds, 3, &conf, 4), -ENOTSOCK);
	assert_true(there(other));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(other), 0);
}

static void without_its_directory_there_is_a_hint(void **state)
{
	(void)state;
	listen_at("/nonexistent/kedge.sock");
	assert_int_equal(bind_unix(fds, 3, &conf, 4), -ENOENT);
	assert_heard("its directory must exist");
}

static void an_abstract_name_has_no_file_and_is_not_taken_twice(void **state)
{
	int more[3];

	(void)state;
	listen_at("@kedge test_bind_unix");
	assert_int_equal(bind_unix(fds, 3, &conf, 4), 0);
	close(connected());
	assert_int_equal(bind_unix(more, 3, &conf, 4), -EADDRINUSE);
	close_all();
}

static void files_of_other_listeners_are_kept(void **state)
{
	struct conf_listener listeners[2];
	struct conf all = {.listeners = listeners, .listeners_count = 2};

	(void)state;
	assert_int_equal(bind_unix(fds, 3, &conf, 4), 0);
	listeners[0] = conf;
	close_all();
	listen_at(other);
	assert_int_equal(bind_unix(fds, 3, &conf, 4), 0);
	listeners[1] = conf;
	close_all();
	bind_unix_keep(&all);
	assert_true(there(path) && there(other));
	all.listeners_count = 1;
	bind_unix_keep(&all);
	assert_true(there(path) && !there(other));
	bind_unix_keep(NULL);
	assert_false(there(path));
}

/* The next kedge may have its own there by now. */
static void a_file_of_somebody_else_in_its_place_is_left(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(bind_unix(fds, 3, &conf, 4), 0);
	close_all();
	/* Beside it, and then in its place: an inode that is free could be used again. */
	listen_at(other);
	fd = foreign(SOCK_STREAM, true);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(bind_unix_give(getuid(), getgid()), 0);
	bind_unix_keep(NULL);
	assert_true(there(path));
	close(fd);
	assert_int_equal(unlink(path), 0);
}

static void a_lack_of_descriptors_leaves_no_file(void **state)
{
	struct rlimit old, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)before + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(bind_unix(fds, 3, &conf, 4), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_false(there(path));
	assert_int_equal(lowest_free(), before);
}

static void files_are_given_to_a_user(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(bind_unix(fds, 3, &conf, 4), 0);
	assert_int_equal(bind_unix_give(65534, 12), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_gid, 12);
	assert_int_equal(st.st_mode & 0777, 0660);
	close_all();
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_workers_have_one_queue),
		TEST(the_file_has_its_mode_whatever_the_umask),
		TEST(the_file_of_one_that_has_ended_is_replaced),
		TEST(the_file_of_one_that_listens_is_left),
		TEST(no_other_kind_of_file_is_touched),
		TEST(without_its_directory_there_is_a_hint),
		TEST(an_abstract_name_has_no_file_and_is_not_taken_twice),
		TEST(files_of_other_listeners_are_kept),
		TEST(a_file_of_somebody_else_in_its_place_is_left),
		TEST(a_lack_of_descriptors_leaves_no_file),
		TEST(files_are_given_to_a_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
