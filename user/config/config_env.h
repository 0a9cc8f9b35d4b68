/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: environment variables in the values of a file. */
#pragma once

#include <stddef.h>

#include "config/config_why.h"

/*
 * ${NAME} is the variable's value, ${NAME:-TEXT} the same or TEXT if it is not set or empty, $$ is
 * one $. What comes from the environment is not read again. *out is the whole text, owned by the
 * caller; NULL if `text` has no $ and so is as it was written. 0; -EINVAL with why[], which never
 * has a variable's value in it; -ENOMEM.
 */
int config_env_expand(char **out, const char *text, size_t max, char why[WHY_MAX]);
