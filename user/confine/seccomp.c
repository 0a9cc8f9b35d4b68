/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allowlist of system calls for a running kedge. Most were found by tracing every test suite. A
 * few are not made by any suite; the comment beside them says who needs them. A call that is
 * missing here ends kedge: find out who makes it, or add it with its reason.
 */
#include "confine/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <netinet/in.h>

#include "base/log.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

#define THREAD_FLAGS (CLONE_THREAD | CLONE_VM | CLONE_SIGHAND)

/*
 * Calls newer than this list fail with ENOSYS. A C library that tries them falls back to older
 * ones.
 */
#define CALLS_KNOWN_END 450
#define CALLS_END       512

static const int calls[] = {
	/* the event loop and its threads */
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(eventfd2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list), /* a thread begins */
	SCMP_SYS(rseq),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* connections */
	SCMP_SYS(accept4),
	SCMP_SYS(bind), /* listeners of a reload */
	SCMP_SYS(listen),
	SCMP_SYS(connect),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(splice),
	SCMP_SYS(pipe2),
	SCMP_SYS(bpf), /* entries of flows; programs and maps would need CAP_BPF */
	/* files: certificates and configuration at a reload, logs, the control socket */
	SCMP_SYS(openat),
	SCMP_SYS(open),
	SCMP_SYS(close),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(getcwd),
	SCMP_SYS(fcntl),
	SCMP_SYS(dup),
	SCMP_SYS(dup3),
	SCMP_SYS(umask),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rmdir),
	SCMP_SYS(mkdir),
	SCMP_SYS(fsync),
	SCMP_SYS(flock),
	SCMP_SYS(memfd_create), /* long lines to the journal */
	SCMP_SYS(sendmmsg),     /* name service, asked for the user at a reload */
	/* memory; calls that can make memory executable are below */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	/* signals */
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(signalfd4),
	SCMP_SYS(tgkill), /* abort(3) */
	SCMP_SYS(restart_syscall),
	/* time, random numbers, facts */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getgroups), /* may others read a key? asked again at a reload */
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(prlimit64),
	SCMP_SYS(getrusage),
	SCMP_SYS(capget),
#ifdef SANITIZED
	/* the sanitizers: shadow memory, stack traces, and the search for leaks at the end */
	SCMP_SYS(clone),
	SCMP_SYS(ptrace),
	SCMP_SYS(wait4),
	SCMP_SYS(kill),
	SCMP_SYS(prctl),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(getppid),
	SCMP_SYS(getdents),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlinkat),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(getrlimit),
	SCMP_SYS(setrlimit),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(sched_getparam),
	SCMP_SYS(personality),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(pipe),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(execve), /* the symbolizer */
	SCMP_SYS(dup2),
	SCMP_SYS(close_range),
	SCMP_SYS(ioctl),
#endif
};

/*
 * Calls whose arguments decide. The second number of a comparison with one is 0: clang warns where
 * it is missing.
 */
static const struct {
	int number;
	struct scmp_arg_cmp when;
} calls_when[] = {
	/* no raw packets, no odd protocol family; netlink fails, see below */
	{SCMP_SYS(socket), SCMP_A0_32(SCMP_CMP_EQ, AF_INET, 0)},
	{SCMP_SYS(socket), SCMP_A0_32(SCMP_CMP_EQ, AF_INET6, 0)},
	{SCMP_SYS(socket), SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX, 0)},
	/* and no firewall rules through the IP level, which CAP_NET_ADMIN would allow */
	{SCMP_SYS(setsockopt), SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET, 0)},
	{SCMP_SYS(setsockopt), SCMP_A1_32(SCMP_CMP_EQ, IPPROTO_TCP, 0)},
	{SCMP_SYS(setsockopt), SCMP_A1_32(SCMP_CMP_EQ, IPPROTO_IPV6, 0)},
	{SCMP_SYS(setsockopt), SCMP_A1_32(SCMP_CMP_EQ, SOL_TLS, 0)},
#ifndef SANITIZED
	/* threads, not processes */
	{SCMP_SYS(clone), SCMP_A0_64(SCMP_CMP_MASKED_EQ, THREAD_FLAGS, THREAD_FLAGS)},
	/* no memory that can be executed */
	{SCMP_SYS(mmap), SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
	{SCMP_SYS(mprotect), SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
	/* names of threads */
	{SCMP_SYS(prctl), SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME, 0)},
	/* code that could replace the handler would survive a refusal */
	{SCMP_SYS(rt_sigaction), SCMP_A0_32(SCMP_CMP_NE, SIGSYS, 0)},
#endif
};

/* The same with two arguments. */
static const struct {
	int number;
	struct scmp_arg_cmp when[2];
} calls_when_both[] = {
	/* a name is looked up at a reload: the C library wants to hear that nobody is there */
	{SCMP_SYS(setsockopt),
	 {SCMP_A1_32(SCMP_CMP_EQ, IPPROTO_IP, 0), SCMP_A2_32(SCMP_CMP_EQ, IP_RECVERR, 0)}},
};

/* Calls that fail with an error instead of ending kedge: their callers have a fallback. */
static const struct {
	int number, err;
	unsigned args;
	struct scmp_arg_cmp when;
} calls_failing[] = {
	/* its flags are in memory, unseen by a filter; the C library falls back to clone */
	{.number = SCMP_SYS(clone3), .err = ENOSYS},
	/* which families this host has: a name is looked up for all of them then */
	{SCMP_SYS(socket), EAFNOSUPPORT, 1, SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK, 0)},
#ifndef SANITIZED
	/* the C library asks whether a file is a terminal */
	{.number = SCMP_SYS(ioctl), .err = ENOTTY},
	/* a late dlopen(3) */
	{SCMP_SYS(mmap), EACCES, 1, SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)},
	{SCMP_SYS(mprotect), EACCES, 1, SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)},
#endif
};

/* Names for the handler, which must not allocate. */
static char *call_names[CALLS_KNOWN_END];

static void names_load(void)
{
	for (int i = 0; i < CALLS_KNOWN_END; i++)
		if (!call_names[i])
			call_names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
}

/* The handler is reset when it runs. So a second refusal, or raise() below, ends the process. */
static void refused(int sig, siginfo_t *info, void *context)
{
	int n = info->si_syscall;

	log_error("seccomp: system call %s (%d) is not one that kedge makes: ending (if it should "
		  "be one, report it, and run with --seccomp log until then)",
		  n >= 0 && n < CALLS_KNOWN_END && call_names[n] ? call_names[n] : "unknown", n);
	raise(sig);
}

static int handler_install(void)
{
	struct sigaction action = {.sa_sigaction = refused};

	action.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
	names_load();
	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

static uint32_t action_of(enum seccomp_mode mode)
{
	switch (mode) {
	case SECCOMP_LOG:
		return SCMP_ACT_LOG;
	case SECCOMP_ERRNO:
		return SCMP_ACT_ERRNO(EPERM);
	default:
		return SCMP_ACT_TRAP;
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int rules_add(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; !err && i < COUNT(calls); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; !err && i < COUNT(calls_when); i++)
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls_when[i].number, 1,
					     &calls_when[i].when);
	for (size_t i = 0; !err && i < COUNT(calls_when_both); i++)
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls_when_both[i].number, 2,
					     calls_when_both[i].when);
	for (size_t i = 0; !err && i < COUNT(calls_failing); i++)
		err = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint32_t)calls_failing[i].err),
					     calls_failing[i].number, calls_failing[i].args,
					     &calls_failing[i].when);
	for (int n = CALLS_KNOWN_END; !err && n < CALLS_END; n++)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), n, 0);
	return err;
}

/* libseccomp makes ECANCELED of every error of the kernel. */
static int load(scmp_filter_ctx filter)
{
	int err;

	errno = 0;
	err = seccomp_load(filter);
	return err == -ECANCELED && errno ? -errno : err;
}

int seccomp_confine(enum seccomp_mode mode)
{
	scmp_filter_ctx filter;
	int err;

	if (mode == SECCOMP_OFF)
		return 0;
	err = mode == SECCOMP_ENFORCE ? handler_install() : 0;
	filter = err ? NULL : seccomp_init(action_of(mode));
	if (!err && !filter)
		err = -ENOMEM;
	/*
	 * A tree instead of a list: the cost of a call does not depend on its place in the
	 * allowlist.
	 */
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = rules_add(filter);
	if (!err)
		err = load(filter);
	if (filter)
		seccomp_release(filter);
	return err ? log_err(err, "seccomp: the filter cannot be installed (set --seccomp off)")
		   : 0;
}
