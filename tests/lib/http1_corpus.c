/* SPDX-License-Identifier: BSD-2-Clause */
#include "http1_corpus.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/xff.h"

static const char *const modes[] = {"append", "replace", "if-none", "never"};
static const char *const standings[] = {"between", "head", "body", "waiting", "tunnel", "refused"};
static const char *const reasons[] = {
	"none",
#define X(name, status, text) #name,
#include "kedge/reasons.def"
#undef X
};

/* Where the loader is, for its complaints, and where data lines go. */
struct loader {
	const char *file;
	unsigned line;
	struct http1_case *to;
	struct http1_bytes *data;
	bool ends_given, requests_given;
	enum http1_mode mode;
	__u16 flags;
	__u32 head_bytes_max;
};

static void bad(const struct loader *l, const char *why, const char *what)
{
	fprintf(stderr, "%s:%u: %s: %s\n", l->file, l->line, why, what);
	abort();
}

void http1_bytes_add(struct http1_bytes *b, const void *data, size_t len)
{
	if (b->len + len >= b->room) {
		b->room = 2 * (b->len + len) + 64;
		b->data = realloc(b->data, b->room);
		if (!b->data)
			abort();
	}
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

static int hex(char c)
{
	const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* The byte that an escape stands for, behind its backslash. -1: there is no such one. */
static int escaped(const char **text)
{
	const char *p = *text;
	int high = *p == 'x' ? hex(p[1]) : -1, low = high >= 0 ? hex(p[2]) : -1;

	switch (*p) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '\\':
		return '\\';
	}
	if (low < 0)
		return -1;
	*text += 2;
	return high << 4 | low;
}

const char *http1_bytes_add_line(struct http1_bytes *to, const char *text)
{
	struct http1_bytes b = {0};
	long times = 1;

	if (!strncmp(text, "\\*", 2)) {
		char *end;

		times = strtol(text + 2, &end, 10);
		if (*end != ' ' || times < 1)
			return "a count and a space must follow \\*";
		text = end + 1;
	}
	for (; *text; text++) {
		int byte = (unsigned char)*text;
		char c;

		if (byte == '\\') {
			text++;
			byte = escaped(&text);
		}
		if (byte < 0) {
			free(b.data);
			return "unknown escape";
		}
		c = (char)byte;
		http1_bytes_add(&b, &c, 1);
	}
	while (times--)
		http1_bytes_add(to, b.data, b.len);
	free(b.data);
	return NULL;
}

static void add_data(struct loader *l, const char *text)
{
	const char *wrong =
		l->data ? http1_bytes_add_line(l->data, text) : "data outside input and output";

	if (wrong)
		bad(l, wrong, text);
}

static unsigned choose(const struct loader *l, const char *const *set, size_t n, const char *value)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(set[i], value))
			return i;
	bad(l, "unknown value", value);
	return 0;
}
#define CHOOSE(l, set, value) choose(l, set, sizeof(set) / sizeof(set[0]), value)

static void set_flags(struct loader *l, char *value)
{
	static const char *const names[] = {"drop",  "proto", "port",      "aliases", "h2c",
					    "strip", "real",  "forwarded", "trusted"};

	for (char *word = strtok(value, " "); word; word = strtok(NULL, " "))
		l->flags |= (__u16)(1 << CHOOSE(l, names, word));
}

static void directive(struct loader *l, char *line)
{
	char *value = strchr(line, ':');
	struct http1_case *c = l->to;

	if (!value)
		bad(l, "neither data (a tab first) nor KEY: VALUE", line);
	*value++ = 0;
	value += strspn(value, " ");
	l->data = NULL;
	if (!strcmp(line, "input")) {
		if (c->inputs == HTTP1_CASE_PARTS)
			bad(l, "too many inputs", line);
		l->data = &c->input[c->inputs++];
	} else if (!strcmp(line, "output")) {
		l->data = &c->output;
	} else if (!strcmp(line, "mode")) {
		l->mode = CHOOSE(l, modes, value);
	} else if (!strcmp(line, "flags")) {
		set_flags(l, value);
	} else if (!strcmp(line, "head-bytes-max")) {
		l->head_bytes_max = (__u32)strtoul(value, NULL, 10);
	} else if (!strcmp(line, "resume")) {
		c->tunnel = !strcmp(value, "tunnel");
	} else if (!strcmp(line, "refuse")) {
		c->refuse = CHOOSE(l, reasons, value);
	} else if (!strcmp(line, "ends")) {
		l->ends_given = true;
		c->ends = CHOOSE(l, standings, value);
	} else if (!strcmp(line, "requests")) {
		l->requests_given = true;
		c->requests = (uint32_t)strtoul(value, NULL, 10);
	} else {
		bad(l, "unknown key", line);
	}
}

void http1_case_conf(struct http1_conf *conf, enum http1_mode mode, __u16 flags)
{
	union addr client = {.in = {.sin_family = AF_INET}};

	client.in.sin_addr.s_addr = htonl(0xc6336416); /* 198.51.100.22 */
	http1_conf_set(conf, mode, flags, &client, true, 443);
}

static void load(struct http1_case *c, const char *dir, const char *name)
{
	char *path = NULL, *line = NULL;
	size_t size = 0;
	struct loader l = {.to = c};
	FILE *f;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	l.file = path;
	c->name = strdup(name);
	f = fopen(path, "re");
	if (!f)
		bad(&l, "cannot be opened", name);
	while (getline(&line, &size, f) >= 0) {
		l.line++;
		line[strcspn(line, "\n")] = 0;
		if (*line == '\t')
			add_data(&l, line + 1);
		else if (*line && *line != '#')
			directive(&l, line);
	}
	fclose(f);
	free(line);
	if (!c->inputs)
		bad(&l, "no input", name);
	if (!l.ends_given)
		c->ends = c->refuse ? KEDGE_REFUSED : KEDGE_BETWEEN;
	if (!l.requests_given)
		c->requests = c->refuse ? 0 : 1;
	http1_case_conf(&c->conf, l.mode, l.flags);
	if (l.head_bytes_max)
		c->conf.head_bytes_max = l.head_bytes_max;
	free(path);
}

static int is_case(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

struct http1_case *http1_corpus_load(const char *dir, size_t *count)
{
	struct dirent **list;
	struct http1_case *cases;
	int n = scandir(dir, &list, is_case, alphasort);

	if (n < 0) {
		perror(dir);
		abort();
	}
	cases = calloc((size_t)n + 1, sizeof(*cases));
	if (!cases)
		abort();
	for (int i = 0; i < n; i++) {
		load(&cases[i], dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	*count = (size_t)n;
	return cases;
}

void http1_corpus_free(struct http1_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(cases[i].name);
		free(cases[i].output.data);
		for (unsigned j = 0; j < HTTP1_CASE_PARTS; j++)
			free(cases[i].input[j].data);
	}
	free(cases);
}

const char *http1_corpus_dir(void)
{
	const char *dir = getenv("KEDGE_CORPUS");

	return dir ? dir : "tests/corpus/http1";
}
