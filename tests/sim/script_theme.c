/* SPDX-License-Identifier: BSD-2-Clause */
/* Scripts with a theme: situations that need many things at once. See enum script_theme. */
#include "script.h"

#include <stdio.h>
#include <string.h>

#include "script_parts.h"
#include "tests/lib/http1_heads.h"
#include "world.h"

#define BUFFER 131072 /* kedge reads so much at once */

static void add(struct script *s, const char *text)
{
	http1_bytes_add(&s->say, text, strlen(text));
}

/* It says nothing until all fall silent, or for a time. */
static void fall_silent(struct script *s, uint32_t ms)
{
	script_pause_at(s, (struct script_pause){.responses = UINT32_MAX, .ms = ms});
}

static void add_requests(struct script *s, unsigned n)
{
	while (n--) {
		if (dice_rare(3))
			script_add_request(s);
		else
			script_add_head(s, dice_rare(4) ? "HEAD" : "GET", "");
	}
}

static void refused(struct script *s)
{
	add_requests(s, 1 + dice(3));
	if (dice_rare(3))
		script_pause_at(s, (struct script_pause){.responses = s->requests - 1});
	dice_rare(2) ? script_add_fault(s) : script_add_odd(s);
}

/* With what follows after the silence the request would be whole. */
static void stops(struct script *s)
{
	size_t n = 1 + dice(30000), first = dice((uint32_t)n);
	char length[64];

	add_requests(s, dice(3));
	snprintf(length, sizeof(length), "Content-Length: %zu\r\n", n);
	if (dice_rare(3)) {
		add(s, "GET /stops HTTP/1.1\r\nHost:");
		fall_silent(s, dice_rare(2) ? 0 : 20000);
		add(s, " a\r\n\r\n");
		s->requests++;
		return;
	}
	script_add_head(s, "POST", length);
	script_add_any(&s->say, first);
	fall_silent(s, dice_rare(2) ? 0 : 20000);
	script_add_any(&s->say, n - first);
}

static void lost(struct script *s)
{
	for (unsigned n = 2 + dice(3); n; n--) {
		if (s->requests)
			fall_silent(s, dice_between(1, 6000));
		script_add_head(s, "GET", "");
	}
}

/* Lines that look like ours for a while, and heads of other lines between them. */
static void lines(struct script *s)
{
	unsigned sorts = 0;

	while (http1_sorts[sorts])
		sorts++;
	for (unsigned n = 1 + dice(3); n; n--)
		http1_heads_add(&s->say, http1_sorts[dice(sorts)], 60 + dice(68), 1 + dice(6));
}

static void pipeline(struct script *s)
{
	static const char *const texts[] = {"A / HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n"};
	unsigned heads = 1 + dice(100);

	while (s->say.len < BUFFER - 20 && s->requests < SCRIPT_REQUESTS - 2) {
		add(s, texts[dice_rare(heads)]);
		s->requests++;
	}
}

/* Its halves may come apart. Behind a body, kedge cannot tell such a half from the body's end. */
static void add_empty_line(struct script *s)
{
	add(s, "\r");
	if (dice_rare(2))
		script_pause_at(s, (struct script_pause){.responses = s->requests,
							 .thinks_ms = script_thinks_ms()});
	add(s, "\n");
}

/* Small requests, one after the other. */
static void keeps(struct script *s)
{
	static const char *const methods[] = {"GET", "GET", "DELETE", "POST", "HEAD", "PATCH"};
	char length[64];
	bool body = true;

	for (unsigned n = 2 + dice(7); n; n--) {
		if (!body && dice_rare(8))
			add_empty_line(s);
		if (s->requests && !dice_rare(8))
			script_pause_at(s, (struct script_pause){.responses = s->requests,
								 .thinks_ms = script_thinks_ms()});
		body = true;
		if (dice_rare(2)) {
			size_t all = dice(dice_rare(4) ? 20000 : 300);

			snprintf(length, sizeof(length), "Content-Length: %zu\r\n", all);
			script_add_head(s, dice_rare(2) ? "PUT" : "POST", length);
			script_add_any(&s->say, all);
		} else if (dice_rare(6)) {
			script_add_request(s);
		} else {
			script_add_head(s, methods[dice(6)], "");
			body = false;
		}
	}
}

static void long_body(struct script *s)
{
	char length[64];

	add_requests(s, dice(2));
	snprintf(length, sizeof(length), "Content-Length: %u\r\n", 8 * 20000);
	script_add_head(s, "POST", length);
	for (int i = 0; i < 8; i++) {
		script_add_any(&s->say, 20000);
		fall_silent(s, dice_between(1, 800));
	}
}

void script_theme(struct script *s, bool kept)
{
	static void (*const make[THEMES])(struct script * s) = {
		[THEME_REFUSED] = refused, [THEME_STOPS] = stops,       [THEME_LOST] = lost,
		[THEME_LINES] = lines,     [THEME_PIPELINE] = pipeline, [THEME_LONG] = long_body,
		[THEME_KEPT] = keeps,
	};
	static const enum script_theme often[] = {
		THEME_REFUSED, THEME_REFUSED, THEME_REFUSED, THEME_REFUSED, THEME_STOPS,
		THEME_STOPS,   THEME_STOPS,   THEME_STOPS,   THEME_LOST,    THEME_LOST,
		THEME_LONG,    THEME_LONG,    THEME_LINES,   THEME_LINES,   THEME_KEPT,
		THEME_KEPT,    THEME_KEPT,    THEME_KEPT,    THEME_KEPT,    THEME_KEPT,
		THEME_LOST,    THEME_LOST,    THEME_LOST,    THEME_LOST,    THEME_LOST,
		THEME_LONG,    THEME_LONG,    THEME_LONG,
	};

	s->theme = kept            ? THEME_KEPT
		   : dice_rare(40) ? THEME_PIPELINE
				   : often[dice(sizeof(often) / sizeof(often[0]))];
	s->odd = true;
	make[s->theme](s);
}
