/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only, private to config_yaml.c and config_scan.c.
 *
 * The file is read twice. config_scan.c goes over the YAML events with the schema in its hand: it
 * finds every mistake of structure, where libcyaml stops at the first, and keeps the line of every
 * value, which libcyaml does not give. Then config_yaml.c has libcyaml load the values.
 */
#pragma once

#include <cyaml/cyaml.h>

#include "config/config_private.h"

/* Lines of the file by path ("listeners[0].trust[1]"), sorted by path. */
struct yaml_lines {
	struct yaml_line {
		char *path; /* owned */
		int line;   /* from 1 */
	} * at;
	size_t count;
};

/*
 * Compares bytes with a schema of mappings, sequences and strings. Mistakes are counted. Returns 1
 * when libcyaml can load it (unknown keys were mistakes, but can be left out), 0 when there is
 * nothing in it or nothing that could be loaded, -ENOMEM.
 */
int config_scan(struct yaml_lines *lines, const cyaml_schema_value_t *schema, const char *file,
		const uint8_t *bytes, size_t len, struct mistakes *m);

/* The line of a value; 0 when there is none of this path. */
int yaml_lines_find(const struct yaml_lines *lines, const char *path);
void yaml_lines_clear(struct yaml_lines *lines);
