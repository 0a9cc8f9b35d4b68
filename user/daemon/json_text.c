/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON strings from any bytes, and members for people. See json_text.h. */
#include "daemon/json_text.h"

#include <string.h>

#include "base/cleanup.h"

json_t *json_text(const char *text)
{
	json_t *string = json_string(text);
	_cleanup_(freep)
	char *copy = string ? NULL : strdup(text);

	if (!copy)
		return string;
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c > 127)
			*c = '?';
	return json_string(copy);
}

const char *json_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "?";
}

long long json_number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}
