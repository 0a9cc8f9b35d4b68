/* SPDX-License-Identifier: BSD-2-Clause */
/* See loading.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "loading.h"

#define ARGS_MAX 256

char loading_dir[] = "/tmp/kedge-config-XXXXXX";
char loading_file[sizeof(loading_dir) + 16];

int loading_begin(void **state)
{
	if (!mkdtemp(loading_dir))
		return -1;
	snprintf(loading_file, sizeof(loading_file), "%s/kedge.yaml", loading_dir);
	return 0;
}

int loading_end(void **state)
{
	unlink(loading_file);
	return rmdir(loading_dir);
}

void write_file(const void *bytes, size_t len)
{
	_cleanup_(fclosep)
	FILE *f = fopen(loading_file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
}

char *read_tree(const char *path)
{
	_cleanup_(fclosep)
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, f) > 0);
	return text;
}

/* Replaces a descriptor with a new file. Returns a copy of the old one. */
static int capture_begin(int fd)
{
	_cleanup_(close_fdp)
	int to = memfd_create("capture", MFD_CLOEXEC);
	int kept = dup(fd);

	assert_true(to >= 0 && kept >= 0);
	assert_int_equal(dup2(to, fd), fd);
	return kept;
}

/* Restores the descriptor. Returns the text written in between, without the directory. */
static char *capture_end(int fd, int kept)
{
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)len + 1), *found;

	assert_true(len >= 0 && text);
	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	assert_int_equal(dup2(kept, fd), fd);
	close(kept);
	while ((found = strstr(text, loading_dir))) {
		const char *rest = found + strlen(loading_dir) + 1;

		memmove(found, rest, strlen(rest) + 1);
	}
	return text;
}

/* Splits at spaces, in place. Returns argc. */
static int split(char *argv[ARGS_MAX], char *words)
{
	int argc = 0;

	for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
		assert_true(argc < ARGS_MAX - 1);
		argv[argc++] = strcmp(w, "FILE") ? w : loading_file;
	}
	argv[argc] = NULL;
	return argc;
}

static struct conf *last_loaded;

static int load_last(int argc, char **argv)
{
	last_loaded = NULL;
	return config_load(&last_loaded, argc, argv);
}

struct loaded run_command(int (*command)(int, char **), const char *name, const char *args)
{
	_cleanup_(freep)
	char *words = NULL;
	char *argv[ARGS_MAX];
	struct loaded l = {0};
	int argc, out, err;

	assert_true(asprintf(&words, "%s %s", name, args) > 0);
	argc = split(argv, words);
	fflush(stdout);
	out = capture_begin(STDOUT_FILENO);
	err = capture_begin(STDERR_FILENO);
	l.status = command(argc, argv);
	fflush(stdout);
	l.err = capture_end(STDERR_FILENO, err);
	l.out = capture_end(STDOUT_FILENO, out);
	return l;
}

struct loaded load(const char *args)
{
	struct loaded l = run_command(load_last, "run", args);

	l.conf = take_ptr(last_loaded);
	return l;
}

struct loaded load_yaml(const char *yaml, const char *args)
{
	char all[512];

	write_file(yaml, strlen(yaml));
	snprintf(all, sizeof(all), "-c FILE %s", args);
	return load(all);
}

void loaded_free(struct loaded *l)
{
	config_free(l->conf);
	free(l->out);
	free(l->err);
}

struct conf *must_load(const char *yaml, const char *args)
{
	_cleanup_(loaded_free)
	struct loaded l = yaml ? load_yaml(yaml, args) : load(args);

	assert_string_equal(l.err, "");
	assert_int_equal(l.status, 0);
	return take_ptr(l.conf);
}

static void check_mistake(const struct mistake_case *c)
{
	static const char lead[] = "kedge: error: ";
	_cleanup_(loaded_free)
	struct loaded l = c->yaml ? load_yaml(c->yaml, c->args) : load(c->args);
	char *found;

	while ((found = strstr(l.err, lead)))
		memmove(found, found + strlen(lead), strlen(found + strlen(lead)) + 1);
	assert_string_equal(l.err, c->said);
	assert_int_equal(l.status, -EINVAL);
	assert_null(l.conf);
}

void check_mistakes(const struct mistake_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_mistake(&cases[i]);
}
