/* SPDX-License-Identifier: BSD-2-Clause */
/* Environment variables in the values of a file. See config_env.h. */
#include "config/config_env.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define NAME_BYTES LETTERS "0123456789"

struct expansion {
	char *text;
	size_t len, max;
	char *why;
};

static int __attribute__((format(printf, 2, 3))) refuse(struct expansion *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->why, WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int add(struct expansion *e, const char *p, size_t n)
{
	char *grown;

	if (n > e->max - e->len)
		return refuse(e, "too long: the values of the variables in a file have 1 MiB "
				 "at most");
	grown = reallocarray(e->text, e->len + n + 1, 1);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + e->len, p, n);
	e->len += n;
	grown[e->len] = '\0';
	e->text = grown;
	return 0;
}

/* *p is at "{", and moves behind "}". */
static int add_variable(struct expansion *e, const char **p)
{
	const char *begin = *p + 1, *end = strchr(begin, '}'), *instead = NULL, *value;
	size_t name_len = strspn(begin, NAME_BYTES), instead_len = 0;
	char name[128];

	if (!end)
		return refuse(e, "\"${\" has no \"}\" behind it");
	if (!name_len || !strchr(LETTERS, begin[0]) || name_len >= sizeof(name))
		return refuse(e, "\"${\" must be followed by the name of a variable: letters, "
				 "digits and \"_\"");
	memcpy(name, begin, name_len);
	name[name_len] = '\0';
	if (!strncmp(begin + name_len, ":-", 2)) {
		instead = begin + name_len + 2;
		instead_len = (size_t)(end - instead);
	} else if (begin + name_len != end) {
		return refuse(e,
			      "\"${%.64s\" must be followed by \"}\", or by \":-\" and a default",
			      name);
	}
	if (instead && memchr(instead, '$', instead_len))
		return refuse(e, "the default of ${%.64s} has a \"$\", and is not expanded itself",
			      name);
	*p = end + 1;
	value = getenv(name);
	if (instead && (!value || !value[0]))
		return add(e, instead, instead_len);
	if (!value)
		return refuse(e,
			      "the environment variable %.64s is not set: set it where kedge is "
			      "started, or give a default, ${%.64s:-DEFAULT}",
			      name, name);
	return add(e, value, strlen(value));
}

static int expand(struct expansion *e, const char *p)
{
	int err = 0;

	while (*p && !err) {
		size_t n = strcspn(p, "$");

		err = add(e, p, n);
		p += n;
		if (err || !*p)
			break;
		p++;
		if (*p == '$')
			err = add(e, p++, 1);
		else if (*p == '{')
			err = add_variable(e, &p);
		else
			err = refuse(e, "a \"$\" is written \"$$\"; a variable is ${NAME}");
	}
	return err;
}

int config_env_expand(char **out, const char *text, size_t max, char why[WHY_MAX])
{
	struct expansion e = {.max = max, .why = why};
	int err = 0;

	if (strchr(text, '$'))
		err = expand(&e, text);
	if (err) {
		free(e.text);
		return err;
	}
	*out = e.text;
	return 0;
}
