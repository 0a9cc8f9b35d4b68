/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: a cursor over the events of a YAML file. It reports what is not YAML, and what kedge
 * does not read of YAML. It knows nothing of options.
 *
 * The functions that return int return 0; -EINVAL after a mistake that ends the reading; -ENOMEM.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "config/config_mistakes.h"

/* "listeners[255].certs[63]." and a key, which is cut to CURSOR_KEY_MAX. */
#define CURSOR_PATH_MAX  160
#define CURSOR_KEY_MAX   64
/* Nesting of what is skipped. libyaml's time grows with its square. */
#define CURSOR_DEPTH_MAX 32

enum cursor_kind { CURSOR_VALUE, CURSOR_LIST, CURSOR_KEYS };

struct cursor {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	const char *file;
	const uint8_t *bytes;
	size_t len;
	struct mistakes *m;
	char path[CURSOR_PATH_MAX]; /* of the value at the cursor: "listeners[0].trust[1]" */
};

/* Before the first event. `file` and `bytes` are borrowed. Close it also after a failure. */
int cursor_open(struct cursor *c, const char *file, const uint8_t *bytes, size_t len,
		struct mistakes *m);
void cursor_close(struct cursor *c);

/* To the next event. An alias is a mistake: no event is one. */
int cursor_next(struct cursor *c);

/* From the first event of a value to its last one. */
int cursor_skip(struct cursor *c);

/* The event is a value of this kind. */
bool cursor_is(const struct cursor *c, enum cursor_kind kind);

/* "one value", "a list", "keys with values"; "nothing" for an empty value. */
const char *cursor_kind_name(enum cursor_kind kind);
const char *cursor_event_name(const struct cursor *c);

/* File, line and path of the event. The path is borrowed from the cursor. */
struct place cursor_place(struct cursor *c);

/*
 * Each appends to the path and returns its length before, for cursor_leave(). A path that has no
 * room for it is cut.
 */
size_t cursor_enter_key(struct cursor *c, const char *key);
size_t cursor_enter_entry(struct cursor *c, unsigned index);
void cursor_leave(struct cursor *c, size_t path_len);
