/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: mistakes in a configuration that was read, which only the files it names can show.
 * check and run look for the same ones. Nothing on the system is touched, so run does it first.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"

/* Paths and addresses that can never do. 0, or -EINVAL after a line for each mistake. */
int preflight_places(const struct conf *conf);

/*
 * Is this result of what is in this header, or of certs_check(), a mistake, for the exit status 2?
 * Missing files are none: they may come later, and systemd tries again then.
 */
bool preflight_is_mistake(int err);

/*
 * Reads certificates, keys and ticket keys in a process of its own: after this, kedge still forks,
 * and a child that outlives it may hold no secret. As certs_check(), or -EAGAIN if there is no such
 * process. Only before the first thread.
 */
int preflight_certs(const struct conf *conf);
