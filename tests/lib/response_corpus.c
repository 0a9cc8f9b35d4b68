/* SPDX-License-Identifier: BSD-2-Clause */
#include "response_corpus.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const standings[] = {"between", "head", "body", "waiting", NULL};
static const char *const events[] = {"quiet",   "switched", "declined", "refused",
				     "unasked", "stray",    NULL};
static const char *const states[] = {"line",    "fields", "body",   "chunk", "chunk-end",
				     "trailer", "to-end", "tunnel", "lost",  NULL};
static const char *const answers[] = {"no", "yes", NULL};

_Static_assert(RESPONSE_STRAY == 5 && RESPONSE_LOST == 8 && KEDGE_WAITING == 3, "names in order");

/* Where the loader is, for its complaints, and where data lines go. */
struct loader {
	const char *file;
	unsigned line;
	struct response_case *to;
	enum { NOWHERE, PASSES, STAYS } data;
	bool done_given, clean_given;
};

static void bad(const struct loader *l, const char *why, const char *what)
{
	fprintf(stderr, "%s:%u: %s: %s\n", l->file, l->line, why, what);
	abort();
}

static unsigned choose(const struct loader *l, const char *const *set, const char *value)
{
	for (unsigned i = 0; set[i]; i++)
		if (!strcmp(set[i], value))
			return i;
	bad(l, "unknown value", value);
	return 0;
}

static uint32_t number(const struct loader *l, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (end == value || *end)
		bad(l, "no number", value);
	return (uint32_t)n;
}

static void set_methods(struct kedge_note *note, char *value)
{
	note->requests = 0;
	if (!strcmp(value, "none"))
		return;
	for (char *word = strtok(value, " "); word; word = strtok(NULL, " ")) {
		if (!strcmp(word, "HEAD"))
			note->head_bits[0] |= 1ULL << note->requests;
		note->requests++;
	}
}

static void directive(struct loader *l, char *line)
{
	char *value = strchr(line, ':');
	struct response_case *c = l->to;

	if (!value)
		bad(l, "neither data (a tab first) nor KEY: VALUE", line);
	*value++ = 0;
	value += strspn(value, " ");
	l->data = NOWHERE;
	if (!strcmp(line, "passes")) {
		l->data = PASSES;
	} else if (!strcmp(line, "stays")) {
		l->data = STAYS;
	} else if (!strcmp(line, "methods")) {
		set_methods(&c->note, value);
	} else if (!strcmp(line, "standing")) {
		c->note.standing = (__u8)choose(l, standings, value);
	} else if (!strcmp(line, "event")) {
		c->event = choose(l, events, value);
	} else if (!strcmp(line, "state")) {
		c->state = choose(l, states, value);
	} else if (!strcmp(line, "done")) {
		l->done_given = true;
		c->done = number(l, value);
	} else if (!strcmp(line, "keep-alive")) {
		c->keep_alive_s = (uint16_t)number(l, value);
	} else if (!strcmp(line, "last")) {
		c->last = choose(l, answers, value);
	} else if (!strcmp(line, "clean")) {
		l->clean_given = true;
		c->clean = choose(l, answers, value);
	} else {
		bad(l, "unknown key", line);
	}
}

static void data_line(struct loader *l, const char *text)
{
	const char *wrong = "data outside passes and stays";

	if (l->data == PASSES && l->to->bytes.len > l->to->good)
		wrong = "what passes comes before what stays";
	else if (l->data != NOWHERE)
		wrong = http1_bytes_add_line(&l->to->bytes, text);
	if (wrong)
		bad(l, wrong, text);
	if (l->data == PASSES)
		l->to->good = l->to->bytes.len;
}

static void load(struct response_case *c, const char *dir, const char *name)
{
	char *path = NULL, *line = NULL;
	size_t size = 0;
	struct loader l = {.to = c};
	FILE *f;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	*c = (struct response_case){.name = strdup(name), .note.requests = 1};
	http1_bytes_add(&c->bytes, "", 0); /* so that there is a buffer */
	l.file = path;
	f = fopen(path, "re");
	if (!f)
		bad(&l, "cannot be opened", name);
	while (getline(&line, &size, f) >= 0) {
		l.line++;
		line[strcspn(line, "\n")] = 0;
		if (*line == '\t')
			data_line(&l, line + 1);
		else if (*line && *line != '#')
			directive(&l, line);
	}
	fclose(f);
	free(line);
	if (!l.clean_given)
		bad(&l, "it must say whether the leg is clean", name);
	if (!l.done_given)
		c->done = c->note.requests;
	free(path);
}

static int is_case(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

struct response_case *response_corpus_load(size_t *count)
{
	struct dirent **names;
	struct response_case *cases;
	char *dir = NULL;
	int n;

	if (asprintf(&dir, "%s/../response", http1_corpus_dir()) < 0)
		abort();
	n = scandir(dir, &names, is_case, alphasort);
	if (n < 0) {
		perror(dir);
		abort();
	}
	cases = calloc((size_t)n + 1, sizeof(*cases));
	if (!cases)
		abort();
	for (int i = 0; i < n; i++) {
		load(&cases[i], dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	free(dir);
	*count = (size_t)n;
	return cases;
}

void response_corpus_free(struct response_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(cases[i].name);
		free(cases[i].bytes.data);
	}
	free(cases);
}
