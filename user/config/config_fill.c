/* SPDX-License-Identifier: BSD-2-Clause */
/* From settings to the fields of one struct. See config_fill.h. */
#include "config/config_fill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config_options.h"

/* For `seen`. cert, key and ocsp are parts of one list, so they share an index. */
static size_t list_index(const struct option_def *opt)
{
	if (opt->kind == OPTION_CERT)
		opt = option_find("cert", strlen("cert"));
	return (size_t)(opt - config_options);
}

static bool is_of_app(const struct option_def *opt)
{
	return opt->scope == OPTION_OF_APP || opt->scope == OPTION_OF_ENTRY;
}

/* An option stands in a route, in an entry of apps, or in neither. Which struct has its field? */
static enum filled home_of(const struct option_def *opt, bool route, bool entry)
{
	if (route)
		return FILLED_ROUTE;
	if (is_of_app(opt) || (entry && opt->app_offset))
		return FILLED_APP;
	return opt->scope == OPTION_GLOBAL ? FILLED_CONF : FILLED_LISTENER;
}

static size_t offset_of(const struct option_def *opt, enum filled what)
{
	if (what == FILLED_ROUTE && opt->scope != OPTION_OF_ROUTE)
		return opt->route_offset;
	return what == FILLED_APP && !is_of_app(opt) ? opt->app_offset : opt->offset;
}

int fill_from(struct filling *f, const struct settings *src, int listener, int app)
{
	bool now[CONFIG_OPTIONS_MAX] = {false};
	char why[WHY_MAX];
	int err;

	for (size_t i = 0; i < src->count; i++) {
		const struct setting *s = &src->all[i];
		size_t at = list_index(s->opt);

		if (s->listener != listener || s->route != f->route || s->app != app ||
		    home_of(s->opt, s->route, app >= 0) != f->what || f->seen[at])
			continue;
		now[at] = true;
		f->bad |= s->bad;
		if (s->bad || !s->text)
			continue;
		err = option_set(s->opt, f->base, offset_of(s->opt, f->what), s->text, s->pair,
				 why);
		if (err)
			return err;
	}
	for (size_t i = 0; i < CONFIG_OPTIONS_MAX; i++)
		f->seen[i] |= now[i];
	return 0;
}

int fill_defaults(struct filling *f)
{
	char why[WHY_MAX];
	int err;

	for (size_t i = 0; i < config_options_count; i++) {
		const struct option_def *opt = &config_options[i];

		if (f->seen[i] || !opt->text || home_of(opt, false, false) != f->what)
			continue;
		err = option_set(opt, f->base, opt->offset, opt->text, 0, why);
		if (err)
			return err;
	}
	return 0;
}

bool fill_has(const struct filling *f, const char *name)
{
	return f->seen[list_index(option_find(name, strlen(name)))];
}

int fill_try(const struct setting *s, char why[WHY_MAX])
{
	_cleanup_(conf_listener_clear)
	struct conf_listener l = {0};
	_cleanup_(conf_app_clear)
	struct conf_app app = {0};
	_cleanup_(conf_freep)
	struct conf *conf = calloc(1, sizeof(*conf));
	_cleanup_(conf_route_clear)
	struct conf_route route = {0};
	enum filled what = home_of(s->opt, s->route, s->app >= 0);
	void *const bases[] = {[FILLED_CONF] = conf,
			       [FILLED_LISTENER] = &l,
			       [FILLED_APP] = &app,
			       [FILLED_ROUTE] = &route};

	if (!conf)
		return why_out_of_memory(why);
	return option_set(s->opt, bases[what], offset_of(s->opt, what), s->text, 0, why);
}
