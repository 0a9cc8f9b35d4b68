/* SPDX-License-Identifier: BSD-2-Clause */
#include "mutate.h"

#include <ctype.h>
#include <string.h>

#include "stream.h"
#include "tests/lib/random.h"

/* libFuzzer's own. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);

/* The stream, which changes in place, and its items: lines and operations. */
#define ITEMS_MAX 1024
struct work {
	const struct mutate *m;
	uint8_t *p;
	size_t n, max;
	uint32_t x;
	size_t at[ITEMS_MAX + 1]; /* where each begins; at[items] is the end */
	size_t items;
};

static uint32_t below(struct work *w, size_t n)
{
	return n ? random_next(&w->x) % (uint32_t)n : 0;
}

static size_t item_len(const uint8_t *p, size_t n)
{
	size_t len = stream_operation(p, n);

	if (len)
		return len;
	if (*p == MUTATE_SPLIT)
		return 1;
	while (len < n && p[len] != '\n' &&
	       !(len && (p[len] == MUTATE_SPLIT || stream_operation(p + len, n - len))))
		len++;
	return len < n && p[len] == '\n' ? len + 1 : len;
}

static void find_items(struct work *w)
{
	size_t at = 0;

	w->items = 0;
	while (at < w->n && w->items < ITEMS_MAX) {
		w->at[w->items++] = at;
		at += item_len(w->p + at, w->n - at);
	}
	w->at[w->items] = at;
}

size_t mutate_split(const uint8_t *in, size_t n)
{
	size_t at = 0;

	while (at < n && in[at] != MUTATE_SPLIT)
		at += stream_operation(in + at, n - at) ?: 1;
	return at;
}

/* Of what is at this place. */
static enum grammar grammar_at(const struct work *w, size_t at)
{
	if (w->m->grammar != GRAMMAR_BOTH)
		return w->m->grammar;
	return at <= mutate_split(w->p, w->n) ? GRAMMAR_REQUESTS : GRAMMAR_RESPONSES;
}

static void insert(struct work *w, size_t at, const uint8_t *p, size_t n)
{
	if (w->n + n > w->max)
		return;
	memmove(w->p + at + n, w->p + at, w->n - at);
	memcpy(w->p + at, p, n);
	w->n += n;
}

static void erase(struct work *w, size_t at, size_t n)
{
	memmove(w->p + at, w->p + at + n, w->n - at - n);
	w->n -= n;
}

/* A place between two items. */
static size_t a_place(struct work *w)
{
	return w->at[below(w, w->items + 1)];
}

/* Some items that follow each other: *at and their bytes, at most `max`; 0 if there are none. */
static size_t some_items(struct work *w, size_t max, size_t *at)
{
	size_t first = below(w, w->items), last = first + 1 + below(w, 8) * below(w, 2);

	if (!w->items)
		return 0;
	if (last > w->items)
		last = w->items;
	while (last > first && w->at[last] - w->at[first] > max)
		last--;
	*at = w->at[first];
	return w->at[last] - *at;
}

/* --- mutations -------------------------------------------------------------------------------- */

static void insert_line(struct work *w)
{
	uint8_t line[GRAMMAR_BYTES_MAX];
	size_t at = a_place(w), n = grammar_line(line, grammar_at(w, at), &w->x);

	insert(w, at, line, n);
}

static void insert_message(struct work *w)
{
	uint8_t message[STREAM_REPEAT_HEAD + GRAMMAR_BYTES_MAX] = {STREAM_REPEAT};
	size_t at = a_place(w);
	size_t n = grammar_message(message + STREAM_REPEAT_HEAD, grammar_at(w, at), &w->x);

	message[1] = grammar_times(&w->x);
	message[2] = (uint8_t)n;
	if (n < 256 && !below(w, 4))
		insert(w, at, message, STREAM_REPEAT_HEAD + n);
	else
		insert(w, at, message + STREAM_REPEAT_HEAD, n);
}

/* Some items come many times. */
static void repeat(struct work *w)
{
	uint8_t op[STREAM_REPEAT_HEAD] = {STREAM_REPEAT, grammar_times(&w->x)};
	size_t at, n = some_items(w, 255, &at);

	op[2] = (uint8_t)n;
	if (n)
		insert(w, at, op, sizeof(op));
}

/* The place of an operation, or w->n. */
static size_t an_operation(struct work *w, uint8_t which)
{
	size_t from = below(w, w->items);

	for (size_t k = 0; k < w->items; k++) {
		size_t at = w->at[(from + k) % w->items];

		if (w->p[at] == which && stream_operation(w->p + at, w->n - at))
			return at;
	}
	return w->n;
}

static void change_times(struct work *w)
{
	size_t at = an_operation(w, STREAM_REPEAT);

	if (at < w->n)
		w->p[at + 1] = grammar_times(&w->x);
}

static void change_fill(struct work *w)
{
	uint8_t op[STREAM_FILL_LEN];
	size_t at = an_operation(w, STREAM_FILL);

	grammar_fill(op, &w->x);
	if (at < w->n)
		w->p[at + 1 + below(w, 3)] = op[1 + below(w, 3)];
}

/* In a line, before its end. */
static void insert_fill(struct work *w)
{
	uint8_t op[STREAM_FILL_LEN];
	size_t i = below(w, w->items), len;

	if (!w->items)
		return;
	len = w->at[i + 1] - w->at[i];
	grammar_fill(op, &w->x);
	insert(w, w->at[i] + (len > 2 && below(w, 4) ? len - 2 : below(w, len)), op, sizeof(op));
}

static void erase_items(struct work *w)
{
	size_t at, n = some_items(w, SIZE_MAX, &at);

	if (n)
		erase(w, at, n);
}

static void copy_items(struct work *w)
{
	uint8_t copy[1024];
	size_t at, n = some_items(w, sizeof(copy), &at);

	if (!n)
		return;
	memcpy(copy, w->p + at, n);
	insert(w, a_place(w), copy, n);
}

static void move_items(struct work *w)
{
	uint8_t copy[1024];
	size_t at, n = some_items(w, sizeof(copy), &at);

	if (!n)
		return;
	memcpy(copy, w->p + at, n);
	erase(w, at, n);
	find_items(w);
	insert(w, a_place(w), copy, n);
}

static void change_case(struct work *w)
{
	size_t at = below(w, w->n);

	while (at < w->n && !isalpha(w->p[at]))
		at++;
	if (at < w->n)
		w->p[at] ^= 0x20;
}

static void change_separator(struct work *w)
{
	static const uint8_t to[] = "-_.!#$%&'*+^`|~ \t,;:\r\n";
	size_t at = below(w, w->n);

	while (at < w->n && (isalnum(w->p[at]) || w->p[at] >= 0x80))
		at++;
	if (at < w->n)
		w->p[at] = to[below(w, sizeof(to) - 1)];
}

static void change_number(struct work *w)
{
	uint8_t number[32];
	size_t at = below(w, w->n), end, n;

	while (at < w->n && !isdigit(w->p[at]))
		at++;
	for (end = at; end < w->n && isdigit(w->p[end]);)
		end++;
	if (at == end)
		return;
	erase(w, at, end - at);
	n = grammar_number(number, below(w, 2) ? 10 : 16, &w->x);
	insert(w, at, number, n);
}

static void change_bytes(struct work *w)
{
	w->n = LLVMFuzzerMutate(w->p, w->n, w->max);
}

typedef void mutation(struct work *w);

static void change_stream(struct work *w)
{
	static mutation *const all[] = {
		insert_line, insert_line,   insert_message, insert_message, insert_message,
		repeat,      repeat,        change_times,   change_fill,    insert_fill,
		erase_items, erase_items,   copy_items,     move_items,     change_case,
		change_case, change_number, change_bytes,   change_bytes,   change_separator,
	};

	find_items(w);
	all[below(w, sizeof(all) / sizeof(all[0]))](w);
}

size_t mutate(const struct mutate *m, uint8_t *data, size_t n, size_t max, unsigned seed)
{
	struct work w = {.m = m, .x = seed * 2654435761U | 1};

	for (uint32_t i = 0; i < 4; i++)
		random_next(&w.x);
	while (n < m->choices && n < max)
		data[n++] = (uint8_t)random_next(&w.x);
	if (n < m->choices)
		return n;
	if (!below(&w, 8))
		data[below(&w, m->choices)] = (uint8_t)random_next(&w.x);
	w.p = data + m->choices;
	w.n = n - m->choices;
	w.max = max - m->choices;
	if (m->grammar == GRAMMAR_BOTH && mutate_split(w.p, w.n) == w.n)
		insert(&w, w.n, (const uint8_t[]){MUTATE_SPLIT}, 1);
	for (uint32_t k = 1 + below(&w, 4); k; k--)
		change_stream(&w);
	return m->choices + w.n;
}
