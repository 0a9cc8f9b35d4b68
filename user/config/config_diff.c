/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a reload changes, key by key. Two values are equal if they have the same text. So no kind of
 * option needs a comparison of its own.
 */
#include "config/config_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config_options.h"

static void write_cidrs(FILE *to, const struct conf_cidrs *cidrs)
{
	char text[CIDR_TEXT_MAX];

	for (size_t i = 0; i < cidrs->count; i++) {
		cidr_format(text, &cidrs->set[i]);
		fprintf(to, "%s%s", i ? ", " : "", text);
	}
}

static void write_names(FILE *to, const struct conf_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		fprintf(to, "%s%s", i ? ", " : "", names->set[i]);
}

static const char *part_of(const struct conf_cert *c, const char *part)
{
	return !strcmp(part, "cert") ? c->cert : !strcmp(part, "key") ? c->key : c->ocsp;
}

/* One part of the pairs, behind `first`. */
static void write_certs(FILE *to, const char *first, const char *part,
			const struct conf_cert *certs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *path = part_of(&certs[i], part);

		if (!path)
			continue;
		fprintf(to, "%s%s", first, path);
		first = ", ";
	}
}

/* Those that the option names: the backups, or the others. */
static void write_servers(FILE *to, const struct option_def *opt, const struct conf_servers *s)
{
	const bool backup = !strcmp(opt->name, "backup");

	for (size_t i = 0; i < s->count; i++)
		if (s->set[i].backup == backup)
			fprintf(to, "%s%s", ftello(to) ? ", " : "", s->set[i].name);
}

static void write_range(FILE *to, const struct conf_range *r)
{
	fprintf(to, "%u", r->from);
	if (r->to != r->from)
		fprintf(to, "-%u", r->to);
}

static void write_words(FILE *to, const struct option_def *opt, unsigned bits)
{
	const char *before = "";

	for (int i = 0; opt->words[i]; i++) {
		if (!(bits & 1u << i))
			continue;
		fprintf(to, "%s%s", before, opt->words[i]);
		before = ", ";
	}
}

static void write_value(FILE *to, const struct option_def *opt, const void *base)
{
	const void *field = (const char *)base + opt->offset;
	const struct conf_listener *l;
	const char *path;
	char addr[ADDR_TEXT_MAX];

	switch (opt->kind) {
	case OPTION_ADDR:
		addr_format(addr, field);
		fputs(addr, to);
		break;
	case OPTION_SERVERS:
		write_servers(to, opt, field);
		break;
	case OPTION_RANGE:
		write_range(to, field);
		break;
	case OPTION_NUMBER:
		fprintf(to, "%u", *(const unsigned *)field);
		break;
	case OPTION_WORD:
		fputs(opt->words[*(const unsigned *)field], to);
		break;
	case OPTION_WORDS:
		write_words(to, opt, *(const unsigned *)field);
		break;
	case OPTION_BOOL:
		fputs(opt->words[*(const bool *)field], to);
		break;
	case OPTION_PATH:
	case OPTION_TEXT:
		path = *(char *const *)field;
		fputs(path ? path : opt->off_allowed ? "off" : "", to);
		break;
	case OPTION_CIDRS:
		write_cidrs(to, field);
		break;
	case OPTION_NAMES:
	case OPTION_APP:
		write_names(to, field);
		break;
	case OPTION_MODE:
		fprintf(to, "%04o", *(const unsigned *)field);
		break;
	case OPTION_CERT:
		l = base;
		write_certs(to, "", opt->name, l->certs, l->certs_count);
		break;
	}
}

/* As in a file; the option's `without`, or "none", if there is no value. NULL: out of memory. */
static char *value_text(const struct option_def *opt, const void *base)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	write_value(to, opt, base);
	if (!ftello(to))
		fputs(opt->without ? opt->without : "none", to);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static int copy_names(struct conf_names *to, const struct conf_names *from)
{
	struct conf_names copy = {.set = calloc(from->count + 1, sizeof(*copy.set))};

	for (size_t i = 0; copy.set && i < from->count; i++) {
		copy.set[i] = strdup(from->set[i]);
		if (!copy.set[i])
			break;
		copy.count++;
	}
	if (!copy.set || copy.count < from->count) {
		conf_names_clear(&copy);
		return -ENOMEM;
	}
	conf_names_clear(to);
	*to = copy;
	return 0;
}

/* Copies the old value. Only for kinds that have an option with `restart`. */
static int put_back(const struct option_def *opt, void *after, const void *before)
{
	void *field = (char *)after + opt->offset;
	const void *old = (const char *)before + opt->offset;
	const char *path;
	char *copy = NULL;

	switch (opt->kind) {
	case OPTION_NUMBER:
	case OPTION_WORD:
	case OPTION_WORDS:
	case OPTION_MODE:
		*(unsigned *)field = *(const unsigned *)old;
		return 0;
	case OPTION_BOOL:
		*(bool *)field = *(const bool *)old;
		return 0;
	case OPTION_ADDR:
		*(union addr *)field = *(const union addr *)old;
		return 0;
	case OPTION_PATH:
		path = *(char *const *)old;
		if (path && !(copy = strdup(path)))
			return -ENOMEM;
		free(*(char **)field);
		*(char **)field = copy;
		return 0;
	case OPTION_NAMES:
		return copy_names(field, old);
	case OPTION_APP:
	case OPTION_SERVERS:
	case OPTION_TEXT:
	case OPTION_RANGE:
	case OPTION_CIDRS:
	case OPTION_CERT:
		break;
	}
	return -EINVAL;
}

static int diff_option(const struct option_def *opt, const void *before, void *after,
		       const char *where, config_say_fn say, void *arg)
{
	_cleanup_(freep)
	char *was = value_text(opt, before);
	_cleanup_(freep)
	char *is = value_text(opt, after);
	_cleanup_(freep)
	char *text = NULL;

	if (!was || !is)
		return -ENOMEM;
	if (!strcmp(was, is))
		return 0;
	if (asprintf(&text, "%s%s: %s -> %s", where, opt->name, was, is) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	say(arg, opt->restart ? CONFIG_NEEDS_RESTART : CONFIG_CHANGED, text);
	return opt->restart ? put_back(opt, after, before) : 0;
}

int config_diff(const struct conf *before, struct conf *after, config_say_fn say, void *arg)
{
	int err = 0;

	for (size_t i = 0; !err && i < config_options_count; i++)
		if (config_options[i].scope == OPTION_GLOBAL)
			err = diff_option(&config_options[i], before, after, "", say, arg);
	return err;
}

/* "names: a.test, b.test; app: web; alpn: h2; cert: c.pem; key: k.pem". NULL: out of memory. */
static char *route_text(const struct conf_listener *l, size_t at)
{
	const struct conf_route *r = at < l->routes_count ? &l->routes[at] : NULL;
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	if (!r) {
		fputs("none", to);
	} else {
		fputs("names: ", to);
		write_names(to, &r->names);
		fputs("; app: ", to);
		write_names(to, &r->app_text);
		fputs(r->alpn.count ? "; alpn: " : "", to);
		write_names(to, &r->alpn);
		write_certs(to, "; cert: ", "cert", r->certs, r->certs_count);
		write_certs(to, "; key: ", "key", r->certs, r->certs_count);
		write_certs(to, "; ocsp: ", "ocsp", r->certs, r->certs_count);
	}
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static int diff_routes(const struct conf_listener *before, const struct conf_listener *after,
		       config_say_fn say, void *arg)
{
	for (size_t i = 0; i < before->routes_count || i < after->routes_count; i++) {
		_cleanup_(freep)
		char *was = route_text(before, i), *is = route_text(after, i), *text = NULL;

		if (!was || !is)
			return -ENOMEM;
		if (!strcmp(was, is))
			continue;
		if (asprintf(&text, "listener %s: routes[%zu]: %s -> %s", after->name, i, was, is) <
		    0) {
			text = NULL;
			return -ENOMEM;
		}
		say(arg, CONFIG_CHANGED, text);
	}
	return 0;
}

int config_diff_listener(const struct conf_listener *before, struct conf_listener *after,
			 config_say_fn say, void *arg)
{
	char where[ADDR_TEXT_MAX + 16];
	int err = 0;

	snprintf(where, sizeof(where), "listener %s: ", after->name);
	for (size_t i = 0; !err && i < config_options_count; i++)
		if (config_options[i].scope == OPTION_LISTENER &&
		    config_options[i].kind != OPTION_APP)
			err = diff_option(&config_options[i], before, after, where, say, arg);
	return err ? err : diff_routes(before, after, say, arg);
}

bool config_same_app(const struct conf_app *before, const struct conf_app *after)
{
	if (before->named || after->named)
		return before->named && after->named && !strcmp(before->name, after->name);
	for (size_t i = 0; i < before->servers.count; i++)
		for (size_t k = 0; k < after->servers.count; k++)
			if (!strcmp(before->servers.set[i].name, after->servers.set[k].name))
				return true;
	return false;
}

int config_diff_app(const struct conf_app *before, struct conf_app *after, config_say_fn say,
		    void *arg)
{
	char where[CONFIG_SERVER_NAME_SIZE + 24];
	int err = 0;

	snprintf(where, sizeof(where), "application %s: ", after->name);
	for (size_t i = 0; !err && i < config_options_count; i++) {
		enum option_scope scope = config_options[i].scope;

		/* The servers of one without an entry are those of `app`. */
		if (scope == OPTION_OF_APP || (scope == OPTION_OF_ENTRY && after->named))
			err = diff_option(&config_options[i], before, after, where, say, arg);
	}
	return err;
}

int config_diff_app_of(const struct conf_listener *before, struct conf_listener *after, bool all,
		       config_say_fn say, void *arg)
{
	char where[ADDR_TEXT_MAX + 16] = "";

	if (!all)
		snprintf(where, sizeof(where), "listener %s: ", after->name);
	return diff_option(option_find("app", strlen("app")), before, after, where, say, arg);
}

static bool same_socket(const struct conf_listener *a, const struct conf_listener *b)
{
	return addr_len(&a->addr) == addr_len(&b->addr) &&
	       !memcmp(&a->addr, &b->addr, addr_len(&a->addr)) &&
	       a->both_families == b->both_families;
}

void config_match_listeners(int *from, const struct conf *before, const struct conf *after)
{
	bool taken[CONFIG_LISTENERS_MAX] = {false};

	for (size_t i = 0; i < after->listeners_count; i++) {
		from[i] = -1;
		for (size_t k = 0; k < before->listeners_count && from[i] < 0; k++) {
			if (taken[k] || !same_socket(&before->listeners[k], &after->listeners[i]))
				continue;
			taken[k] = true;
			from[i] = (int)k;
		}
	}
}
