/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the applications. Each entry of `apps` is one. A listener names one of them, or the
 * servers themselves: then these are one more, without a name of its own.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "config/config_mistakes.h"
#include "config/config_settings.h"

struct apps_building {
	struct conf *conf;
	const struct settings *from, *file, *flags; /* `from`: where the listeners come from */
	struct mistakes *m;
	bool none;                  /* nobody has said a word of an application */
	const struct setting *said; /* a mistake that listeners share is said once */
};

/*
 * conf->apps from the entries. In all four, mistakes are counted, and they return 0 or -ENOMEM.
 */
int config_apps_begin(struct apps_building *b);

/* Who names an application: a listener or a route. */
struct app_user {
	const struct conf_names *texts;  /* what was written */
	size_t *app;                     /* gets its index */
	enum conf_mode *mode;            /* gets its mode, if it says one */
	const struct setting *said;      /* where it was written */
	const struct setting *mode_said; /* the mode that may be another one; NULL: none */
};
int config_take_app(struct apps_building *b, const struct app_user *user);

/* The application of this listener, and with it the listener's mode. */
int config_take_app_of_listener(struct apps_building *b, int listener);

/* Says that there is none at all, or warns of entries that no listener names. */
void config_apps_end(const struct apps_building *b);
