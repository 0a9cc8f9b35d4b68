/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what a reload changes. */
#pragma once

#include "config/config.h"

/* What a reload does with a key that has another value. */
enum config_change {
	CONFIG_CHANGED,       /* the new value takes effect */
	CONFIG_NEEDS_RESTART, /* the old value stays; `after` has it again */
};
typedef void (*config_say_fn)(void *arg, enum config_change change, const char *text);

/*
 * Compares two configurations key by key, without their listeners and applications, and says each
 * difference ("workers: 2 -> 4"). 0, or -ENOMEM: then `after` cannot be used.
 */
int config_diff(const struct conf *before, struct conf *after, config_say_fn say, void *arg);

/* The same for two listeners, but for `app`; text begins with "listener NAME: ". */
int config_diff_listener(const struct conf_listener *before, struct conf_listener *after,
			 config_say_fn say, void *arg);
/* And for `app` of a listener; `all`: it is that of all listeners. */
int config_diff_app_of(const struct conf_listener *before, struct conf_listener *after, bool all,
		       config_say_fn say, void *arg);

/*
 * Is it the application of before? Those with an entry in apps are, by its name; the lists of
 * listeners, if they have a server in common.
 */
bool config_same_app(const struct conf_app *before, const struct conf_app *after);

/* And for two applications of one name: "application NAME: ". */
int config_diff_app(const struct conf_app *before, struct conf_app *after, config_say_fn say,
		    void *arg);

/*
 * from[i]: for listener i of `after`, the index of the one in `before` that has its address; -1:
 * none. Each of `before` is used once.
 */
void config_match_listeners(int *from, const struct conf *before, const struct conf *after);
