/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only, private to config*.c and its tests: how a configuration is put together.
 *
 *   config_flags.c    argv            -> struct source  (texts, each with its place)
 *   config_yaml.c     the file        -> struct source, with config_scan.c
 *   config_source.c   struct source; how a mistake is said
 *   config_table.c    the one table of options
 *   config_options.c  one text        -> one checked field
 *   config_build.c    both sources    -> struct conf, cross-checks
 *   config_guard.c    what the guard needs of listeners
 *   config_diff.c     two confs       -> what a reload changes
 *   config_help.c     the table       -> usage, reference table of docs/configuration.md
 *   config.c          the order of it, config_free()
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"

/* A file larger than this is not a configuration. */
#define CONFIG_BYTES_MAX      (1u << 20)
/* Sockets that a kedge could reasonably listen on; keeps the search for equal ones short. */
#define CONFIG_LISTENERS_MAX  256
/* Mistakes shown; the rest are only counted. */
#define CONFIG_MISTAKES_MAX   64
#define CONFIG_TIMEOUT_MS_MAX (24 * 60 * 60 * 1000)

/* Room for a reason with a quoted value in it. */
#define WHY_MAX 256

enum option_kind {
	OPTION_ADDR,   /* union addr; "off" is AF_UNSPEC where off_allowed */
	OPTION_NUMBER, /* uint32_t or unsigned */
	OPTION_WORD,   /* an enum whose values count the words */
	OPTION_BOOL,   /* bool: words[0] is false, words[1] is true */
	OPTION_PATH,   /* char *; "off" is NULL where off_allowed */
	OPTION_CIDRS,  /* struct conf_cidrs, a list */
	OPTION_NAMES,  /* struct conf_names, a list */
	OPTION_CERT,   /* one half of a struct conf_cert in conf_listener.certs, a list of pairs */
};

enum option_scope {
	OPTION_GLOBAL,   /* a field of struct conf */
	OPTION_LISTENER, /* a field of struct conf_listener; outside a listener: for all of them */
	OPTION_LISTEN,   /* begins a listener */
};

#define OPTION_WORDS_MAX 4

struct option_def {
	const char *name; /* of the key and of the flag */
	enum option_kind kind;
	enum option_scope scope;
	size_t offset;       /* in the struct that the scope names */
	const char *text;    /* the default, as one would write it; NULL: none */
	const char *without; /* what having none means, for the reader; NULL: it must be given */
	const char *arg;     /* the value's shape in the usage; NULL: the words */
	const char *unit;    /* NULL: none */
	uint32_t min, max;   /* NUMBER: inclusive; PATH, NAMES and CERT: max bytes */
	bool off_allowed;    /* PATH: "off" is NULL; ADDR: "off" is AF_UNSPEC */
	bool restart;        /* a reload does not change it */
	const char *words[OPTION_WORDS_MAX + 1];
	const char *help; /* one sentence, no full stop */
};

extern const struct option_def config_options[];
extern const size_t config_options_count;

/* By name; NULL when there is none. */
const struct option_def *option_find(const char *name, size_t name_len);

/* Written as a list of texts. */
static inline bool option_has_entries(const struct option_def *opt)
{
	return opt->kind == OPTION_CIDRS || opt->kind == OPTION_NAMES;
}

static inline bool option_is_list(const struct option_def *opt)
{
	return option_has_entries(opt) || opt->kind == OPTION_CERT;
}

/*
 * Checks text and stores it in the option's field of `base` (struct conf or struct conf_listener,
 * see scope). A list grows by one; `pair` is the index in certs, for OPTION_CERT. Returns 0;
 * -EINVAL with why[] ("\"maybe\" is not one of off, on"); -ENOMEM with why[].
 */
int option_set(const struct option_def *opt, void *base, const char *text, size_t pair,
	       char why[WHY_MAX]);

/* "off, optional, require" */
void option_format_words(char buf[WHY_MAX], const struct option_def *opt, const char *between);

/* "\"text\"", cut short with "..." when long. */
#define QUOTED_MAX 72
const char *config_quote(char buf[QUOTED_MAX], const char *text);

/* Where something was written. */
struct place {
	const char *file; /* borrowed; NULL: a flag */
	int line;         /* from 1; 0: unknown, or a flag */
	char *path;       /* "listeners[0].trust[1]" or "--trust"; owned */
};

/* One value as it was written, not yet checked. */
struct setting {
	const struct option_def *opt;
	int listener; /* index; -1: outside a listener */
	size_t pair;  /* OPTION_CERT: index in certs */
	char *text;   /* owned; NULL: an empty list */
	bool bad;     /* a mistake that was said */
	struct place place;
};

/* All that was written in one place: the file, or the flags. */
struct source {
	struct setting *settings; /* in the order written */
	size_t count;
	struct place *listeners; /* where each begins */
	size_t listeners_count;
};

/* Both make their own copy of text and path. 0 or -ENOMEM. */
int source_add_setting(struct source *src, const struct setting *written);
int source_add_listener(struct source *src, const struct place *place);
void source_clear(struct source *src);

/* Says one mistake, in one line, and counts it; only counts it above CONFIG_MISTAKES_MAX. */
struct mistakes {
	unsigned count;
};
void mistake(struct mistakes *m, const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same place and form for a warning, which is not counted. */
void config_warn(const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * A host without IPv6: "*:PORT" and ":PORT" mean all addresses of IPv4, with a line. What names an
 * address of IPv6 is warned of: it cannot work here.
 */
void config_listener_family(struct conf_listener *l, const struct place *at);
void config_metrics_family(struct conf *conf);
void config_app_family(const struct conf *conf, const struct place *at);

/* Flags into src; *file is what -c names (borrowed from argv) or NULL; *help when --help was there.
 * 0 or -ENOMEM; mistakes are counted. */
int config_read_flags(struct source *src, int argc, char **argv, const char **file, bool *help,
		      struct mistakes *m);

/* The file into src; mistakes are counted, one that can not be read is one. 0; 1 when nothing of it
 * was taken for a mistake; -ENOMEM. */
int config_read_file(struct source *src, const char *file, struct mistakes *m);

/* The same from bytes in memory (NUL not needed); `file` is for the messages. */
int config_read_yaml(struct source *src, const char *file, const uint8_t *bytes, size_t len,
		     struct mistakes *m);

/* What the guard would make of it (config_guard.c): a listener that nobody could reach is a mistake
 * at `at`. After the listener is complete. */
void config_check_guard(const struct conf_guard *guard, const struct conf_listener *l,
			const struct place *at, struct mistakes *m);

/* Checks every setting alone and marks the bad ones; mistakes are counted. 0 or -ENOMEM. */
int config_check_settings(struct source *src, struct mistakes *m);

/* Flags, where there are none the file, where there is nothing the default, into conf (zeroed; bad
 * settings are left out). Checks what belongs together; mistakes are counted. 0 or -ENOMEM. */
int config_build(struct conf *conf, const struct source *file, const struct source *flags,
		 struct mistakes *m);

/* Frees what they own, not the struct. */
void conf_names_clear(struct conf_names *names);
void conf_listener_clear(struct conf_listener *l);

/* The usage of a subcommand that takes all options. */
void config_write_usage(FILE *to, const char *subcommand);
/* The table of docs/configuration.md. */
void config_write_reference(FILE *to);
/* The lists of docs/man/kedge.yaml.5, in mdoc(7). */
void config_write_man(FILE *to);
