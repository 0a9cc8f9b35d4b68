/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: a configuration with some applications and their servers. Failures are cmocka's. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listen/generation.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"

#define SERVERS                                                                                    \
	"tls: off\napps:\n"                                                                        \
	"  web: {servers: ['10.0.0.1:80', 'unix:/run/a b/web.sock'], backup: ['10.0.0.9:80'],"     \
	" check: tcp}\n"                                                                           \
	"  other: {servers: ['10.0.0.1:80']}\n"                                                    \
	"listeners:\n- {listen: '127.0.0.1:1', app: web}\n- {listen: '127.0.0.1:2', app: other}\n" \
	"- {listen: '127.0.0.1:3', app: '10.0.0.7:80'}\n"

static struct generation *generation;

static int servers_setup(void **state)
{
	(void)state;
	generation = generation_new(must_load(SERVERS, ""), 1, 2);
	heard_begin();
	return !generation;
}

static int servers_teardown(void **state)
{
	(void)state;
	heard_end();
	generation_put(generation);
	return 0;
}

static inline struct server *server_at(size_t app, size_t at)
{
	return generation->apps[app].set[at];
}
