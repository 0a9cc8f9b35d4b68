/* SPDX-License-Identifier: BSD-2-Clause */
/* The events of a YAML file, by libyaml. See config_yaml.h. */
#include "config/config_yaml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int cursor_open(struct cursor *c, const char *file, const uint8_t *bytes, size_t len,
		struct mistakes *m)
{
	*c = (struct cursor){.file = file, .bytes = bytes, .len = len, .m = m};
	if (!yaml_parser_initialize(&c->parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&c->parser, bytes, len);
	return 0;
}

void cursor_close(struct cursor *c)
{
	yaml_event_delete(&c->event);
	yaml_parser_delete(&c->parser);
}

struct place cursor_place(struct cursor *c)
{
	return (struct place){
		.file = c->file, .line = (int)c->event.start_mark.line + 1, .path = c->path};
}

/* libyaml's reader gives only the offset of its problem. */
static int problem_line(const struct cursor *c)
{
	const yaml_parser_t *p = &c->parser;
	int line = 1;

	if (p->error != YAML_READER_ERROR)
		return (int)p->problem_mark.line + 1;
	for (size_t i = 0; i < p->problem_offset && i < c->len; i++)
		line += c->bytes[i] == '\n';
	return line;
}

int cursor_next(struct cursor *c)
{
	const yaml_parser_t *p = &c->parser;
	struct place at = {.file = c->file};

	yaml_event_delete(&c->event);
	if (!yaml_parser_parse(&c->parser, &c->event)) {
		memset(&c->event, 0, sizeof(c->event));
		if (p->error == YAML_MEMORY_ERROR)
			return -ENOMEM;
		at.line = problem_line(c);
		mistake(c->m, &at, "not YAML: %s%s%s", p->problem ? p->problem : "unknown problem",
			p->context ? " " : "", p->context ? p->context : "");
		return -EINVAL;
	}
	if (c->event.type == YAML_ALIAS_EVENT) {
		at = cursor_place(c);
		mistake(c->m, &at, "aliases (*name) are not read: write the value out");
		return -EINVAL;
	}
	return 0;
}

int cursor_skip(struct cursor *c)
{
	int depth = 0, err;

	for (;;) {
		if (c->event.type == YAML_MAPPING_START_EVENT ||
		    c->event.type == YAML_SEQUENCE_START_EVENT)
			depth++;
		if (c->event.type == YAML_MAPPING_END_EVENT ||
		    c->event.type == YAML_SEQUENCE_END_EVENT)
			depth--;
		if (depth > CURSOR_DEPTH_MAX) {
			struct place at = cursor_place(c);

			mistake(c->m, &at, "nested too deeply");
			return -EINVAL;
		}
		if (depth == 0)
			return 0;
		err = cursor_next(c);
		if (err)
			return err;
	}
}

bool cursor_is(const struct cursor *c, enum cursor_kind kind)
{
	switch (kind) {
	case CURSOR_KEYS:
		return c->event.type == YAML_MAPPING_START_EVENT;
	case CURSOR_LIST:
		return c->event.type == YAML_SEQUENCE_START_EVENT;
	case CURSOR_VALUE:
		return c->event.type == YAML_SCALAR_EVENT;
	}
	return false;
}

const char *cursor_kind_name(enum cursor_kind kind)
{
	static const char *const names[] = {"one value", "a list", "keys with values"};

	return names[kind];
}

const char *cursor_event_name(const struct cursor *c)
{
	if (cursor_is(c, CURSOR_KEYS))
		return cursor_kind_name(CURSOR_KEYS);
	if (cursor_is(c, CURSOR_LIST))
		return cursor_kind_name(CURSOR_LIST);
	return c->event.data.scalar.length ? cursor_kind_name(CURSOR_VALUE) : "nothing";
}

size_t cursor_enter_key(struct cursor *c, const char *key)
{
	size_t len = strlen(c->path);

	snprintf(c->path + len, sizeof(c->path) - len, "%s%.*s", len ? "." : "", CURSOR_KEY_MAX,
		 key);
	return len;
}

size_t cursor_enter_entry(struct cursor *c, unsigned index)
{
	size_t len = strlen(c->path);

	snprintf(c->path + len, sizeof(c->path) - len, "[%u]", index);
	return len;
}

void cursor_leave(struct cursor *c, size_t path_len)
{
	c->path[path_len] = '\0';
}
