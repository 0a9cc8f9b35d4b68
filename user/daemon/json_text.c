/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON strings from any bytes. See json_text.h. */
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
