/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: the keys of a file as a JSON schema, for editors and for validators. */
#pragma once

#include <stdio.h>

/*
 * dist/kedge.schema.json. It says which keys a mapping has and which shape a value has, as YAML 1.2
 * reads it: there, on and off are texts. What only the whole file shows is left to kedge check.
 * Returns 0; -ENOMEM; -EIO.
 */
int config_write_schema(FILE *to);
