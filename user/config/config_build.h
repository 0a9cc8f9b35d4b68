/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: from the settings of both sources to struct conf. */
#pragma once

#include "config/config.h"
#include "config/config_mistakes.h"
#include "config/config_settings.h"

/* Checks every setting on its own and marks the bad ones. Mistakes are counted. 0 or -ENOMEM. */
int config_check_settings(struct settings *s, struct mistakes *m);

/*
 * Fills conf, which is zeroed: a flag wins over the file, the file over the default. Bad settings
 * are left out. Checks what depends on more than one setting; mistakes are counted. 0 or -ENOMEM.
 */
int config_build(struct conf *conf, const struct settings *file, const struct settings *flags,
		 struct mistakes *m);
