/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Structure and lines of a YAML file, from libyaml's events. Knows the schema it is given and
 * nothing of options. Recursion is as deep as the schema; what the schema does not know is skipped
 * without recursion.
 *
 * The functions stand at the first event of what they read and leave at its last one. They return
 * 0; -EINVAL after a mistake that ends the reading; -ENOMEM.
 */
#include "config/config_yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"

/* "listeners[255].certs[63]." and a key that is cut short. */
#define SCAN_PATH_MAX  160
/* Nesting of what is skipped; libyaml's time grows with its square. */
#define SCAN_DEPTH_MAX 32
/* Keys of one mapping in the schema, as bits. */
#define SCAN_KEYS_MAX  64

struct scan {
	yaml_parser_t parser;
	yaml_event_t event; /* the one being looked at */
	const char *file;
	const uint8_t *bytes;
	struct mistakes *m;
	struct yaml_lines *lines;
	bool no_load; /* a mistake at which libcyaml would stop */
	char path[SCAN_PATH_MAX];
};

static int scan_value(struct scan *s, const cyaml_schema_value_t *schema);

static void scan_end(struct scan *s)
{
	yaml_event_delete(&s->event);
	yaml_parser_delete(&s->parser);
}

static struct place here(struct scan *s)
{
	return (struct place){
		.file = s->file, .line = (int)s->event.start_mark.line + 1, .path = s->path};
}

/* libyaml's reader gives the offset of its problem only. */
static int problem_line(const struct scan *s)
{
	const yaml_parser_t *p = &s->parser;
	int line = 1;

	if (p->error != YAML_READER_ERROR)
		return (int)p->problem_mark.line + 1;
	for (size_t i = 0; i < p->problem_offset; i++)
		line += s->bytes[i] == '\n';
	return line;
}

/* Moves on to the next event. */
static int scan_next(struct scan *s)
{
	const yaml_parser_t *p = &s->parser;
	struct place at = {.file = s->file};

	yaml_event_delete(&s->event);
	if (!yaml_parser_parse(&s->parser, &s->event)) {
		memset(&s->event, 0, sizeof(s->event));
		if (p->error == YAML_MEMORY_ERROR)
			return -ENOMEM;
		at.line = problem_line(s);
		mistake(s->m, &at, "not YAML: %s%s%s", p->problem ? p->problem : "unknown problem",
			p->context ? " " : "", p->context ? p->context : "");
		return -EINVAL;
	}
	if (s->event.type == YAML_ALIAS_EVENT) {
		at = here(s);
		mistake(s->m, &at, "aliases (*name) are not read: write the value out");
		return -EINVAL;
	}
	return 0;
}

static int keep_line(struct scan *s)
{
	_cleanup_(freep)
	char *path = strdup(s->path);
	struct yaml_line *grown;

	grown = path ? reallocarray(s->lines->at, s->lines->count + 1, sizeof(*grown)) : NULL;
	if (!grown)
		return -ENOMEM;
	s->lines->at = grown;
	grown[s->lines->count].line = (int)s->event.start_mark.line + 1;
	grown[s->lines->count++].path = take_ptr(path);
	return 0;
}

static int skip_value(struct scan *s)
{
	int depth = 0, err;

	for (;;) {
		if (s->event.type == YAML_MAPPING_START_EVENT ||
		    s->event.type == YAML_SEQUENCE_START_EVENT)
			depth++;
		if (s->event.type == YAML_MAPPING_END_EVENT ||
		    s->event.type == YAML_SEQUENCE_END_EVENT)
			depth--;
		if (depth > SCAN_DEPTH_MAX) {
			struct place at = here(s);

			mistake(s->m, &at, "nested too deeply");
			return -EINVAL;
		}
		if (depth == 0)
			return 0;
		err = scan_next(s);
		if (err)
			return err;
	}
}

static const char *kind_name(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_MAPPING_START_EVENT:
		return "keys with values";
	case YAML_SEQUENCE_START_EVENT:
		return "a list";
	default:
		return event->data.scalar.length ? "one value" : "nothing";
	}
}

static const char *schema_name(const cyaml_schema_value_t *schema)
{
	switch (schema->type) {
	case CYAML_MAPPING:
		return "keys with values";
	case CYAML_SEQUENCE:
		return "a list";
	default:
		return "one value";
	}
}

static bool fits(const yaml_event_t *event, const cyaml_schema_value_t *schema)
{
	switch (schema->type) {
	case CYAML_MAPPING:
		return event->type == YAML_MAPPING_START_EVENT;
	case CYAML_SEQUENCE:
		return event->type == YAML_SEQUENCE_START_EVENT;
	default:
		return event->type == YAML_SCALAR_EVENT;
	}
}

static int scan_sequence(struct scan *s, const cyaml_schema_value_t *schema)
{
	size_t path_len = strlen(s->path);
	struct place at;
	int err;

	for (uint32_t i = 0;; i++) {
		err = scan_next(s);
		if (err || s->event.type == YAML_SEQUENCE_END_EVENT)
			return err;
		snprintf(s->path + path_len, sizeof(s->path) - path_len, "[%u]", i);
		if (i == schema->sequence.max) {
			at = here(s);
			mistake(s->m, &at, "more than %u entries", i);
			return -EINVAL;
		}
		err = scan_value(s, schema->sequence.entry);
		if (err)
			return err;
		s->path[path_len] = '\0';
	}
}

/* The field that the event's key names; NULL when there is none. */
static const cyaml_schema_field_t *find_field(const struct scan *s,
					      const cyaml_schema_field_t *fields)
{
	const char *key = (const char *)s->event.data.scalar.value;

	for (; fields->key; fields++)
		if (strlen(fields->key) == s->event.data.scalar.length &&
		    !memcmp(fields->key, key, s->event.data.scalar.length))
			return fields;
	return NULL;
}

static void say_unknown_key(struct scan *s, const cyaml_schema_field_t *fields)
{
	struct place at = here(s);
	char known[5 * WHY_MAX];
	size_t len = 0;

	for (; fields->key && len < sizeof(known); fields++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "",
					fields->key);
	mistake(s->m, &at, "unknown key; known are %s", known);
}

/* One key; its value follows. `seen` has a bit for every field. */
static int scan_key(struct scan *s, const cyaml_schema_field_t *fields, uint64_t *seen)
{
	const cyaml_schema_field_t *field;
	size_t path_len = strlen(s->path);
	struct place at = here(s);
	int err;

	if (s->event.type != YAML_SCALAR_EVENT) {
		mistake(s->m, &at, "a key must be one word, not %s", kind_name(&s->event));
		return -EINVAL;
	}
	snprintf(s->path + path_len, sizeof(s->path) - path_len, "%s%.64s", path_len ? "." : "",
		 (const char *)s->event.data.scalar.value);
	field = find_field(s, fields);
	if (!field)
		say_unknown_key(s, fields);
	if (field && *seen & 1ull << (field - fields)) {
		mistake(s->m, &at, "given twice");
		s->no_load = true;
	}
	if (field)
		*seen |= 1ull << (field - fields);
	err = scan_next(s);
	if (err)
		return err;
	err = field ? scan_value(s, &field->value) : skip_value(s);
	s->path[path_len] = '\0';
	return err;
}

static int scan_mapping(struct scan *s, const cyaml_schema_value_t *schema)
{
	uint64_t seen = 0;
	int err;

	for (;;) {
		err = scan_next(s);
		if (err || s->event.type == YAML_MAPPING_END_EVENT)
			return err;
		err = scan_key(s, schema->mapping.fields, &seen);
		if (err)
			return err;
	}
}

static int scan_value(struct scan *s, const cyaml_schema_value_t *schema)
{
	struct place at = here(s);
	int err;

	err = keep_line(s);
	if (err)
		return err;
	if (!fits(&s->event, schema)) {
		mistake(s->m, &at, "must be %s, not %s", schema_name(schema), kind_name(&s->event));
		s->no_load = true;
		return skip_value(s);
	}
	if (schema->type == CYAML_MAPPING)
		return scan_mapping(s, schema);
	if (schema->type == CYAML_SEQUENCE)
		return scan_sequence(s, schema);
	if (memchr(s->event.data.scalar.value, '\0', s->event.data.scalar.length)) {
		mistake(s->m, &at, "has a NUL character in it");
		s->no_load = true;
	}
	return 0;
}

/* The events around the first document, and that there is only one. Returns as config_scan(). */
static int scan_stream(struct scan *s, const cyaml_schema_value_t *schema)
{
	struct place at;
	int err;

	err = scan_next(s);             /* the stream */
	err = err ? err : scan_next(s); /* the document, or the end */
	if (err || s->event.type == YAML_STREAM_END_EVENT)
		return err;
	err = scan_next(s);
	if (err)
		return err;
	if (s->event.type == YAML_SCALAR_EVENT && !s->event.data.scalar.length)
		s->no_load = true; /* "---" and nothing */
	else
		err = scan_value(s, schema);
	err = err ? err : scan_next(s); /* the end of the document */
	err = err ? err : scan_next(s);
	if (err || s->event.type == YAML_STREAM_END_EVENT)
		return err ? err : !s->no_load;
	at = here(s);
	mistake(s->m, &at, "a second document: one file is one document");
	return 0;
}

static int compare_lines(const void *a, const void *b)
{
	const struct yaml_line *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int config_scan(struct yaml_lines *lines, const cyaml_schema_value_t *schema, const char *file,
		const uint8_t *bytes, size_t len, struct mistakes *m)
{
	_cleanup_(scan_end)
	struct scan s = {.file = file, .bytes = bytes, .m = m, .lines = lines};
	int err;

	if (!yaml_parser_initialize(&s.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&s.parser, bytes, len);
	err = scan_stream(&s, schema);
	if (lines->count)
		qsort(lines->at, lines->count, sizeof(*lines->at), compare_lines);
	return err == -EINVAL ? 0 : err;
}

int yaml_lines_find(const struct yaml_lines *lines, const char *path)
{
	const struct yaml_line key = {.path = (char *)path}, *found = NULL;

	if (lines->count)
		found = bsearch(&key, lines->at, lines->count, sizeof(key), compare_lines);
	return found ? found->line : 0;
}

void yaml_lines_clear(struct yaml_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->at[i].path);
	free(lines->at);
	*lines = (struct yaml_lines){0};
}
