/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what an option is, and the table of all of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum option_kind {
	OPTION_ADDR,    /* union addr; "off" is AF_UNSPEC if off_allowed */
	OPTION_APP,     /* struct conf_names, a list or one value: an entry of apps, or servers */
	OPTION_SERVERS, /* struct conf_servers, a list or one value */
	OPTION_NUMBER,  /* uint32_t or unsigned */
	OPTION_WORD,    /* an enum whose values are indexes into words */
	OPTION_WORDS,   /* unsigned: a bit for each of words that is named, a list */
	OPTION_BOOL,    /* bool: words[0] is false, words[1] is true */
	OPTION_PATH,    /* char *; "off" is NULL if off_allowed */
	OPTION_CIDRS,   /* struct conf_cidrs, a list */
	OPTION_NAMES,   /* struct conf_names, a list */
	OPTION_TEXT,    /* char *; visible characters of ASCII */
	OPTION_RANGE,   /* struct conf_range; "200" or "200-399" */
	OPTION_MODE,    /* unsigned; permissions of a file, octal */
	OPTION_CERT,    /* one part of a struct conf_cert in conf_listener.certs, a list */
};

enum option_scope {
	OPTION_GLOBAL,   /* a field of struct conf */
	OPTION_LISTENER, /* a field of struct conf_listener; outside a listener: for all of them */
	OPTION_LISTEN,   /* begins a listener */
	OPTION_OF_APP,   /* a field of struct conf_app; outside an entry of apps: for all */
	OPTION_OF_ROUTE, /* a field of struct conf_route: it is no flag */
	OPTION_OF_ENTRY, /* the same, but only in an entry of apps: it is no flag */
};

#define OPTION_WORDS_MAX 6

struct option_def {
	const char *name; /* of the key and of the flag */
	enum option_kind kind;
	enum option_scope scope;
	size_t offset;       /* in the struct that the scope names */
	size_t app_offset;   /* LISTENER: also a key of apps, at this offset there; 0: it is not */
	size_t route_offset; /* LISTENER: also a key of routes, at this offset there; 0: not */
	const char *text;    /* the default, as one would write it; NULL: none */
	const char *without; /* what having none means, for the reader; NULL: it must be given */
	const char *arg;     /* the value's shape in the usage; NULL: the words */
	const char *unit;    /* NULL: none */
	uint32_t min, max;   /* NUMBER: inclusive; PATH, NAMES, TEXT, CERT: max bytes */
	bool common;         /* LISTENER: as a flag always for all of them */
	bool off_allowed;    /* PATH: "off" is NULL; ADDR: "off" is AF_UNSPEC */
	bool unix_allowed;   /* ADDR: a unix socket, too */
	bool restart;        /* a reload does not change it */
	const char *words[OPTION_WORDS_MAX + 1];
	const char *help; /* one sentence, no full stop */
};

/* Room for flags about options, in arrays of one per option. */
#define CONFIG_OPTIONS_MAX 128

extern const struct option_def config_options[];
extern const size_t config_options_count; /* at most CONFIG_OPTIONS_MAX */

/* The first letter of the help as a sentence. A value stays as it is: "client: an idle client". */
static inline char option_initial(const struct option_def *opt)
{
	const char *space = strchr(opt->help, ' '), first = opt->help[0];

	if (first < 'a' || first > 'z' || (space && space[-1] == ':'))
		return first;
	return (char)(first - 'a' + 'A');
}

/* Only in a file: as a flag nobody would know what it belongs to. */
static inline bool option_is_no_flag(const struct option_def *opt)
{
	return opt->scope == OPTION_OF_ENTRY || opt->scope == OPTION_OF_ROUTE;
}

/* The value is a list of texts. */
static inline bool option_has_entries(const struct option_def *opt)
{
	return opt->kind == OPTION_CIDRS || opt->kind == OPTION_NAMES || opt->kind == OPTION_APP ||
	       opt->kind == OPTION_SERVERS || opt->kind == OPTION_WORDS;
}

/* A list of one may be written as that one. */
static inline bool option_may_be_one(const struct option_def *opt)
{
	return opt->kind == OPTION_APP || opt->kind == OPTION_SERVERS;
}

static inline bool option_is_list(const struct option_def *opt)
{
	return option_has_entries(opt) || opt->kind == OPTION_CERT;
}
