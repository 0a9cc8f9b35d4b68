/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file into settings: a schema made of the table of options, the values loaded by libcyaml as
 * strings. Strings, because libcyaml takes anything but "false" and its like for true, and because
 * its messages do not say what is allowed; what a text may be is option_set()'s to say.
 */
#include "config/config_yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Certificates of one listener, entries of one list: far above any use, so that a file can not ask
 * for much more memory than it has bytes. */
#define CERTS_MAX   64
#define ENTRIES_MAX 4096

/* A mapping as loaded: one value for each option, by its row in the table, and the two keys that
 * hold further mappings. All kinds of mapping have the same shape. */
#define ROWS_MAX 96

struct raw_map {
	struct raw_value {
		char *text;
		char **list;
		uint32_t list_count;
	} values[ROWS_MAX];
	struct raw_map *listeners, *certs;
	uint32_t listeners_count, certs_count;
};

struct schema {
	cyaml_schema_value_t text, cert, listener, top;
	cyaml_schema_field_t cert_fields[ROWS_MAX], listener_fields[ROWS_MAX], top_fields[ROWS_MAX];
};

static cyaml_schema_field_t option_field(const struct schema *schema, size_t row)
{
	const struct option_def *opt = &config_options[row];
	uint32_t base =
		(uint32_t)(offsetof(struct raw_map, values) + row * sizeof(struct raw_value));
	cyaml_schema_field_t field = {.key = opt->name};

	if (!option_has_entries(opt)) {
		field.data_offset = base + (uint32_t)offsetof(struct raw_value, text);
		field.value = schema->text;
		return field;
	}
	field.data_offset = base + (uint32_t)offsetof(struct raw_value, list);
	field.count_offset = base + (uint32_t)offsetof(struct raw_value, list_count);
	field.count_size = sizeof(((struct raw_value *)0)->list_count);
	field.value = (cyaml_schema_value_t){CYAML_VALUE_SEQUENCE(
		CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char *, &schema->text, 0, ENTRIES_MAX)};
	return field;
}

/* Which mappings a key may stand in. A pair's parts stand in a mapping of their own. */
static void make_fields(struct schema *schema)
{
	cyaml_schema_field_t *cert = schema->cert_fields, *listener = schema->listener_fields,
			     *top = schema->top_fields;

	for (size_t row = 0; row < config_options_count; row++) {
		const struct option_def *opt = &config_options[row];
		cyaml_schema_field_t field = option_field(schema, row);

		if (opt->kind == OPTION_CERT) {
			*cert++ = field;
			continue;
		}
		if (opt->scope != OPTION_GLOBAL)
			*listener++ = field;
		if (opt->scope != OPTION_LISTEN)
			*top++ = field;
	}
	*listener++ = *top++ = (cyaml_schema_field_t)CYAML_FIELD_SEQUENCE_COUNT(
		"certs", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_map, certs,
		certs_count, &schema->cert, 0, CERTS_MAX);
	*top++ = (cyaml_schema_field_t)CYAML_FIELD_SEQUENCE_COUNT(
		"listeners", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_map, listeners,
		listeners_count, &schema->listener, 0, CONFIG_LISTENERS_MAX);
}

static void make_schema(struct schema *schema)
{
	*schema = (struct schema){0};
	schema->text = (cyaml_schema_value_t){CYAML_VALUE_STRING(
		CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 0, CYAML_UNLIMITED)};
	schema->cert = (cyaml_schema_value_t){
		CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_map, schema->cert_fields)};
	schema->listener = (cyaml_schema_value_t){
		CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_map, schema->listener_fields)};
	schema->top = (cyaml_schema_value_t){
		CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_map, schema->top_fields)};
	make_fields(schema);
}

/* What one mapping's values become. */
struct taking {
	struct source *src;
	const char *file;
	const struct yaml_lines *lines;
	struct mistakes *m;
	int listener;
	size_t pair;
};

static int take_text(const struct taking *t, size_t row, const char *text, char *path)
{
	struct setting written = {
		.opt = &config_options[row],
		.listener = t->listener,
		.pair = t->pair,
		.text = (char *)text,
		.place = {.file = t->file, .line = yaml_lines_find(t->lines, path), .path = path},
	};

	return source_add_setting(t->src, &written);
}

static int take_list(const struct taking *t, size_t row, const struct raw_value *value,
		     const char *path)
{
	char entry[128];
	int err = 0;

	if (!value->list_count)
		return take_text(t, row, NULL, (char *)path);
	for (uint32_t i = 0; i < value->list_count && !err; i++) {
		snprintf(entry, sizeof(entry), "%s[%u]", path, i);
		err = take_text(t, row, value->list[i], entry);
	}
	return err;
}

/* The values of one mapping; its keys are called prefix and their name. */
static int take_values(const struct taking *t, const struct raw_map *map, const char *prefix)
{
	char path[96];
	int err = 0;

	for (size_t row = 0; row < config_options_count && !err; row++) {
		const struct raw_value *value = &map->values[row];

		snprintf(path, sizeof(path), "%s%s", prefix, config_options[row].name);
		if (value->text)
			err = take_text(t, row, value->text, path);
		else if (option_has_entries(&config_options[row]) &&
			 yaml_lines_find(t->lines, path))
			err = take_list(t, row, value, path);
	}
	return err;
}

/* An entry of certs without anything in it makes no setting; all others are judged with the rest.
 */
static void check_cert_entry(const struct taking *t, char *path, size_t settings_before)
{
	const struct place at = {
		.file = t->file, .line = yaml_lines_find(t->lines, path), .path = path};

	if (t->src->count == settings_before)
		mistake(t->m, &at, "has neither cert nor key");
}

static int take_map(const struct taking *t, const struct raw_map *map, const char *prefix)
{
	struct taking pair = *t;
	char path[64], entry[66];
	int err;

	err = take_values(t, map, prefix);
	for (uint32_t i = 0; i < map->certs_count && !err; i++) {
		size_t before = t->src->count;

		pair.pair = i;
		snprintf(path, sizeof(path), "%scerts[%u]", prefix, i);
		snprintf(entry, sizeof(entry), "%s.", path);
		err = take_values(&pair, &map->certs[i], entry);
		check_cert_entry(t, path, before);
	}
	return err;
}

static int take_all(struct source *src, const char *file, const struct yaml_lines *lines,
		    const struct raw_map *map, struct mistakes *m)
{
	struct taking t = {.src = src, .file = file, .lines = lines, .m = m, .listener = -1};
	char path[32], prefix[34];
	int err;

	err = take_map(&t, map, "");
	for (uint32_t i = 0; i < map->listeners_count && !err; i++) {
		struct place at = {.file = file, .path = path};

		snprintf(path, sizeof(path), "listeners[%u]", i);
		snprintf(prefix, sizeof(prefix), "%s.", path);
		at.line = yaml_lines_find(lines, path);
		t.listener = (int)i;
		err = source_add_listener(src, &at);
		err = err ? err : take_map(&t, &map->listeners[i], prefix);
	}
	return err;
}

/* Keeps libcyaml's first complaint; the scan has left it nothing that it should complain of. */
struct complaint {
	char text[WHY_MAX];
};

static void keep_complaint(cyaml_log_t level, void *ctx, const char *fmt, va_list ap)
{
	struct complaint *c = ctx;

	if (level >= CYAML_LOG_ERROR && !c->text[0])
		vsnprintf(c->text, sizeof(c->text), fmt, ap);
	c->text[strcspn(c->text, "\n")] = '\0';
}

/* Loads what the scan has passed. */
static int load_values(struct source *src, const char *file, const struct yaml_lines *lines,
		       const struct schema *schema, const uint8_t *bytes, size_t len,
		       struct mistakes *m)
{
	struct complaint complaint = {0};
	const cyaml_config_t config = {
		.log_fn = keep_complaint,
		.log_ctx = &complaint,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS | CYAML_CFG_IGNORE_UNKNOWN_KEYS,
	};
	struct place at = {.file = file};
	struct raw_map *map = NULL;
	cyaml_err_t failed;
	int err;

	failed = cyaml_load_data(bytes, len, &config, &schema->top, (void **)&map, NULL);
	if (failed == CYAML_ERR_OOM)
		return -ENOMEM;
	if (failed) {
		mistake(m, &at, "%s", complaint.text[0] ? complaint.text : cyaml_strerror(failed));
		return 1;
	}
	err = map ? take_all(src, file, lines, map, m) : 0;
	cyaml_free(&config, &schema->top, map, 0);
	return err;
}

int config_read_yaml(struct source *src, const char *file, const uint8_t *bytes, size_t len,
		     struct mistakes *m)
{
	_cleanup_(yaml_lines_clear)
	struct yaml_lines lines = {0};
	unsigned before = m->count;
	struct schema schema;
	int loadable;

	/* Two keys more than options, and the end, in every array of fields. */
	if (config_options_count + 3 > ROWS_MAX)
		return -E2BIG;
	make_schema(&schema);
	loadable = config_scan(&lines, &schema.top, file, bytes, len, m);
	if (loadable <= 0)
		return loadable ? loadable : m->count > before;
	return load_values(src, file, &lines, &schema, bytes, len, m);
}

/* Reads the whole file. Returns 0; 1 after a mistake; -ENOMEM. */
static int slurp(uint8_t **out, size_t *len, const char *file, struct mistakes *m)
{
	_cleanup_(freep)
	uint8_t *bytes = malloc(CONFIG_BYTES_MAX + 1);
	_cleanup_(close_fdp)
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	const struct place at = {.file = file};
	size_t have = 0;
	ssize_t n = fd < 0 ? -1 : 1;

	if (!bytes)
		return -ENOMEM;
	while (n > 0 && have <= CONFIG_BYTES_MAX) {
		n = read(fd, bytes + have, CONFIG_BYTES_MAX + 1 - have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (n < 0) {
		mistake(m, &at, "can not be read: %s", strerrordesc_np(errno));
		return 1;
	}
	if (have > CONFIG_BYTES_MAX) {
		mistake(m, &at, "larger than %u bytes: not a configuration", CONFIG_BYTES_MAX);
		return 1;
	}
	*out = take_ptr(bytes);
	*len = have;
	return 0;
}

int config_read_file(struct source *src, const char *file, struct mistakes *m)
{
	_cleanup_(freep)
	uint8_t *bytes = NULL;
	size_t len = 0;
	int err;

	err = slurp(&bytes, &len, file, m);
	if (err)
		return err;
	return config_read_yaml(src, file, bytes, len, m);
}
