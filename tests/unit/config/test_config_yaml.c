/* SPDX-License-Identifier: BSD-2-Clause */
/* config_yaml.c: the cursor over the events of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "config/config_yaml.h"
#include "tests/lib/heard.h"

/* Open over a text; closed by finish(). */
static struct cursor c;
static struct mistakes m;

static void begin_bytes(const void *bytes, size_t len)
{
	m = (struct mistakes){0};
	heard_begin();
	assert_int_equal(cursor_open(&c, "f", bytes, len, &m), 0);
}

static void begin(const char *yaml)
{
	begin_bytes(yaml, strlen(yaml));
}

static int finish(void **state)
{
	cursor_close(&c);
	heard_end();
	return 0;
}

/* To the first event of the document's value. */
static void to_value(void)
{
	for (int i = 0; i < 3; i++)
		assert_int_equal(cursor_next(&c), 0);
}

static void events_have_a_kind_and_a_line(void **state)
{
	begin("# one\na: [x, {b: ''}]\n");
	to_value();
	assert_true(cursor_is(&c, CURSOR_KEYS));
	assert_false(cursor_is(&c, CURSOR_LIST));
	assert_false(cursor_is(&c, CURSOR_VALUE));
	assert_string_equal(cursor_event_name(&c), "keys with values");
	assert_int_equal(cursor_place(&c).line, 2);
	assert_string_equal(cursor_place(&c).file, "f");
	assert_string_equal(cursor_place(&c).path, "");
	assert_int_equal(cursor_next(&c), 0);
	assert_true(cursor_is(&c, CURSOR_VALUE));
	assert_string_equal(cursor_event_name(&c), "one value");
	assert_int_equal(cursor_next(&c), 0);
	assert_true(cursor_is(&c, CURSOR_LIST));
	assert_string_equal(cursor_event_name(&c), "a list");
	for (int i = 0; i < 4; i++)
		assert_int_equal(cursor_next(&c), 0);
	assert_true(cursor_is(&c, CURSOR_VALUE));
	assert_string_equal(cursor_event_name(&c), "nothing");
	for (int i = 0; i < 5; i++)
		assert_int_equal(cursor_next(&c), 0);
	assert_int_equal(c.event.type, YAML_STREAM_END_EVENT);
	assert_string_equal(heard, "");
}

/* The cursor is at the last event of the value afterwards. */
static void a_value_is_skipped_whole(void **state)
{
	static const char *const values[] = {
		"x", "''", "[]", "[[x], {a: [b]}]", "{a: {b: {}}}", "\n    - a\n    -\n      - b"};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char yaml[128];

		snprintf(yaml, sizeof(yaml), "k: %s\nnext: 1\n", values[i]);
		begin(yaml);
		to_value();
		assert_int_equal(cursor_next(&c), 0);
		assert_int_equal(cursor_next(&c), 0);
		assert_int_equal(cursor_skip(&c), 0);
		assert_int_equal(cursor_next(&c), 0);
		assert_string_equal((char *)c.event.data.scalar.value, "next");
		assert_string_equal(heard, "");
		if (i + 1 < sizeof(values) / sizeof(values[0]))
			finish(state);
	}
}

static void skipping_has_a_depth(void **state)
{
	char yaml[2 * CURSOR_DEPTH_MAX + 8] = "";

	memset(yaml, '[', CURSOR_DEPTH_MAX);
	memset(yaml + CURSOR_DEPTH_MAX, ']', CURSOR_DEPTH_MAX);
	begin(yaml);
	to_value();
	assert_int_equal(cursor_skip(&c), 0);
	finish(state);
	memset(yaml, '[', CURSOR_DEPTH_MAX + 1);
	begin(yaml);
	to_value();
	assert_int_equal(cursor_skip(&c), -EINVAL);
	assert_string_equal(heard, "error: f:1: nested too deeply\n");
	assert_int_equal(m.count, 1);
}

static void what_is_not_read_ends_it(void **state)
{
	static const struct {
		const char *yaml, *said;
	} cases[] = {
		{"a: &x b\nc: *x\n",
		 "error: f:2: aliases (*name) are not read: write the value out, or quote it\n"},
		{"a: *x\n",
		 "error: f:1: aliases (*name) are not read: write the value out, or quote it\n"},
		{"a: b\n\tc: d\n", "error: f:2: not YAML: found a tab character that violates "
				   "indentation while scanning a plain scalar\n"},
		{"a: \"b\n", "error: f:2: not YAML: found unexpected end of stream while scanning "
			     "a quoted scalar\n"},
		{"a: b\nc: \"\xe9\"\n", "error: f:2: not YAML: invalid trailing UTF-8 octet\n"},
		{"a: b\n\n\x7f\n", "error: f:3: not YAML: control characters are not allowed\n"},
		{"%YAML 9.9\n---\na: b\n",
		 "error: f:1: not YAML: found incompatible YAML document\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = 0;

		begin(cases[i].yaml);
		for (int n = 0; n < 20 && !err; n++)
			err = cursor_next(&c);
		assert_int_equal(err, -EINVAL);
		assert_string_equal(heard, cases[i].said);
		assert_int_equal(m.count, 1);
		/* The cursor can still be asked and closed. */
		assert_false(cursor_is(&c, CURSOR_VALUE));
		if (i + 1 < sizeof(cases) / sizeof(cases[0]))
			finish(state);
	}
}

/* What a developer types who does not know which characters mean something to YAML. */
static void a_value_that_needs_quotes(void **state)
{
	static const struct {
		const char *yaml, *ends;
	} cases[] = {
		{"listen: *:3443\n", "while scanning an alias; quote it: \"*:3443\"\n"},
		{"listen: *:3443", "while scanning an alias; quote it: \"*:3443\"\n"},
		{"listen: *:3443 # all\r\n", "an alias; quote it: \"*:3443\"\n"},
		{"a:\n  - *:1\n", "f:2: not YAML: did not find expected alphabetic or numeric "
				  "character while scanning an alias; quote it: \"*:1\"\n"},
		{"a: [x, *:1, y]\n", "an alias; quote it: \"*:1\"\n"},
		{"a: {b: *:1}\n", "an alias; quote it: \"*:1\"\n"},
		{"\xc3\xa9: *:1\n", "an alias; quote it: \"*:1\"\n"},
		{"a: &:1\n", "while scanning an anchor; quote it: \"&:1\"\n"},
		{"a: %h\n", "scanning for the next token; quote it: \"%h\"\n"},
		{"a: @x\n", "scanning for the next token; quote it: \"@x\"\n"},
		{"a: `x`\n", "scanning for the next token; quote it: \"`x`\"\n"},
		{"listen: [::]:443\n", "while parsing a flow node; quote it: \"[::]:443\"\n"},
		{"a: [::1]:3000 # x\n", "a flow node; quote it: \"[::1]:3000\"\n"},
		{"a: [[::1]:3000]\n", "a flow node; quote it: \"[::1]:3000\"\n"},
		/* Where the value ends is not known, or it has what quotes would change. */
		{"a: *: x\n", "while scanning an alias; quote the value\n"},
		{"a: %h %r\n", "for the next token; quote the value\n"},
		{"a: @x\"y\n", "for the next token; quote the value\n"},
		{"a: @x\\y\n", "for the next token; quote the value\n"},
		{"a: @\xc3\xa9\n", "for the next token; quote the value\n"},
		{"a: @0123456789012345678901234567890123456789012345678901234567890123\n",
		 "for the next token; quote the value\n"},
		{"a: !x:80\n", "f:1: a tag (!name) without a value: quote a value that begins "
			       "with !\n"},
		{"a: &x\n", "f:1: an anchor (&name) without a value: quote a value that begins "
			    "with &\n"},
		/* Lists and others that are wrong in other ways. */
		{"a: [b, :]:1\n", "while parsing a flow node\n"},
		{"a: [,]\n", "while parsing a flow node\n"},
		{"a: [\n,]\n", "while parsing a flow node\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].ends);
		int err = 0;

		begin(cases[i].yaml);
		for (int n = 0; n < 20 && !err; n++)
			err = cursor_next(&c);
		assert_int_equal(err, -EINVAL);
		if (strlen(heard) < len || strcmp(heard + strlen(heard) - len, cases[i].ends))
			fail_msg("%s is answered with: %s", cases[i].yaml, heard);
		assert_int_equal(m.count, 1);
		if (i + 1 < sizeof(cases) / sizeof(cases[0]))
			finish(state);
	}
}

/* The length counts: no NUL is needed at the end. */
static void bytes_have_a_length(void **state)
{
	static const uint8_t cut[] = {'a', ':', ' ', 'b', '\n', 0xc3};
	int err = 0;

	begin_bytes(cut, 5);
	to_value();
	assert_int_equal(cursor_skip(&c), 0);
	finish(state);
	begin_bytes(cut, sizeof(cut));
	for (int n = 0; n < 20 && !err; n++)
		err = cursor_next(&c);
	assert_int_equal(err, -EINVAL);
	assert_string_equal(heard, "error: f:2: not YAML: incomplete UTF-8 octet sequence\n");
}

static void the_path_grows_and_shrinks(void **state)
{
	size_t before, at_list;

	begin("");
	before = cursor_enter_key(&c, "listeners");
	assert_int_equal(before, 0);
	at_list = cursor_enter_entry(&c, 12);
	assert_string_equal(c.path, "listeners[12]");
	cursor_enter_key(&c, "trust");
	assert_string_equal(c.path, "listeners[12].trust");
	cursor_leave(&c, at_list);
	assert_string_equal(c.path, "listeners");
	cursor_leave(&c, before);
	assert_string_equal(c.path, "");
}

static void a_path_is_cut_where_its_room_ends(void **state)
{
	char key[CURSOR_KEY_MAX + 11] = "";

	memset(key, 'k', sizeof(key) - 1);
	begin("");
	cursor_enter_key(&c, key);
	assert_int_equal(strlen(c.path), CURSOR_KEY_MAX);
	for (int i = 0; i < 10; i++) {
		cursor_enter_key(&c, key);
		cursor_enter_entry(&c, 4000000000);
	}
	assert_int_equal(strlen(c.path), CURSOR_PATH_MAX - 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_have_a_kind_and_a_line), TEST(a_value_is_skipped_whole),
		TEST(skipping_has_a_depth),          TEST(what_is_not_read_ends_it),
		TEST(a_value_that_needs_quotes),     TEST(bytes_have_a_length),
		TEST(the_path_grows_and_shrinks),    TEST(a_path_is_cut_where_its_room_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
