/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: text in JSON that may not be UTF-8, and members of objects for people. */
#pragma once

#include <jansson.h>

/*
 * A new JSON string, NULL when out of memory. Paths and lines of the log may hold any byte, or be
 * cut in the middle of a character. JSON is UTF-8, and jansson refuses other text: here each of its
 * bytes above 127 becomes a "?".
 */
json_t *json_text(const char *text);

/* A member of an object, for people: "?" or 0 if it is not there. The text is the object's. */
const char *json_text_of(const json_t *object, const char *key);
long long json_number_of(const json_t *object, const char *key);
