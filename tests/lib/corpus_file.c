/* SPDX-License-Identifier: BSD-2-Clause */
#include "corpus_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void corpus_bad(const struct corpus_file *f, const char *why, const char *what)
{
	fprintf(stderr, "%s:%u: %s: %s\n", f->path, f->line, why, what);
	abort();
}

unsigned corpus_choose(const struct corpus_file *f, const char *const *names, size_t n,
		       const char *value)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(names[i], value))
			return i;
	corpus_bad(f, "unknown value", value);
}

uint32_t corpus_number(const struct corpus_file *f, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (end == value || *end || n > UINT32_MAX)
		corpus_bad(f, "no number", value);
	return (uint32_t)n;
}

static int is_case(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

char **corpus_names(const char *dir, size_t *count)
{
	struct dirent **list;
	char **names;
	int n = scandir(dir, &list, is_case, alphasort);

	if (n < 0) {
		perror(dir);
		abort();
	}
	names = calloc((size_t)n + 1, sizeof(*names));
	for (int i = 0; i < n; i++) {
		if (!names || !(names[i] = strdup(list[i]->d_name)))
			abort();
		free(list[i]);
	}
	free(list);
	*count = (size_t)n;
	return names;
}

static void read_key(struct corpus_file *f, char *line)
{
	char *value = strchr(line, ':');

	if (!value)
		corpus_bad(f, "neither data (a tab first) nor KEY: VALUE", line);
	*value++ = 0;
	f->key(f, line, value + strspn(value, " "));
}

void corpus_read(struct corpus_file *f, const char *dir, const char *name)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file;

	if (asprintf(&f->path, "%s/%s", dir, name) < 0)
		abort();
	f->line = 0;
	file = fopen(f->path, "re");
	if (!file)
		corpus_bad(f, "cannot be opened", name);
	while (getline(&line, &size, file) >= 0) {
		f->line++;
		line[strcspn(line, "\n")] = 0;
		if (*line == '\t')
			f->data(f, line + 1);
		else if (*line && *line != '#')
			read_key(f, line);
	}
	fclose(file);
	free(line);
}
