/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a configuration. See config_source.h. */
#include "config/config_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/denied.h"
#include "base/way_to.h"

/* What standard input gave. The main thread's alone. */
static struct {
	uint8_t *bytes; /* NULL: not read */
	size_t len;
} kept;

static void say_unread(const struct place *at, int err, struct mistakes *m)
{
	char dir[PATH_MAX], why[DENIED_TEXT];

	if (err != EACCES)
		mistake(m, at, "cannot be read: %s", strerrordesc_np(err));
	else if (way_blocked(dir, at->file))
		mistake(m, at, "cannot be read: directory %s may not be entered: %s", dir,
			denied_text(why, dir, DENIED_ENTER));
	else
		mistake(m, at, "cannot be read: %s: %s", strerrordesc_np(err),
			denied_text(why, at->file, DENIED_READ));
}

/* Returns 0; 1 after a mistake; -ENOMEM. `fd` -1: errno says why. */
static int slurp(uint8_t **out, size_t *len, int fd, const char *name, struct mistakes *m)
{
	const struct place at = {.file = name};
	ssize_t n = fd < 0 ? -1 : 1;
	_cleanup_(freep)
	uint8_t *bytes = NULL;
	size_t have = 0;

	if (n > 0) {
		bytes = malloc(CONFIG_BYTES_MAX + 1);
		if (!bytes)
			return -ENOMEM;
	}
	while (n > 0 && have <= CONFIG_BYTES_MAX) {
		n = read(fd, bytes + have, CONFIG_BYTES_MAX + 1 - have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (n < 0) {
		say_unread(&at, errno, m);
		return 1;
	}
	if (have > CONFIG_BYTES_MAX) {
		mistake(m, &at, "larger than %u bytes: not a configuration", CONFIG_BYTES_MAX);
		return 1;
	}
	*out = take_ptr(bytes);
	*len = have;
	return 0;
}

static int copy_kept(uint8_t **out, size_t *len)
{
	*out = malloc(kept.len + 1);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, kept.bytes, kept.len);
	*len = kept.len;
	return 0;
}

static int read_stdin(uint8_t **out, size_t *len, struct mistakes *m)
{
	const struct place at = {.file = CONFIG_STDIN_NAME};
	int err;

	if (kept.bytes) {
		config_warn(&at, "cannot be read again: the text of the start is used, with the "
				 "files and names in it as they are now");
		return copy_kept(out, len);
	}
	err = slurp(&kept.bytes, &kept.len, STDIN_FILENO, CONFIG_STDIN_NAME, m);
	return err ? err : copy_kept(out, len);
}

int config_source_read(uint8_t **out, size_t *len, const char *file, struct mistakes *m)
{
	if (!strcmp(file, CONFIG_STDIN))
		return read_stdin(out, len, m);

	_cleanup_(close_fdp)
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	return slurp(out, len, fd, file, m);
}
