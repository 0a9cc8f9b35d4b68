/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/confine/seccomp.c: what each mode does with a system call outside the allowlist. In child
 * processes, because a filter cannot be removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "confine/seccomp.h"

/* How a child under a filter ended, and what it wrote. */
struct outcome {
	int status; /* of wait(2) */
	char said[1024];
};

static struct outcome confined(enum seccomp_mode mode, int (*run)(void))
{
	struct outcome o = {0};
	size_t len = 0;
	ssize_t n;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		_exit(seccomp_confine(mode) ? 99 : run());
	}
	close(fds[1]);
	while ((n = read(fds[0], o.said + len, sizeof(o.said) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &o.status, 0), pid);
	return o;
}

/* 0 when it worked, else the errno. */
static int change_root(void)
{
	return chroot("/") < 0 ? errno : 0;
}

static int open_odd_family(void)
{
	return socket(AF_BLUETOOTH, SOCK_RAW, 0) < 0 && errno != EAFNOSUPPORT ? errno : 0;
}

/* As getaddrinfo(3) asks which families there are, and wants to hear that nobody is there. */
static int look_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0)
		return 1;
	return errno != EAFNOSUPPORT || fd < 0 ||
	       setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)) < 0;
}

static int set_ip_option(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	return setsockopt(fd, IPPROTO_IP, 1, &one, sizeof(one)) < 0 ? errno : 0;
}

static int do_ordinary_things(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return fd < 0 || p == MAP_FAILED ||
	       setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) || listen(fd, 1);
}

static int call_what_is_too_new(void)
{
	return syscall(500) < 0 ? errno : 0;
}

static void assert_ended(struct outcome o, const char *name)
{
	assert_true(WIFSIGNALED(o.status));
	assert_int_equal(WTERMSIG(o.status), SIGSYS);
	assert_non_null(strstr(o.said, "kedge: error: seccomp: system call "));
	assert_non_null(strstr(o.said, name));
	assert_ptr_equal(strchr(o.said, '\n'), o.said + strlen(o.said) - 1);
}

static void enforce_ends_and_names_the_call(void **state)
{
	assert_ended(confined(SECCOMP_ENFORCE, change_root), "chroot");
	assert_ended(confined(SECCOMP_ENFORCE, open_odd_family), "socket");
	assert_ended(confined(SECCOMP_ENFORCE, set_ip_option), "setsockopt");
}

static void errno_refuses(void **state)
{
	struct outcome o = confined(SECCOMP_ERRNO, change_root);

	assert_true(WIFEXITED(o.status));
	assert_int_equal(WEXITSTATUS(o.status), EPERM);
	assert_string_equal(o.said, "");
}

/* As root chroot(2) works; without root it fails by itself. */
static void log_and_off_let_it_pass(void **state)
{
	static const enum seccomp_mode modes[] = {SECCOMP_LOG, SECCOMP_OFF};

	for (int i = 0; i < 2; i++) {
		struct outcome o = confined(modes[i], open_odd_family);

		assert_true(WIFEXITED(o.status));
		assert_int_equal(WEXITSTATUS(o.status), 0);
	}
}

static void ordinary_things_go_on(void **state)
{
	assert_int_equal(confined(SECCOMP_ENFORCE, do_ordinary_things).status, 0);
	assert_int_equal(confined(SECCOMP_ERRNO, do_ordinary_things).status, 0);
}

static void a_name_can_be_looked_up(void **state)
{
	assert_int_equal(confined(SECCOMP_ENFORCE, look_up).status, 0);
	assert_int_equal(confined(SECCOMP_ERRNO, look_up).status, 0);
}

/* A C library that is newer than the list tries such calls first. */
static void calls_of_the_future_are_not_implemented(void **state)
{
	struct outcome o = confined(SECCOMP_ENFORCE, call_what_is_too_new);

	assert_true(WIFEXITED(o.status));
	assert_int_equal(WEXITSTATUS(o.status), ENOSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enforce_ends_and_names_the_call),
		cmocka_unit_test(errno_refuses),
		cmocka_unit_test(log_and_off_let_it_pass),
		cmocka_unit_test(ordinary_things_go_on),
		cmocka_unit_test(a_name_can_be_looked_up),
		cmocka_unit_test(calls_of_the_future_are_not_implemented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
