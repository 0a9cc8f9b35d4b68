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
#include "config/config_check_text.h"
#include "config/config_server.h"

#define APP_NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

const struct option_def *option_find(const char *name, size_t name_len)
{
	for (size_t i = 0; i < config_options_count; i++)
		if (strlen(config_options[i].name) == name_len &&
		    !memcmp(config_options[i].name, name, name_len))
			return &config_options[i];
	return NULL;
}

void option_format_words(char buf[WHY_MAX], const struct option_def *opt, const char *between)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int i = 0; opt->words[i] && len < WHY_MAX; i++)
		len += (size_t)snprintf(buf + len, WHY_MAX - len, "%s%s", i ? between : "",
					opt->words[i]);
}

static int set_number(const struct option_def *opt, unsigned *field, const char *text,
		      char why[WHY_MAX])
{
	uint64_t value = 0;
	char what[128];

	if (!decimal_parse(text, strlen(text), opt->max, &value) || value < opt->min) {
		snprintf(what, sizeof(what), "is not a whole number from %u to %u%s%s", opt->min,
			 opt->max, opt->unit ? " " : "", opt->unit ? opt->unit : "");
		return why_refuse(why, text, what);
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
	return why_refuse(why, text, what);
}

static int add_word(const struct option_def *opt, unsigned *field, const char *text,
		    char why[WHY_MAX])
{
	const int word = find_word(opt, text, why);

	if (word < 0)
		return word;
	*field |= 1u << word;
	return 0;
}

static int set_path(const struct option_def *opt, char **field, const char *text, char why[WHY_MAX])
{
	char *path = NULL, what[64];

	if (!text[0])
		return why_refuse(why, text, "names no file");
	if (strlen(text) > opt->max) {
		snprintf(what, sizeof(what), "is longer than %u bytes", opt->max);
		return why_refuse(why, text, what);
	}
	if (!opt->off_allowed || strcmp(text, "off")) {
		path = strdup(text);
		if (!path)
			return why_out_of_memory(why);
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
		return why_refuse(why, text, what);
	}
	set = reallocarray(field->set, field->count + 1, sizeof(*set));
	if (!set)
		return why_out_of_memory(why);
	set[field->count++] = cidr;
	field->set = set;
	return 0;
}

static int add_text(struct conf_names *field, const char *text, char why[WHY_MAX])
{
	char *copy = strdup(text), **set;

	if (!copy)
		return why_out_of_memory(why);
	set = reallocarray(field->set, field->count + 1, sizeof(*set));
	if (!set) {
		free(copy);
		return why_out_of_memory(why);
	}
	set[field->count++] = copy;
	field->set = set;
	return 0;
}

static int add_name(const struct option_def *opt, struct conf_names *field, const char *text,
		    char why[WHY_MAX])
{
	char what[64];

	if (!text[0])
		return why_refuse(why, text, "is empty");
	if (strlen(text) > opt->max) {
		snprintf(what, sizeof(what), "is longer than %u bytes", opt->max);
		return why_refuse(why, text, what);
	}
	return add_text(field, text, why);
}

/* The list of certificates in struct conf_listener and struct conf_route. */
struct cert_list {
	struct conf_cert *certs;
	size_t count;
};
#define IS_CERT_LIST(type)                                                                  \
	_Static_assert(offsetof(struct type, certs_count) - offsetof(struct type, certs) == \
			       offsetof(struct cert_list, count),                           \
		       #type " has the two in this order")
IS_CERT_LIST(conf_listener);
IS_CERT_LIST(conf_route);

/* Grows the list to hold `pair`. */
static int set_cert(const struct option_def *opt, struct cert_list *l, const char *text,
		    size_t pair, char why[WHY_MAX])
{
	struct conf_cert *certs;

	if (pair >= l->count) {
		certs = reallocarray(l->certs, pair + 1, sizeof(*certs));
		if (!certs)
			return why_out_of_memory(why);
		memset(certs + l->count, 0, (pair + 1 - l->count) * sizeof(*certs));
		l->certs = certs;
		l->count = pair + 1;
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
		return why_refuse(why, text, "is not ADDR:PORT: a unix socket cannot be used here");
	if (addr_parse(field, text, &reason) < 0) {
		snprintf(what, sizeof(what), "is not %s: %.150s",
			 strncmp(text, "unix:", strlen("unix:")) ? "ADDR:PORT" : "a unix socket",
			 reason);
		return why_refuse(why, text, what);
	}
	return 0;
}

/* A name of `apps`, as in "app: web"; no server looks like one. */
static bool is_app_name(const char *text)
{
	return text[0] && strlen(text) <= CONFIG_APP_NAME_MAX &&
	       !text[strspn(text, APP_NAME_BYTES)];
}

int option_check_app_name(const char *text, char why[WHY_MAX])
{
	if (is_app_name(text))
		return 0;
	return why_refuse(
		why, text,
		"is not the name of an application: at most 63 letters, digits, \"-\", \"_\" "
		"and \".\"");
}

/* Which one a name stands for is known when all of `apps` is. */
static int add_app(struct conf_names *field, const char *text, char why[WHY_MAX])
{
	struct conf_server server = {0};
	int err;

	err = config_server_like(text) ? config_server_parse(&server, text, why)
				       : option_check_app_name(text, why);
	free(server.host);
	return err ? err : add_text(field, text, why);
}

static int add_server(const struct option_def *opt, struct conf_servers *field, const char *text,
		      char why[WHY_MAX])
{
	struct conf_server server = {.backup = !strcmp(opt->name, "backup")}, *set;
	int err = config_server_parse(&server, text, why);

	if (err)
		return err;
	set = reallocarray(field->set, field->count + 1, sizeof(*set));
	if (!set) {
		free(server.host);
		return why_out_of_memory(why);
	}
	set[field->count++] = server;
	field->set = set;
	return 0;
}

/* Visible ASCII, for the request of a check. */
static int set_text(const struct option_def *opt, char **field, const char *text, char why[WHY_MAX])
{
	const char *p = text, *fault;
	char *copy, what[64];

	while (*p > ' ' && *p < 0x7f)
		p++;
	if (*p || !text[0])
		return why_refuse(why, text, "is not made of visible ASCII characters");
	if (strlen(text) > opt->max) {
		snprintf(what, sizeof(what), "is longer than %u bytes", opt->max);
		return why_refuse(why, text, what);
	}
	fault = !strcmp(opt->name, "check-path") ? config_check_path_fault(text)
						 : config_check_host_fault(text);
	if (fault)
		return why_refuse(why, text, fault);
	copy = strdup(text);
	if (!copy)
		return why_out_of_memory(why);
	free(*field);
	*field = copy;
	return 0;
}

/* "200" or "200-399" */
static int set_range(const struct option_def *opt, struct conf_range *field, const char *text,
		     char why[WHY_MAX])
{
	size_t n = strcspn(text, "-");
	uint64_t from = 0, to = 0;
	char what[64];

	if (!decimal_parse_plain(text, n, opt->max, &from) ||
	    (text[n] && !decimal_parse_plain(text + n + 1, strlen(text + n + 1), opt->max, &to)))
		from = 0;
	if (!text[n])
		to = from;
	if (from < opt->min || to < from) {
		snprintf(what, sizeof(what), "is not a range within %u to %u, such as 200-399",
			 opt->min, opt->max);
		return why_refuse(why, text, what);
	}
	*field = (struct conf_range){.from = (uint16_t)from, .to = (uint16_t)to};
	return 0;
}

/* Three octal digits; perhaps a zero before them. */
static int set_mode(unsigned *field, const char *text, char why[WHY_MAX])
{
	const char *digits = text[0] == '0' && strlen(text) == 4 ? text + 1 : text;

	if (strlen(digits) != 3 || strspn(digits, "01234567") != 3)
		return why_refuse(why, text, "is not a mode of three octal digits, such as 0660");
	*field = (unsigned)(64 * (digits[0] - '0') + 8 * (digits[1] - '0') + digits[2] - '0');
	return 0;
}

int option_set(const struct option_def *opt, void *base, size_t offset, const char *text,
	       size_t pair, char why[WHY_MAX])
{
	void *field = (char *)base + offset;
	int word;

	switch (opt->kind) {
	case OPTION_ADDR:
		return set_addr(opt, field, text, why);
	case OPTION_APP:
		return add_app(field, text, why);
	case OPTION_SERVERS:
		return add_server(opt, field, text, why);
	case OPTION_NUMBER:
		return set_number(opt, field, text, why);
	case OPTION_WORD:
		word = find_word(opt, text, why);
		if (word >= 0)
			*(unsigned *)field = (unsigned)word;
		return word < 0 ? word : 0;
	case OPTION_WORDS:
		return add_word(opt, field, text, why);
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
	case OPTION_TEXT:
		return set_text(opt, field, text, why);
	case OPTION_RANGE:
		return set_range(opt, field, text, why);
	case OPTION_MODE:
		return set_mode(field, text, why);
	case OPTION_CERT:
		return set_cert(opt, field, text, pair, why);
	}
	return -EINVAL;
}
