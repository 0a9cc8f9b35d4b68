/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a file. See config_keys.h. */
#include "config/config_keys.h"

#include <stdio.h>
#include <string.h>

#include "config/config_suggest.h"

const char *key_name(enum config_level level, size_t key)
{
	const struct option_def *opt;

	if (key == KEY_LISTENERS)
		return level == LEVEL_TOP ? "listeners" : NULL;
	if (key == KEY_CERTS)
		return level != LEVEL_CERT ? "certs" : NULL;
	if (key >= config_options_count)
		return NULL;
	opt = &config_options[key];
	if ((opt->kind == OPTION_CERT) != (level == LEVEL_CERT))
		return NULL;
	if (level == LEVEL_TOP && opt->scope == OPTION_LISTEN)
		return NULL;
	if (level == LEVEL_LISTENER && opt->scope == OPTION_GLOBAL)
		return NULL;
	return opt->name;
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
		[LEVEL_CERT] = "in an entry of certs",
	};

	for (enum config_level level = LEVEL_TOP; level <= LEVEL_CERT; level++)
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

	/* The message shows the name only up to there. */
	if (memchr(name, '\0', len))
		snprintf(why, KEY_WHY_MAX, "unknown key with a NUL character in it");
	else if (home)
		snprintf(why, KEY_WHY_MAX, "unknown key here; it belongs %s", home);
	else if (meant)
		snprintf(why, KEY_WHY_MAX, "unknown key; did you mean %s?", meant);
	else
		list_all(why, level);
}
