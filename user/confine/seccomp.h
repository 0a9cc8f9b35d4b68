/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the system calls that a running kedge may make. Threads started later inherit it. */
#pragma once

enum seccomp_mode { SECCOMP_OFF, SECCOMP_LOG, SECCOMP_ERRNO, SECCOMP_ENFORCE };

/*
 * Installs the filter. 0, or -errno after a logged line. SECCOMP_ENFORCE ends the process at a
 * system call that is not on the list, after a line that names it.
 */
int seccomp_confine(enum seccomp_mode mode);
