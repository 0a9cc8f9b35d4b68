/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: an allowlist of system calls for a running kedge. Threads inherit it. */
#pragma once

enum seccomp_mode { SECCOMP_OFF, SECCOMP_LOG, SECCOMP_ERRNO, SECCOMP_ENFORCE };

/*
 * Installs the filter. 0, or -errno after a logged line. With SECCOMP_ENFORCE a system call outside
 * the allowlist ends the process, after a line that names the call.
 */
int seccomp_confine(enum seccomp_mode mode);
