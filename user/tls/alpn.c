/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of protocols. See alpn.h. */
#include "tls/alpn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const of_http[] = {"http/1.1", "http/1.0"};

static int add(struct alpn_list *list, const char *name)
{
	size_t len = strlen(name);
	/* One more, for a NUL that is no part of the list. */
	uint8_t *grown = reallocarray(list->wire, list->len + 1 + len + 1, 1);

	assert(len >= 1 && len <= UINT8_MAX);
	if (!grown)
		return -ENOMEM;
	list->wire = grown;
	grown[list->len] = (uint8_t)len;
	strcpy((char *)grown + list->len + 1, name);
	list->len += 1 + len;
	return 0;
}

int alpn_list_make(struct alpn_list *out, const struct conf_names *names, enum conf_mode mode)
{
	struct alpn_list list = {0};
	int r = 0;

	for (size_t i = 0; !r && i < names->count; i++)
		r = add(&list, names->set[i]);
	for (size_t i = 0; !r && !names->count && mode == MODE_HTTP && i < 2; i++)
		r = add(&list, of_http[i]);
	if (r)
		alpn_list_clear(&list);
	else
		*out = list;
	return r;
}

void alpn_list_clear(struct alpn_list *list)
{
	free(list->wire);
	*list = (struct alpn_list){0};
}

/* Is this entry, with its length byte, in the list? */
static bool has(const uint8_t *list, size_t len, const uint8_t *entry)
{
	for (size_t at = 0; at < len; at += 1u + list[at])
		if (list[at] == entry[0] && list[at] < len - at &&
		    !memcmp(list + at + 1, entry + 1, entry[0]))
			return true;
	return false;
}

bool alpn_select(const struct alpn_list *ours, const uint8_t *theirs, size_t theirs_len,
		 const uint8_t **out, uint8_t *out_len)
{
	for (size_t at = 0; at < ours->len; at += 1u + ours->wire[at]) {
		if (!has(theirs, theirs_len, ours->wire + at))
			continue;
		*out = ours->wire + at + 1;
		*out_len = ours->wire[at];
		return true;
	}
	return false;
}
