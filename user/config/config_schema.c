/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a file as a JSON schema. See config_schema.h. */
#include "config/config_schema.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "config/config_file.h"
#include "config/config_keys.h"
#include "config/config_options.h"

/* jansson takes NULL for an element and fails: one check at the end of an object is enough. */
static json_t *closed(json_t *object, int failed)
{
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

/* --- values ----------------------------------------------------------------------------------- */

static json_t *text_schema(void)
{
	return json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
}

/* To YAML, a name or a path may be a number, or true. */
static json_t *word_schema(void)
{
	return json_pack("{s:[s, s, s], s:i}", "type", "string", "number", "boolean", "minLength",
			 1);
}

/* A value of a variable of the environment is known only to kedge. */
#define VARIABLE "\\$\\{"

static json_t *pattern_schema(const char *pattern)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static void put_any_digits(FILE *to, int least, int most)
{
	if (most == 1)
		fputs("[0-9]", to);
	else if (most > 1)
		fprintf(to, least == most ? "[0-9]{%d}" : "[0-9]{1,%d}", most);
}

/* Numbers in quotes are texts to a schema, so their bounds are a pattern: digits up to `max`. */
static void put_up_to(FILE *to, unsigned max)
{
	char digits[16];
	const int n = snprintf(digits, sizeof(digits), "%u", max);

	fputs("(?:", to);
	put_any_digits(to, 1, n - 1);
	fputs(n > 1 ? "|" : "", to);
	for (int i = 0; i < n; i++) {
		const int rest = n - 1 - i;

		if (digits[i] == '0')
			continue;
		fprintf(to, digits[i] == '1' ? "%.*s0" : "%.*s[0-%c]", i, digits, digits[i] - 1);
		put_any_digits(to, rest, rest);
		fputs("|", to);
	}
	fprintf(to, "%s)", digits);
}

/* What decimal_parse() takes within the bounds, and of a range, from and to. */
static char *digits_pattern(const struct option_def *opt)
{
	const bool range = opt->kind == OPTION_RANGE;
	const char *before = range ? "" : "0*", *after = range ? "(?:-|$)" : "$";
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	fputs("^", to);
	for (int i = 0; i <= range; i++) {
		fputs(i ? "(-" : "", to);
		fputs(range ? "(?!0[0-9])" : "", to);
		if (opt->min) {
			fprintf(to, "(?!%s", before);
			put_up_to(to, opt->min - 1);
			fprintf(to, "%s)", after);
		}
		fputs(before, to);
		put_up_to(to, opt->max);
		fputs(i ? ")?" : "", to);
	}
	fputs("$|" VARIABLE, to);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

/* Also in quotes, which kedge does not see. */
static json_t *digits_schema(const struct option_def *opt)
{
	_cleanup_(freep)
	char *pattern = digits_pattern(opt);

	return pattern ? json_pack("{s:[s, s], s:I, s:I, s:s}", "type", "integer", "string",
				   "minimum", (json_int_t)opt->min, "maximum", (json_int_t)opt->max,
				   "pattern", pattern)
		       : NULL;
}

/* Numbers whose digits are octal: to YAML, 0660 is 660. */
static json_t *mode_schema(void)
{
	json_t *any = json_array();
	int failed = json_array_append_new(any, pattern_schema("^0?[0-7]{3}$|" VARIABLE));

	for (int i = 0; i < 64; i++) {
		const int from = 100 * (i / 8) + 10 * (i % 8);

		failed |=
			json_array_append_new(any, json_pack("{s:s, s:i, s:i}", "type", "integer",
							     "minimum", from, "maximum", from + 7));
	}
	return json_pack("{s:o}", "anyOf", closed(any, failed));
}

/* "1.2" is a number to YAML. */
static json_t *words_schema(const struct option_def *opt)
{
	json_t *words = json_array();
	int failed = 0;

	for (int i = 0; opt->words[i]; i++) {
		char *end;
		double number = strtod(opt->words[i], &end);

		failed |= json_array_append_new(words, json_string(opt->words[i]));
		if (!*end)
			failed |= json_array_append_new(words, json_real(number));
	}
	return json_pack("{s:[{s:o}, {s:s, s:s}]}", "anyOf", "enum", closed(words, failed), "type",
			 "string", "pattern", VARIABLE);
}

static json_t *reference(const char *name)
{
	return json_pack("{s:s+}", "$ref", "#/definitions/", name);
}

/* One value, or one of a list. */
static json_t *entry_schema(const struct option_def *opt)
{
	switch (opt->kind) {
	case OPTION_NUMBER:
	case OPTION_RANGE:
		return digits_schema(opt);
	case OPTION_MODE:
		return reference("mode");
	case OPTION_WORD:
	case OPTION_WORDS:
	case OPTION_BOOL:
		return words_schema(opt);
	case OPTION_TEXT:
		if (!strcmp(opt->name, "check-path"))
			return pattern_schema("^/|" VARIABLE);
		if (!strcmp(opt->name, "check-host")) /* no number */
			return json_pack("{s:[s, s], s:i}", "type", "string", "boolean",
					 "minLength", 1);
		return word_schema();
	case OPTION_PATH:
	case OPTION_NAMES:
	case OPTION_CERT:
		return word_schema();
	case OPTION_ADDR:
	case OPTION_APP:
	case OPTION_SERVERS:
	case OPTION_CIDRS:
		break;
	}
	return text_schema();
}

static json_t *list_schema(json_t *entry, json_int_t max)
{
	return json_pack("{s:s, s:o, s:I}", "type", "array", "items", entry, "maxItems", max);
}

/* Each word once. */
static json_t *words_list_schema(const struct option_def *opt)
{
	json_t *list = list_schema(entry_schema(opt), CONFIG_ENTRIES_MAX);

	return closed(list, json_object_set_new(list, "uniqueItems", json_true()));
}

static json_t *either(json_t *one, json_t *other)
{
	return json_pack("{s:[o, o]}", "anyOf", one, other);
}

static json_t *value_schema(const struct option_def *opt)
{
	if (!strcmp(opt->name, "check"))
		return either(entry_schema(opt), reference("check"));
	if (option_may_be_one(opt))
		return either(entry_schema(opt),
			      list_schema(entry_schema(opt), CONFIG_ENTRIES_MAX));
	if (opt->kind == OPTION_WORDS)
		return words_list_schema(opt);
	if (option_has_entries(opt))
		return list_schema(entry_schema(opt), CONFIG_ENTRIES_MAX);
	return entry_schema(opt);
}

/* "Clients of this listener speak TLS. Default: on." */
static json_t *description(const struct option_def *opt)
{
	const char *def = opt->text ? opt->text : opt->without;

	return json_sprintf("%c%s.%s%s%s%s%s%s", option_initial(opt), opt->help + 1,
			    def ? " Default: " : "", def ? def : "",
			    opt->text && opt->unit ? " " : "",
			    opt->text && opt->unit ? opt->unit : "", def ? "." : "",
			    opt->restart ? " A change needs a restart." : "");
}

/* --- mappings --------------------------------------------------------------------------------- */

static json_t *apps_schema(void)
{
	return json_pack("{s:s, s:i, s:{s:s}, s:o, s:s}", "type", "object", "maxProperties",
			 CONFIG_APPS_MAX, "propertyNames", "pattern", "^[A-Za-z0-9._-]{1,63}$",
			 "additionalProperties", reference("app"), "description",
			 "Applications by name. app, here or at a listener, is one of the names.");
}

static json_t *described(json_t *schema, json_t *text)
{
	return closed(schema, json_object_set_new(schema, "description", text));
}

static json_t *key_schema(size_t key)
{
	switch (key) {
	case KEY_CERTS:
		return described(list_schema(reference("cert"), CONFIG_CERTS_MAX),
				 json_string("Certificates with their keys."));
	case KEY_LISTENERS:
		return described(list_schema(reference("listener"), CONFIG_LISTENERS_MAX),
				 json_string("The listeners. Keys at the top level are for all "
					     "that do not say otherwise."));
	case KEY_ROUTES:
		return described(list_schema(reference("route"), CONFIG_ROUTES_MAX),
				 json_string("Applications for some of the names that clients "
					     "ask for by SNI."));
	case KEY_APPS:
		return apps_schema();
	default:
		return described(value_schema(&config_options[key]),
				 description(&config_options[key]));
	}
}

/* What each mapping of a level has; the others inherit or have defaults. */
static json_t *required(enum config_level level)
{
	switch (level) {
	case LEVEL_LISTENER:
		return json_pack("[s]", "listen");
	case LEVEL_ROUTE:
		return json_pack("[s]", "names");
	case LEVEL_CERT:
		return json_pack("[s, s]", "cert", "key");
	case LEVEL_APP:
		return json_pack("[s]", "servers");
	case LEVEL_TOP:
	case LEVEL_CHECK:
		break;
	}
	return json_array();
}

static json_t *level_schema(enum config_level level)
{
	json_t *keys = json_object();
	int failed = 0;

	for (size_t key = 0; key < KEYS_MAX; key++) {
		const char *name = key_name(level, key);

		if (name)
			failed |= json_object_set_new(keys, name, key_schema(key));
	}
	return json_pack("{s:s, s:b, s:i, s:o, s:o}", "type", "object", "additionalProperties", 0,
			 "minProperties", level != LEVEL_TOP, "required", required(level),
			 "properties", closed(keys, failed));
}

static json_t *whole_schema(void)
{
	json_t *whole =
		json_pack("{s:s, s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#",
			  "title", "kedge.yaml", "description",
			  "Configuration of kedge. Printed by: kedge check --schema");
	json_t *top = level_schema(LEVEL_TOP);
	json_t *parts = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "listener",
				  level_schema(LEVEL_LISTENER), "route", level_schema(LEVEL_ROUTE),
				  "cert", level_schema(LEVEL_CERT), "app", level_schema(LEVEL_APP),
				  "check", level_schema(LEVEL_CHECK), "mode", mode_schema());
	int failed = json_object_update(whole, top);

	json_decref(top);
	return closed(whole, failed | json_object_set_new(whole, "definitions", parts));
}

int config_write_schema(FILE *to)
{
	json_t *whole = whole_schema();
	int err;

	if (!whole)
		return -ENOMEM;
	err = json_dumpf(whole, to, JSON_INDENT(2)) < 0 || putc('\n', to) == EOF ? -EIO : 0;
	json_decref(whole);
	return err;
}
