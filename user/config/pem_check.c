/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds damage that OpenSSL ignores. See pem_check.h. */
#include "config/pem_check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/log.h"

/* A PEM line has 64 characters. Of a longer line between blocks the rest is ignored. */
#define LINE_BYTES 256

static size_t trimmed(char *line, size_t len)
{
	while (len && (unsigned char)line[len - 1] <= ' ')
		len--;
	line[len] = '\0';
	return len;
}

static bool is_mark(const char *line, size_t len, const char *begin)
{
	size_t n = strlen(begin);

	return len > n + 5 && !strncmp(line, begin, n) && !strcmp(line + len - 5, "-----");
}

/* Probably a damaged mark. */
static bool resembles_mark(const char *line)
{
	return strstr(line, "-BEGIN ") || strstr(line, "-END ");
}

/* *inside: within a block. Returns false for a line that is not allowed there. */
static bool take_line(char *line, size_t len, bool *inside)
{
	if (memchr(line, '\0', len))
		return false;
	len = trimmed(line, len);
	if (is_mark(line, len, *inside ? "-----END " : "-----BEGIN "))
		*inside = !*inside;
	else
		return !resembles_mark(line);
	return true;
}

bool pem_has(FILE *f, const char *kind)
{
	char line[LINE_BYTES];
	bool has = false;

	rewind(f);
	while (!has && fgets(line, sizeof(line), f))
		has = is_mark(line, trimmed(line, strlen(line)), "-----BEGIN ") &&
		      strstr(line, kind);
	OPENSSL_cleanse(line, sizeof(line));
	return has;
}

int pem_read_error(FILE *f, const char *what, const char *path)
{
	int err = errno ? errno : EIO;

	return ferror(f) ? log_err(err, "%s %s: cannot be read", what, path) : 0;
}

int pem_check(FILE *f, const char *what, const char *path)
{
	char line[LINE_BYTES];
	bool inside = false, good = true;
	unsigned number = 0;
	size_t len = 0;
	int c, err = pem_read_error(f, what, path);

	if (err)
		return err;
	rewind(f);
	errno = 0;
	do {
		c = getc(f);
		if (c != EOF && c != '\n') {
			if (len < sizeof(line) - 1)
				line[len++] = (char)c;
			continue;
		}
		number += len || c != EOF;
		good = take_line(line, len, &inside);
		len = 0;
	} while (good && c != EOF);
	err = pem_read_error(f, what, path);
	OPENSSL_cleanse(line, sizeof(line));
	if (err)
		return err;
	if (good && !inside)
		return 0;
	if (good)
		log_error("%s %s:%u: the file ends in the middle of a PEM block", what, path,
			  number);
	else
		log_error("%s %s:%u: damaged: neither a line of a PEM block nor one between two",
			  what, path, number);
	return -EINVAL;
}
