/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a value is refused. See config_why.h. */
#include "config/config_why.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *config_quote(char buf[QUOTED_MAX], const char *text)
{
	const size_t shown = QUOTED_MAX - sizeof("\"...\"");

	if (strlen(text) <= shown)
		snprintf(buf, QUOTED_MAX, "\"%s\"", text);
	else
		snprintf(buf, QUOTED_MAX, "\"%.*s...\"", (int)shown, text);
	return buf;
}

int why_refuse(char why[WHY_MAX], const char *text, const char *what)
{
	char quoted[QUOTED_MAX];

	/* Together they may be longer than WHY_MAX; the end is cut off then. */
	if (snprintf(why, WHY_MAX, "%s %s", config_quote(quoted, text), what) < 0)
		why[0] = '\0';
	return -EINVAL;
}

void why_hide(char why[WHY_MAX], const char *text, const char *raw)
{
	char shown[QUOTED_MAX], instead[QUOTED_MAX], all[WHY_MAX];
	size_t n = strlen(config_quote(shown, text));
	bool at_front = !strncmp(why, shown, n);

	config_quote(instead, raw);
	if (at_front && !(strlen(text) > 1 && strstr(why + n, text)))
		snprintf(all, WHY_MAX, "the value of %s%s", instead, why + n);
	else
		snprintf(all, WHY_MAX, "%s has a value that is not valid here", instead);
	memcpy(why, all, WHY_MAX);
}

int why_out_of_memory(char why[WHY_MAX])
{
	snprintf(why, WHY_MAX, "out of memory");
	return -ENOMEM;
}
