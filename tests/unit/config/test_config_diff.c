/* SPDX-License-Identifier: BSD-2-Clause */
/* config_diff.c: the changes of a reload, key by key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "config/config_diff.h"
#include "config/config_options.h"
#include "tests/lib/loading.h"

static char changed[4096], kept[4096];

static void say(void *arg, enum config_change change, const char *text)
{
	char *to = change == CONFIG_CHANGED ? changed : kept;

	assert_ptr_equal(arg, changed);
	strcat(to, text);
	strcat(to, "\n");
}

#define BASE "--app 127.0.0.1:1 --tls off --workers 1 --listen 127.0.0.1:81 "

static void diff(const char *before_flags, const char *after_flags)
{
	_cleanup_(conf_freep)
	struct conf *before = must_load(NULL, before_flags);
	_cleanup_(conf_freep)
	struct conf *after = must_load(NULL, after_flags);
	int from[8];

	changed[0] = kept[0] = '\0';
	assert_int_equal(config_diff(before, after, say, changed), 0);
	config_match_listeners(from, before, after);
	for (size_t i = 0; i < after->listeners_count; i++)
		if (from[i] >= 0)
			assert_int_equal(config_diff_listener(&before->listeners[from[i]],
							      &after->listeners[i], say, changed),
					 0);
	/* Values that need a restart were restored: a second comparison finds none of them. */
	kept[0] = '\0';
	assert_int_equal(config_diff(before, after, say, changed), 0);
	assert_string_equal(kept, "");
}

static void nothing_has_changed(void **state)
{
	(void)state;
	diff(BASE "--xff-trust 10.0.0.0/8", BASE "--xff-trust 10.0.0.0/8");
	assert_string_equal(changed, "");
}

static void every_kind_of_value(void **state)
{
	static const char want[] = "guard-observe: off -> on\n"
				   "guard-source-rate: 0 -> 7\n"
				   "xff: append -> never\n"
				   "xff-trust: nobody -> 10.0.0.0/8, 2001:db8::/32, 192.0.2.1\n"
				   "x-forwarded-proto: on -> off\n"
				   "idle-timeout-ms: 300000 -> 5\n"
				   "log-level: info -> debug\n";

	(void)state;
	diff(BASE, "--app 127.0.0.1:1 --tls off --workers 1 --xff never --xff-trust 10.0.0.0/8 "
		   "--xff-trust 2001:db8::/32 --xff-trust 192.0.2.1 --x-forwarded-proto off "
		   "--idle-timeout-ms 5 --log-level debug --guard-observe on --guard-source-rate 7 "
		   "--listen 127.0.0.1:81");
	/* diff() compares twice, so each line is there twice. */
	assert_int_equal(strlen(changed), 2 * strlen(want));
	assert_memory_equal(changed, want, strlen(want));
}

static void what_needs_a_restart_is_put_back(void **state)
{
	_cleanup_(conf_freep)
	struct conf *before = must_load(NULL, BASE "--pin off --cgroup /a");
	_cleanup_(conf_freep)
	struct conf *after =
		must_load(NULL, "--app 127.0.0.1:1 --tls off --workers 3 --record off --edit off "
				"--bypass prefer --guard-mode auto --guard-interfaces a "
				"--guard-interfaces b --guard-keep on --guard-priority 1 "
				"--control /c --listen 127.0.0.1:81");

	(void)state;
	changed[0] = kept[0] = '\0';
	assert_int_equal(config_diff(before, after, say, changed), 0);
	assert_string_equal(changed, "");
	assert_string_equal(kept, "workers: 1 -> 3\n"
				  "record: prefer -> off\n"
				  "edit: prefer -> off\n"
				  "bypass: off -> prefer\n"
				  "cgroup: /a -> kedge's own\n"
				  "guard-mode: off -> auto\n"
				  "guard-interfaces: all-listeners -> a, b\n"
				  "guard-priority: 10 -> 1\n"
				  "guard-keep: off -> on\n"
				  "pin: off -> /sys/fs/bpf/kedge\n"
				  "control: /run/kedge/kedge.sock -> /c\n");
	assert_int_equal(after->workers, 1);
	assert_int_equal(after->record, POLICY_PREFER);
	assert_int_equal(after->bypass, POLICY_OFF);
	assert_string_equal(after->cgroup, "/a");
	assert_null(after->pin);
	assert_int_equal(after->guard.mode, GUARD_OFF);
	assert_int_equal(after->guard.interfaces.count, 1);
	assert_string_equal(after->guard.interfaces.set[0], "all-listeners");
	assert_string_equal(after->control, "/run/kedge/kedge.sock");
}

/* A value that is not the default. */
static const char *other_value(const struct option_def *opt)
{
	static char number[16];

	switch (opt->kind) {
	case OPTION_ADDR:
		return "127.0.0.1:9";
	case OPTION_APP:
	case OPTION_SERVERS:
		return "app.internal:9";
	case OPTION_TEXT:
		return "/other";
	case OPTION_RANGE:
		return "204";
	case OPTION_NUMBER:
		snprintf(number, sizeof(number), "%u", opt->max);
		if (!strcmp(opt->text, number))
			snprintf(number, sizeof(number), "%u", opt->min);
		return number;
	case OPTION_WORD:
	case OPTION_BOOL:
		return opt->words[strcmp(opt->text, opt->words[0]) ? 0 : 1];
	case OPTION_WORDS:
		return opt->words[0];
	case OPTION_MODE:
		return "0600";
	case OPTION_CIDRS:
		return "10.0.0.0/8";
	case OPTION_PATH:
	case OPTION_NAMES:
	case OPTION_CERT:
		break;
	}
	return "other";
}

/* Each row of the table, in both directions: the old value comes back, or the new one stays. */
static void every_option_of_kedge_as_a_whole(void **state)
{
	for (size_t i = 0; i < config_options_count; i++) {
		const struct option_def *opt = &config_options[i];
		_cleanup_(conf_freep)
		struct conf *plain = NULL, *other = NULL;
		char why[WHY_MAX];

		if (opt->scope != OPTION_GLOBAL)
			continue;
		for (int turn = 0; turn < 2; turn++) {
			struct conf *before, *after;

			config_free(take_ptr(plain));
			config_free(take_ptr(other));
			plain = must_load(NULL, BASE);
			other = must_load(NULL, BASE);
			/* The defaults of a list are in it already. */
			conf_names_clear(&other->guard.interfaces);
			if (option_set(opt, other, opt->offset, other_value(opt), 0, why))
				fail_msg("%s: %s", opt->name, why);
			if (opt->kind != OPTION_NAMES)
				assert_int_equal(option_set(option_find("guard-interfaces", 16),
							    other,
							    offsetof(struct conf, guard.interfaces),
							    "all-listeners", 0, why),
						 0);
			before = turn ? other : plain;
			after = turn ? plain : other;
			changed[0] = kept[0] = '\0';
			assert_int_equal(config_diff(before, after, say, changed), 0);
			if (!strstr(opt->restart ? kept : changed, opt->name))
				fail_msg("%s: %s%s", opt->name, kept, changed);
			assert_string_equal(opt->restart ? changed : kept, "");
			/* Put back means equal; taken over means still different. */
			kept[0] = changed[0] = '\0';
			assert_int_equal(config_diff(before, after, say, changed), 0);
			assert_int_equal(changed[0] != '\0', !opt->restart);
			assert_string_equal(kept, "");
		}
	}
}

static void a_listener_by_its_keys(void **state)
{
	(void)state;
	diff("--app 127.0.0.1:1 --listen 127.0.0.1:81 --cert a --key b",
	     "--app 127.0.0.1:1 --listen 127.0.0.1:81 --cert a2 --key b --cert c --key d "
	     "--proxy-protocol require --trust 10.0.0.0/8");
	assert_string_equal(changed, "listener 127.0.0.1:81: proxy-protocol: off -> require\n"
				     "listener 127.0.0.1:81: trust: everybody -> 10.0.0.0/8\n"
				     "listener 127.0.0.1:81: cert: a -> a2, c\n"
				     "listener 127.0.0.1:81: key: b -> b, d\n");
}

#define ROUTED(routes)                                                                       \
	"app: 127.0.0.1:1\ncerts: [{cert: c, key: k}]\nlisteners:\n- listen: 127.0.0.1:81\n" \
	"  mode: tcp\n  routes: [" routes "]\n"

/* What is said of the second file after the first. */
static void diff_routes(const char *yaml_before, const char *yaml_after, const char *want)
{
	_cleanup_(conf_freep)
	struct conf *before = must_load(yaml_before, "");
	_cleanup_(conf_freep)
	struct conf *after = must_load(yaml_after, "");

	changed[0] = kept[0] = '\0';
	assert_int_equal(config_diff_listener(before->listeners, after->listeners, say, changed),
			 0);
	assert_string_equal(changed, want);
	assert_string_equal(kept, "");
}

static void routes_by_their_place(void **state)
{
	(void)state;
	diff_routes(ROUTED("{names: [a.test], app: '127.0.0.1:2'}"),
		    ROUTED("{names: [A.test], app: '127.0.0.1:2'}"), "");
	diff_routes(ROUTED("{names: [a.test], app: '127.0.0.1:2'}"),
		    ROUTED("{names: [a.test, b.test], app: ['127.0.0.1:2', '127.0.0.1:3'], alpn: "
			   "[h2, imap], certs: [{cert: d, key: l, ocsp: o}, {cert: e, key: m}]}, "
			   "{names: [c.test], app: '127.0.0.1:4'}"),
		    "listener 127.0.0.1:81: routes[0]: names: a.test; app: 127.0.0.1:2 -> "
		    "names: a.test, b.test; app: 127.0.0.1:2, 127.0.0.1:3; alpn: h2, imap; "
		    "cert: d, e; key: l, m; ocsp: o\n"
		    "listener 127.0.0.1:81: routes[1]: none -> names: c.test; app: 127.0.0.1:4\n");
	diff_routes(ROUTED("{names: [a.test], app: '127.0.0.1:2'}"), ROUTED(""),
		    "listener 127.0.0.1:81: routes[0]: names: a.test; "
		    "app: 127.0.0.1:2 -> none\n");
}

static void listeners_are_known_by_their_address(void **state)
{
	_cleanup_(conf_freep)
	struct conf *before =
		must_load(NULL, "--app 127.0.0.1:1 --tls off --listen 127.0.0.1:81 --listen "
				"127.0.0.1:0 --listen *:82 --listen 127.0.0.1:0 --listen [::]:83");
	_cleanup_(conf_freep)
	struct conf *after =
		must_load(NULL, "--app 127.0.0.1:1 --tls off --listen 127.0.0.1:0 --listen "
				"127.0.0.1:0 --listen [::]:82 --listen 127.0.0.1:81 "
				"--listen 127.0.0.1:0 --listen 127.0.0.2:81 --listen [::]:83");
	const int want[] = {1, 3, -1, 0, -1, -1, 4};
	int from[7];

	(void)state;
	config_match_listeners(from, before, after);
	for (int i = 0; i < 7; i++)
		assert_int_equal(from[i], want[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_has_changed),
		cmocka_unit_test(every_kind_of_value),
		cmocka_unit_test(what_needs_a_restart_is_put_back),
		cmocka_unit_test(every_option_of_kedge_as_a_whole),
		cmocka_unit_test(a_listener_by_its_keys),
		cmocka_unit_test(routes_by_their_place),
		cmocka_unit_test(listeners_are_known_by_their_address),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
