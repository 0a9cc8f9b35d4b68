/* SPDX-License-Identifier: BSD-2-Clause */
/* config_fill.c: which setting reaches which field. */
#include "config/config_fill.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config_options.h"

static void put(struct settings *to, const char *name, const char *text, int listener, int app)
{
	const struct setting s = {.opt = option_find(name, strlen(name)),
				  .listener = listener,
				  .app = app,
				  .text = (char *)text,
				  .place = {.path = (char *)name}};

	assert_non_null(s.opt);
	assert_int_equal(settings_add(to, &s), 0);
}

static void the_narrowest_counts(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	_cleanup_(conf_app_clear)
	struct conf_app app = {0};
	struct filling f = {.base = &app, .what = FILLED_APP};

	(void)state;
	put(&s, "check-rise", "5", -1, -1);
	put(&s, "check-rise", "6", -1, 1);
	put(&s, "check-fall", "7", -1, -1);
	put(&s, "check-fall", "8", -1, 0); /* of another application */
	put(&s, "workers", "9", -1, -1);   /* of kedge as a whole */
	put(&s, "splice", "on", -1, -1);   /* of a listener */
	assert_int_equal(fill_from(&f, &s, -1, 1), 0);
	assert_int_equal(fill_from(&f, &s, -1, -1), 0);
	assert_int_equal(fill_defaults(&f), 0);
	assert_int_equal(app.check_rise, 6);
	assert_int_equal(app.check_fall, 7);
	assert_int_equal(app.check_every_ms, 2000);
	assert_true(fill_has(&f, "check-rise") && fill_has(&f, "check-fall"));
	assert_false(fill_has(&f, "check-every-ms"));
	assert_false(f.bad);
}

/* A list is taken whole from one source, in which it may be empty. */
static void a_list_is_not_mixed(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	_cleanup_(conf_app_clear)
	struct conf_app one = {0}, other = {0};
	struct filling f = {.base = &one, .what = FILLED_APP}, g = f;

	(void)state;
	put(&s, "backup", "a:1", -1, -1);
	put(&s, "backup", "b:2", -1, 0);
	put(&s, "backup", "c:3", -1, 0);
	put(&s, "backup", NULL, -1, 1);
	fill_from(&f, &s, -1, 0);
	fill_from(&f, &s, -1, -1);
	assert_int_equal(one.servers.count, 2);
	g.base = &other;
	fill_from(&g, &s, -1, 1);
	fill_from(&g, &s, -1, -1);
	assert_int_equal(other.servers.count, 0);
	conf_app_clear(&other);
}

/* `mode` is a key of listeners and of apps. */
static void one_option_may_have_two_homes(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	struct conf_app app = {0};
	struct conf_listener l = {0};
	struct filling f = {.base = &app, .what = FILLED_APP},
		       g = {.base = &l, .what = FILLED_LISTENER};

	(void)state;
	put(&s, "mode", "tcp", -1, 0);
	fill_from(&f, &s, -1, 0);
	assert_int_equal(app.mode, MODE_TCP);
	fill_from(&g, &s, -1, 0);
	fill_from(&g, &s, 0, -1);
	assert_int_equal(l.mode, MODE_HTTP);
	put(&s, "mode", "tcp", -1, -1); /* outside both it is that of listeners */
	app.mode = MODE_HTTP;
	memset(f.seen, 0, sizeof(f.seen));
	fill_from(&f, &s, -1, -1);
	fill_from(&g, &s, -1, -1);
	assert_int_equal(app.mode, MODE_HTTP);
	assert_int_equal(l.mode, MODE_TCP);
}

static void a_bad_setting_is_left_out(void **state)
{
	_cleanup_(settings_clear)
	struct settings s = {0};
	_cleanup_(conf_app_clear)
	struct conf_app app = {0};
	struct filling f = {.base = &app, .what = FILLED_APP};
	char why[WHY_MAX];

	(void)state;
	put(&s, "check-rise", "many", -1, -1);
	assert_int_equal(fill_try(&s.all[0], why), -EINVAL);
	s.all[0].bad = true;
	assert_int_equal(fill_from(&f, &s, -1, -1), 0);
	assert_true(f.bad);
	fill_defaults(&f);
	assert_int_equal(app.check_rise, 0); /* it was seen */
}

static void each_may_be_tried_alone(void **state)
{
	static const struct {
		const char *name, *text;
		int app;
	} rows[] = {{"workers", "3", -1},   {"splice", "on", -1},   {"servers", "a:1", 0},
		    {"mode", "tcp", 0},     {"mode", "tcp", -1},    {"check-path", "/a", -1},
		    {"cert", "a.pem", -1},  {"app", "unix:/a", -1}, {"backup", "b:2", 3},
		    {"control", "off", -1}, {"trust", "::/0", -1}};
	_cleanup_(settings_clear)
	struct settings s = {0};
	char why[WHY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		put(&s, rows[i].name, rows[i].text, -1, rows[i].app);
		assert_int_equal(fill_try(&s.all[i], why), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_narrowest_counts),
		cmocka_unit_test(a_list_is_not_mixed),
		cmocka_unit_test(one_option_may_have_two_homes),
		cmocka_unit_test(a_bad_setting_is_left_out),
		cmocka_unit_test(each_may_be_tried_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
