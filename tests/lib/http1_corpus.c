/* SPDX-License-Identifier: BSD-2-Clause */
#include "http1_corpus.h"

#include <stdlib.h>
#include <string.h>

#include "base/container_of.h"
#include "corpus_file.h"
#include "http/xff.h"

static const char *const modes[] = {"append", "replace", "if-none", "never"};
static const char *const standings[] = {"between", "head", "body", "waiting", "tunnel", "refused"};
static const char *const reasons[] = {
	"none",
#define X(name, ...) #name,
#include "kedge/reasons.def"
#undef X
};

/* What the file has said so far. */
struct loader {
	struct corpus_file file;
	struct http1_case *to;
	struct http1_bytes *data; /* where data lines go */
	bool ends_given, requests_given;
	enum http1_mode mode;
	__u16 flags;
	__u32 head_bytes_max;
};

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

static void take_data(struct corpus_file *f, const char *text)
{
	const struct loader *l = container_of(f, struct loader, file);
	const char *wrong =
		l->data ? http1_bytes_add_line(l->data, text) : "data outside input and output";

	if (wrong)
		corpus_bad(f, wrong, text);
}

static void set_flags(struct loader *l, char *value)
{
	static const char *const names[] = {"drop",  "proto", "port",      "aliases", "h2c",
					    "strip", "real",  "forwarded", "trusted"};

	for (char *word = strtok(value, " "); word; word = strtok(NULL, " "))
		l->flags |= (__u16)(1 << CORPUS_CHOOSE(&l->file, names, word));
}

static void take_key(struct corpus_file *f, const char *key, char *value)
{
	struct loader *l = container_of(f, struct loader, file);
	struct http1_case *c = l->to;

	l->data = NULL;
	if (!strcmp(key, "input")) {
		if (c->inputs == HTTP1_CASE_PARTS)
			corpus_bad(f, "too many inputs", key);
		l->data = &c->input[c->inputs++];
	} else if (!strcmp(key, "output")) {
		l->data = &c->output;
	} else if (!strcmp(key, "mode")) {
		l->mode = CORPUS_CHOOSE(f, modes, value);
	} else if (!strcmp(key, "flags")) {
		set_flags(l, value);
	} else if (!strcmp(key, "head-bytes-max")) {
		l->head_bytes_max = corpus_number(f, value);
	} else if (!strcmp(key, "resume")) {
		c->tunnel = !strcmp(value, "tunnel");
	} else if (!strcmp(key, "refuse")) {
		c->refuse = CORPUS_CHOOSE(f, reasons, value);
	} else if (!strcmp(key, "ends")) {
		l->ends_given = true;
		c->ends = CORPUS_CHOOSE(f, standings, value);
	} else if (!strcmp(key, "requests")) {
		l->requests_given = true;
		c->requests = corpus_number(f, value);
	} else {
		corpus_bad(f, "unknown key", key);
	}
}

void http1_case_conf(struct http1_conf *conf, enum http1_mode mode, __u16 flags)
{
	union addr client = {.in = {.sin_family = AF_INET}};

	client.in.sin_addr.s_addr = htonl(0xc6336416); /* 198.51.100.22 */
	http1_conf_set(conf, mode, flags, &client, true, 443);
}

/* Takes the name over. */
static void load(struct http1_case *c, const char *dir, char *name)
{
	struct loader l = {.file = {.key = take_key, .data = take_data}, .to = c};

	c->name = name;
	corpus_read(&l.file, dir, name);
	if (!c->inputs)
		corpus_bad(&l.file, "no input", name);
	if (!l.ends_given)
		c->ends = c->refuse ? KEDGE_REFUSED : KEDGE_BETWEEN;
	if (!l.requests_given)
		c->requests = c->refuse ? 0 : 1;
	http1_case_conf(&c->conf, l.mode, l.flags);
	if (l.head_bytes_max)
		c->conf.head_bytes_max = l.head_bytes_max;
	free(l.file.path);
}

struct http1_case *http1_corpus_load(const char *dir, size_t *count)
{
	char **names = corpus_names(dir, count);
	struct http1_case *cases = calloc(*count + 1, sizeof(*cases));

	if (!cases)
		abort();
	for (size_t i = 0; i < *count; i++)
		load(&cases[i], dir, names[i]);
	free(names);
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
