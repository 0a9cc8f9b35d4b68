/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: one struct of the configuration, filled from the narrowest settings to the widest. */
#pragma once

#include "config/config.h"
#include "config/config_settings.h"
#include "config/config_why.h"

/* A zeroed struct conf, struct conf_listener, struct conf_app or struct conf_route. */
enum filled { FILLED_CONF, FILLED_LISTENER, FILLED_APP, FILLED_ROUTE };

struct filling {
	void *base;
	enum filled what;
	size_t route;                  /* ROUTE: its number at its listener, from 1 */
	bool seen[CONFIG_OPTIONS_MAX]; /* a narrower setting was there */
	bool bad;                      /* one of its settings is a mistake */
};

/* Takes the settings of src at this listener or entry of apps (-1: outside). 0 or -ENOMEM. */
int fill_from(struct filling *f, const struct settings *src, int listener, int app);

/* Whatever was not seen. 0 or -ENOMEM. */
int fill_defaults(struct filling *f);

/* Was the option of this name given? */
bool fill_has(const struct filling *f, const char *name);

/* Tries one setting on a struct that is then freed. 0, or -EINVAL or -ENOMEM with why[]. */
int fill_try(const struct setting *s, char why[WHY_MAX]);
