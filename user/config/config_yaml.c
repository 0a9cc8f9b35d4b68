/* SPDX-License-Identifier: BSD-2-Clause */
/* The events of a YAML file, by libyaml. See config_yaml.h. */
#include "config/config_yaml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A value is quoted in a message if it is shorter. */
#define QUOTE_MAX 64

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

/* --- values that need quotes ------------------------------------------------------------------ */

/* A value as it is written, without its quotes. */
struct written {
	const uint8_t *at;
	size_t len;
};

/* The offset of a mark in the text; its column counts characters. */
static size_t mark_offset(const struct cursor *c, const yaml_mark_t *mark)
{
	size_t at = 0;

	for (size_t line = 0; line < mark->line && at < c->len; at++)
		line += c->bytes[at] == '\n';
	for (size_t column = 0; column < mark->column && at < c->len; column++)
		do
			at++;
		while (at < c->len && (c->bytes[at] & 0xc0) == 0x80);
	return at;
}

/* How many bytes from `at` on are of this set. */
static size_t span(const struct cursor *c, size_t at, const char *set)
{
	size_t n = 0;

	while (at + n < c->len && c->bytes[at + n] && strchr(set, c->bytes[at + n]))
		n++;
	return n;
}

static size_t span_until(const struct cursor *c, size_t at, const char *set)
{
	size_t n = 0;

	while (at + n < c->len && !strchr(set, c->bytes[at + n]))
		n++;
	return n;
}

/* An IPv6 address and its port, as they are written without quotes: libyaml reads a list. */
static bool bracketed_at(const struct cursor *c, size_t problem, struct written *w)
{
	static const char digits[] = "0123456789abcdefABCDEF:.";
	size_t begin = problem, address;

	while (begin && c->bytes[begin - 1] && strchr(digits, c->bytes[begin - 1]))
		begin--;
	address = span(c, begin, digits);
	if (!begin || c->bytes[begin - 1] != '[' || address < 2 ||
	    span(c, begin + address, "]") == 0)
		return false;
	w->at = c->bytes + begin - 1;
	w->len = 2 + address + span(c, begin + address + 1, digits);
	return true;
}

/* The error is about a value that begins with what means something to YAML. */
static bool needs_quotes(const struct cursor *c, struct written *w)
{
	const yaml_parser_t *p = &c->parser;
	const bool name = p->context && (!strcmp(p->context, "while scanning an alias") ||
					 !strcmp(p->context, "while scanning an anchor"));
	size_t at = mark_offset(c, name ? &p->context_mark : &p->problem_mark);

	if (p->error == YAML_PARSER_ERROR)
		return bracketed_at(c, at, w);
	if (p->error != YAML_SCANNER_ERROR || !span(c, at, name ? "*&" : "%@`"))
		return false;
	w->at = c->bytes + at;
	w->len = span_until(c, at, " \t\r\n,]}");
	return true;
}

/* Nothing but a comment, or the rest of a list, comes after it; and quotes do not change it. */
static bool is_whole(const struct cursor *c, const struct written *w)
{
	size_t at = (size_t)(w->at - c->bytes) + w->len;

	at += span(c, at, " \t");
	if (at < c->len && !strchr("\r\n#,]}", c->bytes[at]))
		return false;
	for (size_t i = 0; i < w->len; i++)
		if (w->at[i] <= ' ' || w->at[i] > '~' || w->at[i] == '"' || w->at[i] == '\\')
			return false;
	return w->len < QUOTE_MAX;
}

static void quote_hint(const struct cursor *c, char hint[QUOTE_MAX + 32])
{
	struct written w;

	*hint = '\0';
	if (!needs_quotes(c, &w))
		return;
	if (is_whole(c, &w))
		snprintf(hint, QUOTE_MAX + 32, "; quote it: \"%.*s\"", (int)w.len,
			 (const char *)w.at);
	else
		snprintf(hint, QUOTE_MAX + 32, "; quote the value");
}

/* What is not read of YAML, though it is YAML. NULL: all is read. */
static const char *unread(const yaml_event_t *event)
{
	if (event->type == YAML_ALIAS_EVENT)
		return "aliases (*name) are not read: write the value out, or quote it";
	if (event->type != YAML_SCALAR_EVENT || event->data.scalar.length ||
	    event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return NULL;
	if (event->data.scalar.tag)
		return "a tag (!name) without a value: quote a value that begins with !";
	return event->data.scalar.anchor
		       ? "an anchor (&name) without a value: quote a value that begins with &"
		       : NULL;
}

/* --- events ----------------------------------------------------------------------------------- */

int cursor_next(struct cursor *c)
{
	const yaml_parser_t *p = &c->parser;
	struct place at = {.file = c->file};
	char hint[QUOTE_MAX + 32];
	const char *why;

	yaml_event_delete(&c->event);
	if (!yaml_parser_parse(&c->parser, &c->event)) {
		memset(&c->event, 0, sizeof(c->event));
		if (p->error == YAML_MEMORY_ERROR)
			return -ENOMEM;
		at.line = problem_line(c);
		quote_hint(c, hint);
		mistake(c->m, &at, "not YAML: %s%s%s%s",
			p->problem ? p->problem : "unknown problem", p->context ? " " : "",
			p->context ? p->context : "", hint);
		return -EINVAL;
	}
	why = unread(&c->event);
	if (why) {
		at = cursor_place(c);
		mistake(c->m, &at, "%s", why);
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
