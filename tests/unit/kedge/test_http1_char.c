/* SPDX-License-Identifier: BSD-2-Clause */
/* kedge/http1_char.h: sets of bytes by ctype.h, names by string.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/http1_corpus.h"

static bool in_text(uint8_t b, const char *set)
{
	return b && strchr(set, b);
}

static void sets_of_bytes(void **state)
{
	for (int b = 0; b < 256; b++) {
		bool alnum = b < 128 && isalnum(b);
		bool value = b == '\t' || (b >= ' ' && b != 127);

		assert_int_equal(http1_is_tchar(b), alnum || in_text(b, "!#$%&'*+-.^_`|~"));
		assert_int_equal(http1_is_regname(b), alnum || in_text(b, "-._~%!$&'()*+;="));
		assert_int_equal(http1_is_value(b), value);
		assert_int_equal(http1_lower(b), b < 128 ? tolower(b) : b);
		assert_int_equal(http1_is_digit(b), b < 128 && isdigit(b));
		if (b < 128 && isxdigit(b))
			assert_int_equal(http1_hex(b), strtol((char[]){(char)b, 0}, NULL, 16));
		else
			assert_int_equal(http1_hex(b), 16);
	}
}

static const struct {
	const char *text;
	enum http1_name name;
} names[] = {
	{"host", HTTP1_NAME_HOST},
	{"content-length", HTTP1_NAME_LENGTH},
	{"transfer-encoding", HTTP1_NAME_CODING},
	{"connection", HTTP1_NAME_CONNECTION},
	{"upgrade", HTTP1_NAME_UPGRADE},
	{"http2-settings", HTTP1_NAME_SETTINGS},
	{"x-forwarded-for", HTTP1_NAME_FOR},
	{"x-forwarded-proto", HTTP1_NAME_PROTO},
	{"x-forwarded-port", HTTP1_NAME_PORT},
	{"forwarded", HTTP1_NAME_FORWARDED},
	{"x-real-ip", HTTP1_NAME_REAL},
	{"x-forwarded-host", HTTP1_NAME_STRIPPED},
	{"x-forwarded-a-long-name-of-them", HTTP1_NAME_STRIPPED},
	{"x-forwarded", HTTP1_NAME_STRIPPED},
	{"forwarded-for", HTTP1_NAME_STRIPPED},
	{"x-client-ip", HTTP1_NAME_STRIPPED},
	{"x-cluster-client-ip", HTTP1_NAME_STRIPPED},
	{"true-client-ip", HTTP1_NAME_STRIPPED},
	{"cf-connecting-ip", HTTP1_NAME_STRIPPED},
	{"fastly-client-ip", HTTP1_NAME_STRIPPED},
	{"client-ip", HTTP1_NAME_STRIPPED},
	{"front-end-https", HTTP1_NAME_STRIPPED},
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static char folded(char c)
{
	return (char)(isalnum((unsigned char)c) ? tolower((unsigned char)c) : '-');
}

/* Equal in n characters, with any separator. */
static bool alike(const char *token, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (folded(token[i]) != name[i])
			return false;
	return true;
}

/* The expected result of http1_name(), by the standard library. */
static uint8_t name_by_text(const char *token)
{
	static const char family[] = "x-forwarded-";
	const size_t n = sizeof(family) - 1, len = strlen(token);

	for (size_t i = 0; i < NAMES; i++)
		if (strlen(names[i].text) == len && alike(token, names[i].text, len))
			return (uint8_t)names[i].name |
			       (strncasecmp(token, names[i].text,
					    strncmp(family, names[i].text, n) ? len : n)
					? HTTP1_NAME_ALIAS
					: 0);
	if (len < n || !alike(token, family, n))
		return HTTP1_NAME_OTHER;
	return HTTP1_NAME_STRIPPED | (strncasecmp(token, family, n) ? HTTP1_NAME_ALIAS : 0);
}

static void check_name(const char *token)
{
	struct http1 h = {.len = (uint16_t)strlen(token)};

	memset(h.token, 'x', sizeof(h.token)); /* left over from a longer one */
	memcpy(h.token, token, h.len);
	if (http1_name(&h) != name_by_text(token))
		fail_msg("%s: %#x, expected %#x", token, http1_name(&h), name_by_text(token));
}

/* Each name: in other case, with each byte replaced by every other, shortened and lengthened. */
static void names_and_their_neighbours(void **state)
{
	for (size_t i = 0; i < NAMES; i++) {
		char t[HTTP1_TOKEN_MAX + 1];
		size_t n = strlen(names[i].text);

		for (size_t at = 0; at < n; at++) {
			for (int b = 1; b < 128; b++) {
				if (!http1_is_tchar((uint8_t)b))
					continue;
				strcpy(t, names[i].text);
				t[at] = (char)b;
				check_name(t);
				t[(at + 2) % n] = '_';
				check_name(t);
				/* The same character in the place of each dash. */
				strcpy(t, names[i].text);
				for (size_t k = 0; k < n; k++)
					t[k] = t[k] == '-' ? (char)b : t[k];
				check_name(t);
			}
			strcpy(t, names[i].text);
			t[at] = (char)toupper(t[at]);
			check_name(t);
			t[at] = 0;
			check_name(t);
			strcpy(t, names[i].text);
			t[1] = t[(i + 11) % n] = '_';
			check_name(t);
		}
		strcpy(t, names[i].text);
		strcat(t, "s");
		check_name(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_of_bytes),
		cmocka_unit_test(names_and_their_neighbours),
	};

	return cmocka_run_group_tests_name("http1_char", tests, NULL, NULL);
}
