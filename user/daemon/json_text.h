/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: text in JSON that may not be UTF-8. */
#pragma once

#include <jansson.h>

/*
 * A new JSON string, NULL when out of memory. Paths and lines of the log may hold any byte, or be
 * cut in the middle of a character. JSON is UTF-8, and jansson refuses other text: here each of its
 * bytes above 127 becomes a "?".
 */
json_t *json_text(const char *text);
