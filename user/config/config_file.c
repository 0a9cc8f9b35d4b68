/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file into settings. The table of options says which keys there are; option_set() says later
 * what their values may be. Every mistake of structure is found in one pass, with its line.
 *
 * The read_*() functions begin at the first event of what they read and end at its last one. Their
 * recursion is as deep as listeners, routes, certs, apps, checks and keys can be nested; anything
 * else is skipped without recursion. They return 0; -EINVAL after a mistake that ends the reading;
 * -ENOMEM.
 */
#include "config/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "config/config_env.h"
#include "config/config_keys.h"
#include "config/config_options.h"
#include "config/config_source.h"
#include "config/config_yaml.h"

struct reading {
	struct cursor c;
	struct settings *to;
	int listener;  /* the current one; -1: outside */
	size_t route;  /* the current one of its routes, from 1; 0: outside */
	int app;       /* the same in apps */
	size_t pair;   /* the current one of certs */
	size_t entry;  /* the current one of the list that was begun last */
	bool unusable; /* after a mistake that leaves no sense in the rest */
	size_t room;   /* for values with variables in them: they may be longer than the file */
};

static int read_keys(struct reading *r, enum config_level level);

/* --- values ----------------------------------------------------------------------------------- */

/* False after a mistake, at the end of the value. *err: of skipping it. */
static bool expect(struct reading *r, enum cursor_kind kind, const char *hint, int *err)
{
	const struct place at = cursor_place(&r->c);

	*err = 0;
	if (cursor_is(&r->c, kind))
		return true;
	mistake(r->c.m, &at, "must be %s, not %s%s", cursor_kind_name(kind),
		cursor_event_name(&r->c), hint);
	r->unusable = true;
	*err = cursor_skip(&r->c);
	return false;
}

/* text NULL: an empty list, which begins at `at`. `raw`: the text with its variables, or NULL. */
static int add(struct reading *r, const struct option_def *opt, char *text, char *raw,
	       const struct place *at)
{
	const struct setting written = {
		.opt = opt,
		.listener = r->listener,
		.route = r->route,
		.app = r->app,
		.pair = r->pair,
		.text = text,
		.raw = raw,
		.place = *at,
	};

	return settings_add(r->to, &written);
}

static int add_expanded(struct reading *r, const struct option_def *opt, char *text,
			const struct place *at)
{
	_cleanup_(freep)
	char *whole = NULL;
	char why[WHY_MAX];
	int err = config_env_expand(&whole, text, r->room, why);

	if (err == -EINVAL) {
		mistake(r->c.m, at, "%s", why);
		r->unusable = true;
		return 0;
	}
	if (err || !whole)
		return err ? err : add(r, opt, text, NULL, at);
	r->room -= strlen(whole);
	return add(r, opt, whole, text, at);
}

static bool has_nul(const yaml_event_t *e)
{
	return memchr(e->data.scalar.value, '\0', e->data.scalar.length);
}

static int read_text(struct reading *r, const struct option_def *opt)
{
	const struct place at = cursor_place(&r->c);
	const yaml_event_t *e = &r->c.event;
	/* YAML takes "[::1]:443" without quotes for a list. */
	bool bracketed = opt->kind == OPTION_ADDR && cursor_is(&r->c, CURSOR_LIST) &&
			 e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
	int err;

	if (!expect(r, CURSOR_VALUE, bracketed ? ": quote an address with brackets" : "", &err))
		return err;
	if (has_nul(e)) {
		mistake(r->c.m, &at, "has a NUL character in it");
		r->unusable = true;
		return 0;
	}
	return add_expanded(r, opt, (char *)e->data.scalar.value, &at);
}

static int read_cert(struct reading *r, const struct option_def *opt)
{
	const struct place at = cursor_place(&r->c);
	size_t before = r->to->count;
	unsigned mistakes = r->c.m->count;
	int err;

	(void)opt;
	if (!expect(r, CURSOR_KEYS, "", &err))
		return err;
	err = read_keys(r, LEVEL_CERT);
	/* What else is wrong with a pair is reported with the values, by config_build(). */
	if (!err && r->to->count == before && r->c.m->count == mistakes)
		mistake(r->c.m, &at, "has neither cert nor key");
	return err;
}

static int read_route(struct reading *r, const struct option_def *opt)
{
	const struct place at = cursor_place(&r->c);
	size_t number = r->entry + 1;
	int err;

	(void)opt;
	if (!expect(r, CURSOR_KEYS, "", &err))
		return err;
	r->route = number;
	err = settings_add_route(r->to, r->listener, &at);
	err = err ? err : read_keys(r, LEVEL_ROUTE);
	r->route = 0;
	return err;
}

static int read_listener(struct reading *r, const struct option_def *opt)
{
	const struct place at = cursor_place(&r->c);
	int err;

	(void)opt;
	if (!expect(r, CURSOR_KEYS, "", &err))
		return err;
	r->listener = (int)r->to->listeners_count;
	err = settings_add_listener(r->to, &at);
	err = err ? err : read_keys(r, LEVEL_LISTENER);
	r->listener = -1;
	return err;
}

static int read_app(struct reading *r, const char *name)
{
	const struct place at = cursor_place(&r->c);
	char why[WHY_MAX];
	int err;

	if (option_check_app_name(name, why) < 0) {
		mistake(r->c.m, &at, "%s", why);
		r->unusable = true;
		return cursor_skip(&r->c);
	}
	for (size_t i = 0; i < r->to->apps_count; i++)
		if (!strcmp(r->to->apps[i].name, name)) {
			mistake(r->c.m, &at, "given twice");
			r->unusable = true;
			return cursor_skip(&r->c);
		}
	if (r->to->apps_count == CONFIG_APPS_MAX) {
		mistake(r->c.m, &at, "more than %u entries", CONFIG_APPS_MAX);
		return -EINVAL;
	}
	if (!expect(r, CURSOR_KEYS, "", &err))
		return err;
	r->app = (int)r->to->apps_count;
	err = settings_add_app(r->to, name, &at);
	err = err ? err : read_keys(r, LEVEL_APP);
	r->app = -1;
	return err;
}

static int check_name(struct reading *r)
{
	const struct place at = cursor_place(&r->c);

	if (!cursor_is(&r->c, CURSOR_VALUE))
		mistake(r->c.m, &at, "a name must be one word, not %s", cursor_event_name(&r->c));
	else if (has_nul(&r->c.event))
		mistake(r->c.m, &at, "a name has a NUL character in it");
	else
		return 0;
	return -EINVAL;
}

/* The keys are names. */
static int read_apps(struct reading *r)
{
	size_t path_len;
	char *name;
	int err;

	if (!expect(r, CURSOR_KEYS, "; did you mean app?", &err))
		return err;
	for (;;) {
		err = cursor_next(&r->c);
		if (err || r->c.event.type == YAML_MAPPING_END_EVENT)
			return err;
		err = check_name(r);
		if (err)
			return err;
		name = strndup((const char *)r->c.event.data.scalar.value,
			       r->c.event.data.scalar.length);
		if (!name)
			return -ENOMEM;
		path_len = cursor_enter_key(&r->c, name);
		err = cursor_next(&r->c);
		err = err ? err : read_app(r, name);
		free(name);
		if (err)
			return err;
		cursor_leave(&r->c, path_len);
	}
}

/* "check: tcp", or its details. */
static int read_check(struct reading *r, const struct option_def *opt)
{
	const struct place at = cursor_place(&r->c);
	size_t before = r->to->count;
	unsigned mistakes = r->c.m->count;
	int err;

	if (!cursor_is(&r->c, CURSOR_KEYS))
		return read_text(r, opt);
	err = read_keys(r, LEVEL_CHECK);
	if (!err && r->to->count == before && r->c.m->count == mistakes)
		mistake(r->c.m, &at, "has no key: \"check: tcp\" is the shortest");
	return err;
}

/* A list of at most `max` entries; `opt` is for read_entry(). */
static int read_list(struct reading *r, const struct option_def *opt, unsigned max,
		     int (*read_entry)(struct reading *r, const struct option_def *opt))
{
	const struct place list = cursor_place(&r->c);
	unsigned i;
	int err;

	if (!expect(r, CURSOR_LIST, "", &err))
		return err;
	for (i = 0;; i++) {
		struct place at;
		size_t path_len;

		err = cursor_next(&r->c);
		if (err || r->c.event.type == YAML_SEQUENCE_END_EVENT)
			break;
		path_len = cursor_enter_entry(&r->c, i);
		at = cursor_place(&r->c);
		if (i == max) {
			mistake(r->c.m, &at, "more than %u entries", max);
			return -EINVAL;
		}
		r->pair = read_entry == read_cert ? i : 0;
		r->entry = i;
		err = read_entry(r, opt);
		if (err)
			return err;
		cursor_leave(&r->c, path_len);
	}
	r->pair = 0;
	return err || i || !opt ? err : add(r, opt, NULL, NULL, &list);
}

static int read_value(struct reading *r, size_t key)
{
	const struct option_def *opt;

	if (key == KEY_LISTENERS)
		return read_list(r, NULL, CONFIG_LISTENERS_MAX, read_listener);
	if (key == KEY_ROUTES)
		return read_list(r, NULL, CONFIG_ROUTES_MAX, read_route);
	if (key == KEY_CERTS)
		return read_list(r, NULL, CONFIG_CERTS_MAX, read_cert);
	if (key == KEY_APPS)
		return read_apps(r);
	opt = &config_options[key];
	if (!strcmp(opt->name, "check"))
		return read_check(r, opt);
	if (option_may_be_one(opt) && !cursor_is(&r->c, CURSOR_LIST))
		return read_text(r, opt);
	if (option_has_entries(opt))
		return read_list(r, opt, CONFIG_ENTRIES_MAX, read_text);
	return read_text(r, opt);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void say_unknown_key(struct reading *r, enum config_level level)
{
	const struct place at = cursor_place(&r->c);
	char why[KEY_WHY_MAX];

	/* It would not be shown, and a file can have very many. */
	if (r->c.m->count >= CONFIG_MISTAKES_MAX) {
		r->c.m->count++;
		return;
	}
	key_explain(why, level, (const char *)r->c.event.data.scalar.value,
		    r->c.event.data.scalar.length);
	mistake(r->c.m, &at, "%s", why);
}

/* One key and its value. */
static int read_key(struct reading *r, enum config_level level, bool seen[KEYS_MAX])
{
	struct place at = cursor_place(&r->c);
	size_t path_len, key;
	int err;

	if (!cursor_is(&r->c, CURSOR_VALUE)) {
		mistake(r->c.m, &at, "a key must be one word, not %s", cursor_event_name(&r->c));
		return -EINVAL;
	}
	path_len = cursor_enter_key(&r->c, (const char *)r->c.event.data.scalar.value);
	key = key_find(level, (const char *)r->c.event.data.scalar.value,
		       r->c.event.data.scalar.length);
	if (key == KEYS_MAX) {
		say_unknown_key(r, level);
	} else if (seen[key]) {
		mistake(r->c.m, &at, "given twice");
		r->unusable = true;
	} else {
		seen[key] = true;
	}
	err = cursor_next(&r->c);
	if (err)
		return err;
	err = key == KEYS_MAX ? cursor_skip(&r->c) : read_value(r, key);
	cursor_leave(&r->c, path_len);
	return err;
}

static int read_keys(struct reading *r, enum config_level level)
{
	bool seen[KEYS_MAX] = {false};
	int err;

	for (;;) {
		err = cursor_next(&r->c);
		if (err || r->c.event.type == YAML_MAPPING_END_EVENT)
			return err;
		err = read_key(r, level, seen);
		if (err)
			return err;
	}
}

/* The one document of the file. "---" and nothing is one, too. */
static int read_document(struct reading *r)
{
	int err;

	if (cursor_is(&r->c, CURSOR_VALUE) && !r->c.event.data.scalar.length)
		return 0;
	return expect(r, CURSOR_KEYS, "", &err) ? read_keys(r, LEVEL_TOP) : err;
}

static int read_stream(struct reading *r)
{
	struct place at;
	int err;

	err = cursor_next(&r->c);             /* the stream begins */
	err = err ? err : cursor_next(&r->c); /* a document begins, or the stream ends */
	if (err || r->c.event.type == YAML_STREAM_END_EVENT)
		return err;
	err = cursor_next(&r->c);
	err = err ? err : read_document(r);
	err = err ? err : cursor_next(&r->c); /* the document ends */
	err = err ? err : cursor_next(&r->c);
	if (err || r->c.event.type == YAML_STREAM_END_EVENT)
		return err;
	at = cursor_place(&r->c);
	mistake(r->c.m, &at, "a second document: one file is one document");
	return -EINVAL;
}

int config_read_yaml(struct settings *to, const char *file, const uint8_t *bytes, size_t len,
		     struct mistakes *m)
{
	struct reading r = {.to = to, .listener = -1, .app = -1, .room = CONFIG_BYTES_MAX};
	int err;

	err = cursor_open(&r.c, file, bytes, len, m);
	err = err ? err : read_stream(&r);
	cursor_close(&r.c);
	if (err == -EINVAL || (!err && r.unusable)) {
		settings_clear(to);
		return 1;
	}
	return err;
}

/* --- the file --------------------------------------------------------------------------------- */

int config_read_file(struct settings *to, const char *file, struct mistakes *m)
{
	_cleanup_(freep)
	uint8_t *bytes = NULL;
	size_t len = 0;
	int err;

	err = config_source_read(&bytes, &len, file, m);
	if (err)
		return err;
	return config_read_yaml(to, strcmp(file, CONFIG_STDIN) ? file : CONFIG_STDIN_NAME, bytes,
				len, m);
}
