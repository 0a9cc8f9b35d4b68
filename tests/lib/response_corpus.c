/* SPDX-License-Identifier: BSD-2-Clause */
#include "response_corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container_of.h"
#include "corpus_file.h"

static const char *const standings[] = {"between", "head", "body", "waiting"};
static const char *const events[] = {"quiet",   "switched", "declined",
				     "refused", "unasked",  "stray"};
static const char *const states[] = {"line",    "fields", "body",   "chunk", "chunk-end",
				     "trailer", "to-end", "tunnel", "lost"};
static const char *const answers[] = {"no", "yes"};

_Static_assert(RESPONSE_STRAY == 5 && RESPONSE_LOST == 8 && KEDGE_WAITING == 3, "names in order");

/* What the file has said so far. */
struct loader {
	struct corpus_file file;
	struct response_case *to;
	enum { NOWHERE, PASSES, STAYS } data; /* where data lines go */
	bool done_given, clean_given;
};

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

static void take_key(struct corpus_file *f, const char *key, char *value)
{
	struct loader *l = container_of(f, struct loader, file);
	struct response_case *c = l->to;

	l->data = NOWHERE;
	if (!strcmp(key, "passes")) {
		l->data = PASSES;
	} else if (!strcmp(key, "stays")) {
		l->data = STAYS;
	} else if (!strcmp(key, "methods")) {
		set_methods(&c->note, value);
	} else if (!strcmp(key, "standing")) {
		c->note.standing = (__u8)CORPUS_CHOOSE(f, standings, value);
	} else if (!strcmp(key, "event")) {
		c->event = CORPUS_CHOOSE(f, events, value);
	} else if (!strcmp(key, "state")) {
		c->state = CORPUS_CHOOSE(f, states, value);
	} else if (!strcmp(key, "done")) {
		l->done_given = true;
		c->done = corpus_number(f, value);
	} else if (!strcmp(key, "keep-alive")) {
		c->keep_alive_s = (uint16_t)corpus_number(f, value);
	} else if (!strcmp(key, "last")) {
		c->last = CORPUS_CHOOSE(f, answers, value);
	} else if (!strcmp(key, "clean")) {
		l->clean_given = true;
		c->clean = CORPUS_CHOOSE(f, answers, value);
	} else {
		corpus_bad(f, "unknown key", key);
	}
}

static void take_data(struct corpus_file *f, const char *text)
{
	struct loader *l = container_of(f, struct loader, file);
	const char *wrong = "data outside passes and stays";

	if (l->data == PASSES && l->to->bytes.len > l->to->good)
		wrong = "what passes comes before what stays";
	else if (l->data != NOWHERE)
		wrong = http1_bytes_add_line(&l->to->bytes, text);
	if (wrong)
		corpus_bad(f, wrong, text);
	if (l->data == PASSES)
		l->to->good = l->to->bytes.len;
}

/* Takes the name over. */
static void load(struct response_case *c, const char *dir, char *name)
{
	struct loader l = {.file = {.key = take_key, .data = take_data}, .to = c};

	*c = (struct response_case){.name = name, .note.requests = 1};
	http1_bytes_add(&c->bytes, "", 0); /* so that there is a buffer */
	corpus_read(&l.file, dir, name);
	if (!l.clean_given)
		corpus_bad(&l.file, "it must say whether the leg is clean", name);
	if (!l.done_given)
		c->done = c->note.requests;
	free(l.file.path);
}

struct response_case *response_corpus_load(size_t *count)
{
	struct response_case *cases;
	char *dir = NULL, **names;

	if (asprintf(&dir, "%s/../response", http1_corpus_dir()) < 0)
		abort();
	names = corpus_names(dir, count);
	cases = calloc(*count + 1, sizeof(*cases));
	if (!cases)
		abort();
	for (size_t i = 0; i < *count; i++)
		load(&cases[i], dir, names[i]);
	free(names);
	free(dir);
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
