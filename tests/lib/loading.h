/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: loads configurations from flags and files and captures the output. A failure in here
 * fails the test.
 */
#pragma once

#include "base/cleanup.h"
#include "config/config_load.h"

/* Result and output of one load. The file's directory is removed from the output. */
struct loaded {
	int status;
	struct conf *conf;
	char *out, *err;
};

/* Flags that lack nothing. */
#define FINE "--listen :1 --tls off --app localhost:2 "

/* Makes and removes a directory for the file; setup and teardown of a group. */
int loading_begin(void **state);
int loading_end(void **state);

/* The file, which messages call "kedge.yaml". Changed by write_file() and load_yaml(). */
extern char loading_dir[], loading_file[];
void write_file(const void *bytes, size_t len);

/* A file of the source tree; the tests run at its top. The caller frees. */
char *read_tree(const char *path);

/*
 * config_load() of `args`, which are separated by blanks; "FILE" is the file. load_yaml() writes
 * the file and puts "-c FILE" in front.
 */
struct loaded load(const char *args);
struct loaded load_yaml(const char *yaml, const char *args);
void loaded_free(struct loaded *l);

/* The same, but it must succeed without a message. yaml NULL: no file. The caller frees. */
struct conf *must_load(const char *yaml, const char *args);

/* main() of a subcommand with `args`; argv[0] is `name`. Output as in load(), caller frees. */
struct loaded run_command(int (*command)(int, char **), const char *name, const char *args);

/* Arguments and file that make mistakes, and all that is said about them. */
struct mistake_case {
	const char *yaml; /* NULL: no file */
	const char *args;
	const char *said; /* lines without "kedge: error: " */
};

/* Loads each: exactly this is said, and nothing is loaded. */
void check_mistakes(const struct mistake_case *cases, size_t count);
