/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: the files of a corpus: one case each, of lines "KEY: VALUE", data lines (a tab
 * first), comments (#) and empty lines. What keys and data mean is up to the corpus.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct corpus_file {
	char *path;    /* owned while it is read */
	unsigned line; /* where the reader is */
	void (*key)(struct corpus_file *f, const char *key, char *value);
	void (*data)(struct corpus_file *f, const char *text); /* without its tab */
};

/* The names in a directory, sorted, none that begins with a dot. Free each, and the array. */
char **corpus_names(const char *dir, size_t *count);

/* Calls key() and data() for each line. They may keep nothing of what they are given. */
void corpus_read(struct corpus_file *f, const char *dir, const char *name);

/* Aborts with the file and the line. */
_Noreturn void corpus_bad(const struct corpus_file *f, const char *why, const char *what);

/* The index of `value` among n names. It is bad if it is none of them. */
unsigned corpus_choose(const struct corpus_file *f, const char *const *names, size_t n,
		       const char *value);
#define CORPUS_CHOOSE(f, names, value) \
	corpus_choose(f, names, sizeof(names) / sizeof((names)[0]), value)

/* A decimal number; it is bad if it is none. */
uint32_t corpus_number(const struct corpus_file *f, const char *value);
