/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a file. See config_keys.h. */
#include "config/config_keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/config_suggest.h"

/* "path" for check-path; NULL: it is no detail of a check. */
static const char *check_key(const struct option_def *opt)
{
	return strncmp(opt->name, "check-", strlen("check-")) ? NULL : opt->name + strlen("check-");
}

static bool may_stand(const struct option_def *opt, enum config_level level)
{
	switch (opt->scope) {
	case OPTION_LISTEN:
		return level == LEVEL_LISTENER;
	case OPTION_LISTENER:
		return level == LEVEL_TOP || level == LEVEL_LISTENER ||
		       (level == LEVEL_APP && opt->app_offset) ||
		       (level == LEVEL_ROUTE && opt->route_offset);
	case OPTION_OF_ROUTE:
		return level == LEVEL_ROUTE;
	case OPTION_OF_ENTRY:
		return level == LEVEL_APP;
	case OPTION_OF_APP:
		return level == LEVEL_TOP || level == LEVEL_APP;
	case OPTION_GLOBAL:
		break;
	}
	return level == LEVEL_TOP;
}

const char *key_name(enum config_level level, size_t key)
{
	const struct option_def *opt;

	if (key == KEY_LISTENERS)
		return level == LEVEL_TOP ? "listeners" : NULL;
	if (key == KEY_APPS)
		return level == LEVEL_TOP ? "apps" : NULL;
	if (key == KEY_ROUTES)
		return level == LEVEL_LISTENER ? "routes" : NULL;
	if (key == KEY_CERTS)
		return level <= LEVEL_ROUTE ? "certs" : NULL;
	if (key >= config_options_count)
		return NULL;
	opt = &config_options[key];
	if (opt->kind == OPTION_CERT)
		return level == LEVEL_CERT ? opt->name : NULL;
	if (check_key(opt))
		return level == LEVEL_CHECK ? check_key(opt) : NULL;
	return may_stand(opt, level) ? opt->name : NULL;
}

size_t key_find(enum config_level level, const char *name, size_t len)
{
	size_t key;

	for (key = 0; key < KEYS_MAX; key++) {
		const char *known = key_name(level, key);

		if (known && strlen(known) == len && !memcmp(known, name, len))
			break;
	}
	return key;
}

/* NULL: none is near. */
static const char *nearest(enum config_level level, const char *name, size_t len)
{
	struct suggestion s = {0};

	for (size_t key = 0; key < KEYS_MAX; key++) {
		const char *known = key_name(level, key);

		if (known)
			suggest(&s, name, len, known);
	}
	return s.name;
}

/* NULL: it is a key of no level. */
static const char *home_of(const char *name, size_t len)
{
	static const char *const homes[] = {
		[LEVEL_TOP] = "at the top level",
		[LEVEL_LISTENER] = "in an entry of listeners",
		[LEVEL_ROUTE] = "in an entry of routes",
		[LEVEL_CERT] = "in an entry of certs",
		[LEVEL_APP] = "in an entry of apps",
		[LEVEL_CHECK] = "in check",
	};

	for (enum config_level level = LEVEL_TOP; level <= LEVEL_CHECK; level++)
		if (key_find(level, name, len) < KEYS_MAX)
			return homes[level];
	return NULL;
}

static void list_all(char why[KEY_WHY_MAX], enum config_level level)
{
	const char *between = "unknown key; known are ";
	size_t len = 0;

	for (size_t key = 0; key < KEYS_MAX && len < KEY_WHY_MAX; key++) {
		const char *known = key_name(level, key);

		if (!known)
			continue;
		len += (size_t)snprintf(why + len, KEY_WHY_MAX - len, "%s%s", between, known);
		between = ", ";
	}
}

void key_explain(char why[KEY_WHY_MAX], enum config_level level, const char *name, size_t len)
{
	const char *home = home_of(name, len), *meant = nearest(level, name, len);
	const size_t check = strlen("check-");

	/* The message shows the name only up to there. */
	if (memchr(name, '\0', len))
		snprintf(why, KEY_WHY_MAX, "unknown key with a NUL character in it");
	else if (len > check && !memcmp(name, "check-", check) &&
		 key_find(LEVEL_CHECK, name + check, len - check) < KEYS_MAX)
		snprintf(why, KEY_WHY_MAX, "unknown key here; in a file it is %.*s, in check",
			 (int)(len - check), name + check);
	else if (home)
		snprintf(why, KEY_WHY_MAX, "unknown key here; it belongs %s", home);
	else if (meant)
		snprintf(why, KEY_WHY_MAX, "unknown key; did you mean %s?", meant);
	else
		list_all(why, level);
}
