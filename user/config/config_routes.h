/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the routes of a listener. */
#pragma once

#include "config/config_apps.h"

/*
 * The routes of this listener, which has its application and its mode. Mistakes are counted. 0 or
 * -ENOMEM.
 */
int config_build_routes(struct apps_building *b, int listener);
