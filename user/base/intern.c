/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared names. See intern.h. */
#include "base/intern.h"

#include <assert.h>
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* tsearch(3) keeps a balanced tree, so no choice of names makes it slow. Its keys are the names. */
struct interned {
	unsigned refs;
	char name[];
};

static struct interned *of(const char *name)
{
	return (struct interned *)(name - offsetof(struct interned, name));
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

const char *intern_get(struct intern *in, const char *name)
{
	const size_t size = strlen(name) + 1;
	char *const *found = tfind(name, &in->tree, compare);
	struct interned *fresh;

	if (found) {
		of(*found)->refs++;
		return *found;
	}
	fresh = malloc(sizeof(*fresh) + size);
	if (!fresh)
		return NULL;
	fresh->refs = 1;
	memcpy(fresh->name, name, size);
	if (!tsearch(fresh->name, &in->tree, compare)) {
		free(fresh);
		return NULL;
	}
	in->count++;
	return fresh->name;
}

void intern_put(struct intern *in, const char *name)
{
	if (!name)
		return;
	assert(of(name)->refs);
	if (--of(name)->refs)
		return;
	tdelete(name, &in->tree, compare);
	in->count--;
	free(of(name));
}
