/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_run.c: mistakes end the start and leave nothing behind; a daemon that started answers, and
 * ends when it is told to. Each run is a process of its own, without BPF, as whatever user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/loading.h"
#include "tests/lib/net.h"

/* volatile: gcc 14 with -O1 takes two calls of has_no_place() for one, whatever is written
 * between them. */
static volatile uid_t fake_uid;

static uid_t fake_geteuid(void)
{
	return fake_uid;
}

#define geteuid fake_geteuid
#include "daemon/control_ask.h"
#include "daemon/cmd_run.c"
#undef geteuid

#define NO_BPF "--edit off --bypass off --peername off --record off --seccomp off "
#define FINE_RUN                                                                         \
	NO_BPF "--tls off --listen 127.0.0.1:0 --app 127.0.0.1:9 --workers 2 --control " \
	       "%s/control "

struct process {
	pid_t pid;
	int err, out; /* files with what it wrote */
};

static char dir[] = "/tmp/kedge-run-XXXXXX", notify_path[64], control_path[64];
static int manager = -1; /* where the daemon says that it is ready */

static int begin(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (loading_begin(state) || !mkdtemp(dir))
		return -1;
	snprintf(notify_path, sizeof(notify_path), "%s/notify", dir);
	snprintf(control_path, sizeof(control_path), "%s/control", dir);
	strcpy(un.sun_path, notify_path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setenv("NOTIFY_SOCKET", notify_path, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("LISTEN_FDS");
	return bind(manager, (struct sockaddr *)&un, sizeof(un));
}

static int end(void **state)
{
	close(manager);
	unlink(notify_path);
	return rmdir(dir) || loading_end(state); /* a run has left nothing there */
}

/* Starts kedge run; "%s" in args is the directory. */
static void start_run(struct process *p, const char *args, ...)
{
	char *text, *words[64];
	int count = 0;
	va_list ap;

	va_start(ap, args);
	assert_true(vasprintf(&text, args, ap) > 0);
	va_end(ap);
	words[count++] = (char *)"run";
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) {
		assert_true(count < 63);
		words[count++] = w;
	}
	words[count] = NULL;
	p->err = memfd_create("err", MFD_CLOEXEC);
	p->out = memfd_create("out", MFD_CLOEXEC);
	fflush(stdout);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (!p->pid) {
		int status;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(p->err, STDERR_FILENO);
		dup2(p->out, STDOUT_FILENO);
		fake_uid = getuid();
		status = cmd_run(count, words);
		fflush(stdout);
		_exit(status);
	}
	free(text);
}

static char *text_of_file(int fd)
{
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)len + 1);

	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	close(fd);
	return text;
}

/* Waits for its end: status, and what it said, to be freed. */
static int end_run(struct process *p, char **said)
{
	int status;

	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	*said = text_of_file(p->err);
	if (!WIFEXITED(status))
		fail_msg("ended by signal %d: %s", WTERMSIG(status), *said);
	return WEXITSTATUS(status);
}

/* A run that ends by itself: its status, and a line that it must have said. */
static void fails_with(int expected, const char *line, const char *args)
{
	struct process p;
	char *said;
	int status;

	start_run(&p, args, dir);
	status = end_run(&p, &said);
	close(p.out);
	if (status != expected || !strstr(said, line))
		fail_msg("status %d: %s", status, said);
	assert_null(strstr(said, "ready: "));
	free(said);
}

/* What the manager is told next; ends the test when the daemon ended instead. */
static void told(struct process *p, const char *what)
{
	char got[512] = "";

	for (int i = 0; i < NET_PATIENCE_MS / 50; i++) {
		if (net_wait(manager, POLLIN, 50)) {
			assert_true(recv(manager, got, sizeof(got) - 1, 0) > 0);
			if (strncmp(got, what, strlen(what)) != 0)
				fail_msg("%s instead of %s", got, what);
			return;
		}
		if (waitpid(p->pid, NULL, WNOHANG) == p->pid)
			fail_msg("it ended: %s", text_of_file(p->err));
	}
	fail_msg("not told %s", what);
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void help_is_no_start(void **state)
{
	struct process p;
	char *said, *out;

	(void)state;
	start_run(&p, "--help");
	assert_int_equal(end_run(&p, &said), EXIT_DONE);
	out = text_of_file(p.out);
	assert_non_null(strstr(out, "--listen"));
	assert_string_equal(said, "");
	free(said);
	free(out);
}

static void mistakes_in_options_are_usage(void **state)
{
	(void)state;
	fails_with(EXIT_USAGE, "--frob: unknown option", "--frob");
	fails_with(EXIT_USAGE, "kedge: error: ", "--listen :1 --tls off");
	fails_with(EXIT_USAGE, "not an option", "file.yaml");
}

static void what_cannot_be_opened_ends_the_start(void **state)
{
	char args[512], *said;
	struct process p;
	uint16_t port;
	int taken = net_listen(&port);

	(void)state;
	fails_with(EXIT_FAILED, "certificate /nowhere/c.pem: cannot open",
		   NO_BPF "--cert /nowhere/c.pem --key /nowhere/k.pem --listen 127.0.0.1:0 --app "
			  "127.0.0.1:9 --control %s/control");
	snprintf(args, sizeof(args),
		 NO_BPF "--tls off --listen 127.0.0.1:%u --app 127.0.0.1:9 --control %%s/control",
		 port);
	fails_with(EXIT_FAILED, "Address already in use", args);
	assert_int_equal(access(control_path, F_OK), -1); /* it was made before that */
	snprintf(args, sizeof(args), FINE_RUN "--metrics 127.0.0.1:%u", dir, port);
	start_run(&p, "%s", args);
	assert_int_equal(end_run(&p, &said), EXIT_FAILED);
	assert_non_null(strstr(said, "cannot listen (another process has this port"));
	free(said);
	close(p.out);
	assert_int_equal(access(control_path, F_OK), -1);
	fails_with(EXIT_FAILED, "access", FINE_RUN "--access-log /nowhere/access.log");
	assert_int_equal(access(control_path, F_OK), -1);
	close(taken);
}

static void another_kedges_socket_stays(void **state)
{
	int other = control_listen(control_path);
	struct stat before, after;

	(void)state;
	assert_true(other >= 0);
	assert_int_equal(stat(control_path, &before), 0);
	fails_with(EXIT_FAILED,
		   "another process listens there (set --control PATH): Address already in use",
		   FINE_RUN);
	assert_int_equal(stat(control_path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	close(other);
	unlink(control_path);
}

/* If the socket cannot be made, only root's kedge fails, and not on a read-only file system. */
static void only_a_place_that_there_cannot_be_is_no_error(void **state)
{
	static const struct {
		int err;
		bool for_root, for_others;
	} cases[] = {
		{-EROFS, true, true},          {-EACCES, false, true},    {-ENOENT, false, true},
		{-EADDRINUSE, false, false},   {-ENOTSOCK, false, false}, {-EMFILE, false, false},
		{-ENAMETOOLONG, false, false}, {3, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_uid = 0;
		assert_int_equal(has_no_place(cases[i].err), cases[i].for_root);
		fake_uid = 1000;
		assert_int_equal(has_no_place(cases[i].err), cases[i].for_others);
	}
}

/* --- a daemon --------------------------------------------------------------------------------- */

static json_t *ask(const char *command)
{
	json_t *reply = control_ask(control_path, command);

	assert_non_null(reply);
	return reply;
}

static long long number(const json_t *root, const char *key)
{
	return (long long)json_integer_value(json_object_get(root, key));
}

static uint16_t listening_port(const json_t *status)
{
	const json_t *l = json_array_get(json_object_get(status, "listeners"), 0);
	const char *name = json_string_value(json_object_get(l, "listener"));

	assert_non_null(name);
	return (uint16_t)strtoul(strrchr(name, ':') + 1, NULL, 10);
}

static void a_daemon_answers_and_ends(void **state)
{
	char args[512], *said;
	struct process p;
	json_t *reply;

	(void)state;
	snprintf(args, sizeof(args), FINE_RUN "--metrics 127.0.0.1:0 --access-log %s/access.log",
		 dir, dir);
	start_run(&p, "%s", args);
	told(&p, "READY=1\nSTATUS=1 listener, 2 workers, application 127.0.0.1:9");
	reply = ask("status");
	assert_int_equal(number(reply, "workers"), 2);
	assert_int_equal(number(reply, "generation"), 1);
	assert_string_equal(json_string_value(json_object_get(reply, "edit")), "user");
	close(net_connect(listening_port(reply)));
	json_decref(reply);
	reply = ask("reload");
	assert_true(json_is_true(json_object_get(reply, "ok")));
	assert_int_equal(number(reply, "generation"), 2);
	json_decref(reply);
	told(&p, "RELOADING=1\n");
	told(&p, "READY=1\nSTATUS=reloaded");
	kill(p.pid, SIGTERM);
	told(&p, "STOPPING=1\n");
	assert_int_equal(end_run(&p, &said), EXIT_DONE);
	close(p.out);
	assert_non_null(strstr(said, "kedge: info: ready: 1 listener, 2 workers, application "
				     "127.0.0.1:9, pid "));
	assert_non_null(strstr(said, "kedge: info: stopped\n"));
	free(said);
	assert_int_equal(access(control_path, F_OK), -1); /* it takes its socket away */
	snprintf(args, sizeof(args), "%s/access.log", dir);
	assert_int_equal(unlink(args), 0);
}

static void a_daemon_without_a_socket_obeys_signals(void **state)
{
	struct process p;
	char *said;

	(void)state;
	start_run(&p, NO_BPF "--tls off --listen 127.0.0.1:0 --app 127.0.0.1:9 --workers 1 "
			     "--control off");
	told(&p, "READY=1\n");
	kill(p.pid, SIGHUP);
	told(&p, "RELOADING=1\n");
	told(&p, "READY=1\nSTATUS=reloaded");
	kill(p.pid, SIGQUIT);
	told(&p, "STOPPING=1\n");
	assert_int_equal(end_run(&p, &said), EXIT_DONE);
	close(p.out);
	assert_non_null(strstr(said, "reload: configuration 2 is in force\n"));
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_is_no_start),
		cmocka_unit_test(mistakes_in_options_are_usage),
		cmocka_unit_test(what_cannot_be_opened_ends_the_start),
		cmocka_unit_test(another_kedges_socket_stays),
		cmocka_unit_test(only_a_place_that_there_cannot_be_is_no_error),
		cmocka_unit_test(a_daemon_answers_and_ends),
		cmocka_unit_test(a_daemon_without_a_socket_obeys_signals),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
