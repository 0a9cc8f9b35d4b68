/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One text into one checked field, for flags and keys alike. A reason is worded to follow "PLACE:
 * OPTION: ".
 */
#include "config/config_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "config/config.h"

const struct option_def *option_find(const char *name, size_t name_len)
{
	for (size_t i = 0; i < config_options_count; i++)
		if (strlen(config_options[i].name) == name_len &&
		    !memcmp(config_options[i].name, name, name_len))
			return &config_options[i];
	return NULL;
}

const char *config_quote(char buf[QUOTED_MAX], const char *text)
{
	const size_t shown = QUOTED_MAX - sizeof("\"...\"");

	if (strlen(text) <= shown)
		snprintf(buf, QUOTED_MAX, "\"%s\"", text);
	else
		snprintf(buf, QUOTED_MAX, "\"%.*s...\"", (int)shown, text);
	return buf;
}

void option_format_words(char buf[WHY_MAX], const struct option_def *opt, const char *between)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int i = 0; opt->words[i] && len < WHY_MAX; i++)
		len += (size_t)snprintf(buf + len, WHY_MAX - len, "%s%s", i ? between : "",
					opt->words[i]);
}

static int refuse(char why[WHY_MAX], const char *text, const char *what)
{
	char quoted[QUOTED_MAX];

	/* Together they may be longer than WHY_MAX; the end is cut off then. */
	if (snprintf(why, WHY_MAX, "%s %s", config_quote(quoted, text), what) < 0)
		why[0] = '\0';
	return -EINVAL;
}

static int out_of_memory(char why[WHY_MAX])
{
	snprintf(why, WHY_MAX, "out of memory");
	return -ENOMEM;
}

static int set_number(const struct option_def *opt, unsigned *field, const char *text,
		      char why[WHY_MAX])
{
	uint64_t value = 0;
	char what[128];

	if (!decimal_parse(text, strlen(text), opt->max, &value) || value < opt->min) {
		snprintf(what, sizeof(what), "is not a whole number from %u to %u%s%s", opt->min,
			 opt->max, opt->unit ? " " : "", opt->unit ? opt->unit : "");
		return refuse(why, text, what);
	}
	*field = (unsigned)value;
	return 0;
}

static int find_word(const struct option_def *opt, const char *text, char why[WHY_MAX])
{
	char what[WHY_MAX], words[WHY_MAX];

	for (int i = 0; opt->words[i]; i++)
		if (!strcmp(opt->words[i], text))
			return i;
	option_format_words(words, opt, ", ");
	snprintf(what, sizeof(what), "is not one of %.200s", words);
	return refuse(why, text, what);
}

static int set_path(const struct option_def *opt, char **field, const char *text, char why[WHY_MAX])
{
	char *path = NULL, what[64];

	if (!text[0])
		return refuse(why, text, "names no file");
	if (strlen(text) > opt->max) {
		snprintf(what, sizeof(what), "is longer than %u bytes", opt->max);
		return refuse(why, text, what);
	}
	if (!opt->off_allowed || strcmp(text, "off")) {
		path = strdup(text);
		if (!path)
			return out_of_memory(why);
	}
	free(*field);
	*field = path;
	return 0;
}

static int add_cidr(struct conf_cidrs *field, const char *text, char why[WHY_MAX])
{
	const char *reason = "is not a CIDR";
	struct cidr cidr, *set;
	char what[WHY_MAX];

	if (cidr_parse(&cidr, text, &reason) < 0) {
		snprintf(what, sizeof(what), "is not a CIDR: %.150s", reason);
		return refuse(why, text, what);
	}
	set = reallocarray(field->set, field->count + 1, sizeof(*set));
	if (!set)
		return out_of_memory(why);
	set[field->count++] = cidr;
	field->set = set;
	return 0;
}

static int add_name(const struct option_def *opt, struct conf_names *field, const char *text,
		    char why[WHY_MAX])
{
	char *name, **set, what[64];

	if (!text[0])
		return refuse(why, text, "is empty");
	if (strlen(text) > opt->max) {
		snprintf(what, sizeof(what), "is longer than %u bytes", opt->max);
		return refuse(why, text, what);
	}
	name = strdup(text);
	if (!name)
		return out_of_memory(why);
	set = reallocarray(field->set, field->count + 1, sizeof(*set));
	if (!set) {
		free(name);
		return out_of_memory(why);
	}
	set[field->count++] = name;
	field->set = set;
	return 0;
}

/* Grows certs to hold `pair`. */
static int set_cert(const struct option_def *opt, struct conf_listener *l, const char *text,
		    size_t pair, char why[WHY_MAX])
{
	struct conf_cert *certs;

	if (pair >= l->certs_count) {
		certs = reallocarray(l->certs, pair + 1, sizeof(*certs));
		if (!certs)
			return out_of_memory(why);
		memset(certs + l->certs_count, 0, (pair + 1 - l->certs_count) * sizeof(*certs));
		l->certs = certs;
		l->certs_count = pair + 1;
	}
	certs = &l->certs[pair];
	return set_path(opt,
			!strcmp(opt->name, "cert")  ? &certs->cert
			: !strcmp(opt->name, "key") ? &certs->key
						    : &certs->ocsp,
			text, why);
}

static int set_addr(const struct option_def *opt, union addr *field, const char *text,
		    char why[WHY_MAX])
{
	const char *reason = "";
	char what[WHY_MAX];

	if (opt->off_allowed && !strcmp(text, "off")) {
		*field = (union addr){.family = AF_UNSPEC};
		return 0;
	}
	if (!opt->unix_allowed && !strncmp(text, "unix:", strlen("unix:")))
		return refuse(why, text, "is not ADDR:PORT: a unix socket cannot be used here");
	if (addr_parse(field, text, &reason) < 0) {
		snprintf(what, sizeof(what), "is not %s: %.150s",
			 strncmp(text, "unix:", strlen("unix:")) ? "ADDR:PORT" : "a unix socket",
			 reason);
		return refuse(why, text, what);
	}
	return 0;
}

/* "NAME:PORT". Returns the length of the name, or 0: that is not what it looks like. */
static size_t name_and_port(const char *text, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	uint64_t number;

	if (!n || text[0] == '[' || memchr(text, ':', n) ||
	    !decimal_parse_plain(colon + 1, strlen(colon + 1), UINT16_MAX, &number))
		return 0;
	*port = (uint16_t)number;
	return n;
}

/* A name is looked up later, where one may wait. */
static int set_app(const struct option_def *opt, struct conf *conf, const char *text,
		   char why[WHY_MAX])
{
	const char *reason;
	union addr addr = {.family = AF_UNSPEC};
	char *host = NULL;
	uint16_t port = 0;
	size_t n = 0;

	if (addr_parse(&addr, text, &reason) < 0) {
		n = name_and_port(text, &port);
		if (!n)
			return set_addr(opt, &conf->app, text, why);
		if (!host_name_valid(text, n))
			return refuse(why, text,
				      "is neither an IPv4 address nor the name of a host");
		host = strndup(text, n);
		if (!host)
			return out_of_memory(why);
	}
	free(conf->app_host);
	conf->app_host = host;
	conf->app_port = port;
	conf->app = addr;
	return 0;
}

/* Three octal digits; a zero before them. */
static int set_mode(unsigned *field, const char *text, char why[WHY_MAX])
{
	const char *digits = text[0] == '0' ? text + 1 : text;

	if (strlen(digits) != 3 || strspn(digits, "01234567") != 3)
		return refuse(why, text, "is not a mode of three octal digits, such as 0660");
	*field = (unsigned)(64 * (digits[0] - '0') + 8 * (digits[1] - '0') + digits[2] - '0');
	return 0;
}

int option_set(const struct option_def *opt, void *base, const char *text, size_t pair,
	       char why[WHY_MAX])
{
	void *field = (char *)base + opt->offset;
	int word;

	switch (opt->kind) {
	case OPTION_ADDR:
		return set_addr(opt, field, text, why);
	case OPTION_APP:
		return set_app(opt, base, text, why);
	case OPTION_NUMBER:
		return set_number(opt, field, text, why);
	case OPTION_WORD:
		word = find_word(opt, text, why);
		if (word >= 0)
			*(unsigned *)field = (unsigned)word;
		return word < 0 ? word : 0;
	case OPTION_BOOL:
		word = find_word(opt, text, why);
		if (word >= 0)
			*(bool *)field = word == 1;
		return word < 0 ? word : 0;
	case OPTION_PATH:
		return set_path(opt, field, text, why);
	case OPTION_CIDRS:
		return add_cidr(field, text, why);
	case OPTION_NAMES:
		return add_name(opt, field, text, why);
	case OPTION_MODE:
		return set_mode(field, text, why);
	case OPTION_CERT:
		return set_cert(opt, base, text, pair, why);
	}
	return -EINVAL;
}
