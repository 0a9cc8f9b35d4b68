/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: names of users and groups, for messages. They are read from /etc/passwd and /etc/group
 * themselves: other sources of the C library open sockets, which the seccomp filter forbids. A user
 * or group that is not there is shown by its number, which chown(1) and chgrp(1) take as well.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNT_NAME 33 /* 32 bytes are the most that useradd(8) allows */

const char *account_user(char buf[ACCOUNT_NAME], uid_t uid);
const char *account_group(char buf[ACCOUNT_NAME], gid_t gid);

/* Runs this process in a pod of Kubernetes? There, modes of files are set in the pod's spec. */
bool account_in_pod(void);
