/* SPDX-License-Identifier: BSD-2-Clause */
/* JOURNAL_STREAM. See log_journal.h. */
#include "base/log_journal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool log_is_journal(const char *stream, int fd)
{
	char own[64];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return !strcmp(stream, own);
}
