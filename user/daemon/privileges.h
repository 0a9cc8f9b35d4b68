/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which privileges a running kedge still needs; gives up the others (confine.h). */
#pragma once

struct conf;
struct shared;

/*
 * Before anything is read that is secret: no core dumps, and what user and group kedge will be is
 * told to those who judge files by it (secret.h).
 */
void privileges_expect(const struct conf *conf);

/*
 * Called once everything is open and before the first worker thread is started. Hands pins and
 * control socket over to the user that kedge becomes. 0, or -errno after a logged line.
 */
int privileges_drop(const struct conf *conf, const struct shared *shared);
