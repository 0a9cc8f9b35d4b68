/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: keeps the privileges that a running kedge needs, and drops the others (confine.h). */
#pragma once

struct conf;
struct shared;

/*
 * Called before any secret is read. Forbids core dumps, and sets the later user and group for the
 * checks of files (secret.h).
 */
void privileges_expect(const struct conf *conf);

/*
 * For kedge check, after that: root tests a configuration that names no user. The units run kedge
 * as the user "kedge", whose groups may read the keys then.
 */
void privileges_expect_service(const struct conf *conf);

/*
 * For kedge check, run by root: warns of the files that `user` could not read at a reload, as
 * privileges_drop() does at startup; without `user`, of those that the units' user could not read.
 */
void privileges_try_files(const struct conf *conf);

/*
 * Called when everything is open, before the first worker thread starts. Makes the later user the
 * owner of pins and control socket. 0, or -errno after a logged line.
 */
int privileges_drop(const struct conf *conf, const struct shared *shared);
