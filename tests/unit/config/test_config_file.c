/* SPDX-License-Identifier: BSD-2-Clause */
/* config_file.c: the file into settings, each with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config_file.h"
#include "tests/lib/heard.h"
#include "tests/lib/loading.h"

/* Less than CONFIG_BYTES_MAX: the sanitizers are slow. */
#define FLOOD_BYTES (64u << 10)

#define KNOWN_TOP                                                                              \
	"tls, mode, alpn, app, proxy-protocol, trust, self-signed, strict-sni, "               \
	"listener-connections-max, "                                                           \
	"socket-mode, splice, backup, check, server-connections-max, queue-max, "              \
	"queue-timeout-ms, resolve-ms, connect-retry-ms, send-proxy, proxy-tlvs, workers, "    \
	"record, edit, bypass, cgroup, peername, app-cgroup, guard-mode, guard-interfaces, "   \
	"guard-priority, "                                                                     \
	"guard-observe, guard-source-rate, guard-source-burst, guard-source-prefix-v4, "       \
	"guard-source-prefix-v6, guard-total-rate, guard-total-burst, guard-over, "            \
	"guard-fragments, guard-keep, pin, control, xff, xff-trust, forwarding-fields, "       \
	"x-forwarded-proto, x-forwarded-port, x-real-ip, forwarded, forwarding-aliases, h2c, " \
	"tls-min, tls-policy, ticket-keys, "                                                   \
	"prefix-timeout-ms, handshake-timeout-ms, connect-timeout-ms, connect-early, "         \
	"app-reuse, app-idle-timeout-ms, "                                                     \
	"head-timeout-ms, response-timeout-ms, idle-timeout-ms, linger-timeout-ms, "           \
	"drain-timeout-ms, shutdown-delay-ms, tcp-keepalive-s, tcp-user-timeout-ms, "          \
	"connections-max, user, seccomp, address-connections-max, "                            \
	"handshakes-max, head-bytes-max, body-rate-min, response-rate-min, rate-grace-ms, "    \
	"log-level, log-format, access-log, access-log-format, metrics, certs, listeners, apps\n"

/* "top.listen=:1@2" for each setting: level, name, text and line. */
static void describe(char *to, size_t size, const struct settings *s)
{
	size_t len = 0;

	to[0] = '\0';
	for (size_t i = 0; i < s->count; i++) {
		const struct setting *one = &s->all[i];

		len += (size_t)snprintf(to + len, size - len, "%s=%s@%d:%d.%zu ", one->place.path,
					one->text ? one->text : "(none)", one->place.line,
					one->listener, one->pair);
		assert_true(len < size);
		assert_string_equal(one->place.file, "f");
		assert_false(one->bad);
	}
}

static int read_yaml(struct settings *to, const char *yaml)
{
	struct mistakes m = {0};
	int err;

	heard_begin();
	err = config_read_yaml(to, "f", (const uint8_t *)yaml, strlen(yaml), &m);
	heard_end();
	assert_int_equal(!!heard[0], m.count > 0);
	return err;
}

/* In the order of the file, each with the line of its value. */
static void every_value_keeps_its_place(void **state)
{
	static const char yaml[] = "certs:\n"
				   "- key: k\n"
				   "  cert: c\n"
				   "- {cert: d,\n"
				   "   ocsp: o}\n"
				   "pin: p\n"
				   "listeners:\n"
				   "- trust: []\n"
				   "  listen: a:1\n"
				   "- listen:\n"
				   "    b:2\n"
				   "  certs: [{cert: e}]\n"
				   "  trust:\n"
				   "  - x\n"
				   "  - 'y'\n"
				   "app: >-\n"
				   "  z:3\n";
	_cleanup_(settings_clear)
	struct settings s = {0};
	char text[1024];

	assert_int_equal(read_yaml(&s, yaml), 0);
	assert_string_equal(heard, "");
	describe(text, sizeof(text), &s);
	assert_string_equal(text, "certs[0].key=k@2:-1.0 certs[0].cert=c@3:-1.0 "
				  "certs[1].cert=d@4:-1.1 certs[1].ocsp=o@5:-1.1 "
				  "pin=p@6:-1.0 "
				  "listeners[0].trust=(none)@8:0.0 listeners[0].listen=a:1@9:0.0 "
				  "listeners[1].listen=b:2@11:1.0 "
				  "listeners[1].certs[0].cert=e@12:1.0 "
				  "listeners[1].trust[0]=x@14:1.0 listeners[1].trust[1]=y@15:1.0 "
				  "app=z:3@16:-1.0 ");
	assert_int_equal(s.listeners_count, 2);
	assert_string_equal(s.listeners[0].path, "listeners[0]");
	assert_int_equal(s.listeners[0].line, 8);
	assert_string_equal(s.listeners[1].path, "listeners[1]");
	assert_int_equal(s.listeners[1].line, 10);
}

/* A value is text, also if YAML has a type for it. */
static void a_value_is_the_text_that_was_written(void **state)
{
	static const char yaml[] = "pin: ~\nuser: null\nworkers: 0x10\ntls: yes\ncgroup: !!int 7\n"
				   "control: &anchor \"a\\tb\"\nmetrics: ''\nedit: \n";
	_cleanup_(settings_clear)
	struct settings s = {0};
	char text[512];

	assert_int_equal(read_yaml(&s, yaml), 0);
	assert_string_equal(heard, "");
	describe(text, sizeof(text), &s);
	assert_string_equal(text,
			    "pin=~@1:-1.0 user=null@2:-1.0 workers=0x10@3:-1.0 tls=yes@4:-1.0 "
			    "cgroup=7@5:-1.0 control=a\tb@6:-1.0 metrics=@7:-1.0 "
			    "edit=@8:-1.0 ");
}

static void a_variable_is_one_value_however_it_is_quoted(void **state)
{
	static const char yaml[] =
		"xff: ${KT_WORD}\ncerts:\n- {cert: \"${KT_YAML}\", key: '${KT_WORD}'}\n"
		"trust: [\"${KT_WORD}\"]\nuser: >-\n  a${KT_WORD}$$b\n";
	_cleanup_(settings_clear)
	struct settings s = {0};
	char said[512];

	(void)state;
	assert_int_equal(read_yaml(&s, yaml), 0);
	describe(said, sizeof(said), &s);
	assert_string_equal(said, "xff=word@1:-1.0 certs[0].cert=x]}\n- y: ${KT_WORD}@3:-1.0 "
				  "certs[0].key=word@3:-1.0 trust[0]=word@4:-1.0 "
				  "user=aword$b@5:-1.0 ");
	assert_string_equal(s.all[4].raw, "a${KT_WORD}$$b");
}

/* A small file with a long variable, again and again. */
static void variables_do_not_fill_memory(void **state)
{
	static char text[100001];
	char yaml[512] = "certs: [";
	struct settings s = {0};
	struct mistakes m = {0};

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	setenv("KT_LONG", text, 1);
	for (int i = 0; i < 11; i++)
		strcat(yaml, "{cert: \"${KT_LONG}\"},");
	strcat(yaml, "]\n");
	heard_begin();
	assert_int_equal(config_read_yaml(&s, "f", (uint8_t *)yaml, strlen(yaml), &m), 1);
	heard_end();
	assert_string_equal(heard, "error: f:1: certs[10].cert: too long: the values of the "
				   "variables in a file have 1 MiB at most\n");
	assert_int_equal(s.count, 0);
	unsetenv("KT_LONG");
}

static void a_file_without_keys_is_fine(void **state)
{
	static const char *const files[] = {"",
					    "\n",
					    "# only a comment\n",
					    "---\n",
					    "{}\n",
					    "\xef\xbb\xbf# with a byte order mark\n",
					    "--- # x\n...\n"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		_cleanup_(settings_clear)
		struct settings s = {0};

		assert_int_equal(read_yaml(&s, files[i]), 0);
		assert_string_equal(heard, "");
		assert_int_equal(s.count, 0);
	}
}

/* After a mistake of structure no setting is left. An unknown key is left out alone. */
static void a_useless_file_leaves_nothing(void **state)
{
	static const char *const useless[] = {
		"app: a\napp: b\n",
		"app: a\npin: [b]\n",
		"app: a\n---\napp: b\n",
		"app: a\npin: \"\\0\"\n",
		"app: a\n]",
		"app: a\nlisteners: [{listen: b}, c]\n",
		"app: a\npin: *b\n",
	};
	_cleanup_(settings_clear)
	struct settings kept = {0};

	for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
		struct settings s = {0};

		assert_int_equal(read_yaml(&s, useless[i]), 1);
		assert_string_not_equal(heard, "");
		assert_int_equal(s.count, 0);
		assert_null(s.all);
		assert_null(s.listeners);
	}
	assert_int_equal(read_yaml(&kept, "nope: {app: c}\napp: a\n"), 0);
	assert_string_not_equal(heard, "");
	assert_int_equal(kept.count, 1);
}

/* Each of the mistakes that are shown has its hint; the others are counted. */
static void unknown_keys_are_explained_up_to_the_limit(void **state)
{
	char yaml[16 * (CONFIG_MISTAKES_MAX + 1)] = "";
	size_t len = 0, hints = 0;
	struct settings s = {0};

	for (int i = 0; i <= CONFIG_MISTAKES_MAX; i++)
		len += (size_t)sprintf(yaml + len, "pinn: x%d\n", i);
	assert_int_equal(read_yaml(&s, yaml), 0);
	for (const char *at = heard; (at = strstr(at, "; did you mean pin?\n")); at++)
		hints++;
	assert_int_equal(hints, CONFIG_MISTAKES_MAX);
}

/* UTF-16, which YAML allows. */
static void a_file_may_be_utf_16(void **state)
{
	static const uint8_t yaml[] = {0xff, 0xfe, 'p', 0, 'i', 0, 'n',  0,
				       ':',  0,    ' ', 0, 'x', 0, '\n', 0};
	_cleanup_(settings_clear)
	struct settings s = {0};
	struct mistakes m = {0};

	assert_int_equal(config_read_yaml(&s, "f", yaml, sizeof(yaml), &m), 0);
	assert_int_equal(s.count, 1);
	assert_string_equal(s.all[0].text, "x");
}

/* One token repeated: no stack or table overflows, and the time stays short. */
static void floods_end(void **state)
{
	static const struct {
		const char *head, *piece;
	} floods[] = {
		{"", "["},
		{"", "- "},
		{"", "{a: "},
		{"a: ", "["},
		{"", "? "},
		{"x: ", "&a "},
		{"", "a: &b\n"},
		{"", "nope:\n"},
		{"trust: [", "1,"},
		{"", "\"\n"},
		{"certs:\n", "- {}\n"},
		{"", "<<: {}\n"},
		{"listeners:\n", "- {certs: [{}]}\n"},
		{"a: |\n", " x\n"},
		{"", "%TAG ! x\n"},
	};
	char *yaml = malloc(CONFIG_BYTES_MAX + 1);

	assert_non_null(yaml);
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		_cleanup_(settings_clear)
		struct settings s = {0};
		struct mistakes m = {0};
		size_t len = strlen(floods[i].head), piece = strlen(floods[i].piece);

		memcpy(yaml, floods[i].head, len);
		for (; len + piece <= FLOOD_BYTES; len += piece)
			memcpy(yaml + len, floods[i].piece, piece);
		heard_begin();
		assert_true(config_read_yaml(&s, "f", (uint8_t *)yaml, len, &m) >= 0);
		heard_end();
	}
	free(yaml);
}

static void a_file_may_be_large_but_not_larger(void **state)
{
	_cleanup_(freep)
	char *text = malloc(CONFIG_BYTES_MAX + 2);
	_cleanup_(loaded_free)
	struct loaded too_large = {0};

	assert_non_null(text);
	memset(text, ' ', CONFIG_BYTES_MAX + 1);
	memcpy(text, "workers: 7 #", 12);
	text[CONFIG_BYTES_MAX] = '\0';
	{
		_cleanup_(conf_freep)
		struct conf *conf = must_load(text, FINE);

		assert_int_equal(conf->workers, 7);
	}
	text[CONFIG_BYTES_MAX] = ' ';
	text[CONFIG_BYTES_MAX + 1] = '\0';
	too_large = load_yaml(text, FINE);
	assert_string_equal(too_large.err, "kedge: error: kedge.yaml: larger than 1048576 bytes: "
					   "not a configuration\n");
	assert_int_equal(too_large.status, -EINVAL);
}

/* Writes `head` and then `count` times `entry` to the file. */
static void write_repeated(const char *head, const char *entry, int count)
{
	_cleanup_(fclosep)
	FILE *f = fopen(loading_file, "w");

	assert_non_null(f);
	fputs(head, f);
	for (int i = 0; i < count; i++)
		fprintf(f, entry, i + 1);
}

static void lists_have_an_end(void **state)
{
	static const struct {
		const char *head, *entry;
		int max;
		const char *said;
	} lists[] = {
		{"app: localhost:999\nlisteners:\n", "- {tls: off, listen: localhost:%d}\n", 256,
		 "kedge: error: kedge.yaml:259: listeners[256]: more than 256 entries\n"},
		{"xff-trust:\n", "- 10.0.0.0/8 # %d\n", 4096,
		 "kedge: error: kedge.yaml:4098: xff-trust[4096]: more than 4096 entries\n"},
		{"certs:\n", "- {cert: a, key: b} # %d\n", 64,
		 "kedge: error: kedge.yaml:66: certs[64]: more than 64 entries\n"},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		_cleanup_(loaded_free)
		struct loaded fits = {0}, too_many = {0};

		write_repeated(lists[i].head, lists[i].entry, lists[i].max);
		fits = load(i ? "-c FILE " FINE : "-c FILE");
		assert_string_equal(fits.err, "");
		assert_int_equal(fits.status, 0);
		write_repeated(lists[i].head, lists[i].entry, lists[i].max + 1);
		too_many = load("-c FILE " FINE);
		assert_string_equal(too_many.err, lists[i].said);
		assert_int_equal(too_many.status, -EINVAL);
	}
}

static void a_file_that_cannot_be_read_is_a_mistake(void **state)
{
	_cleanup_(loaded_free)
	struct loaded missing = {0}, directory = {0}, denied = {0};
	uid_t was = geteuid();

	missing = load("-c /nowhere/kedge.yaml");
	assert_string_equal(missing.err,
			    "kedge: error: /nowhere/kedge.yaml: cannot be read: No such "
			    "file or directory\n");
	assert_int_equal(missing.status, -EINVAL);
	directory = load("-c /");
	assert_string_equal(directory.err, "kedge: error: /: cannot be read: Is a directory\n");
	write_file("", 0);
	assert_int_equal(chmod(loading_file, 0), 0);
	assert_int_equal(chmod(loading_dir, 0755), 0);
	if (was == 0)
		assert_int_equal(seteuid(65534), 0);
	denied = load("-c FILE");
	if (was == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(loading_file, 0600), 0);
	assert_non_null(strstr(denied.err, "kedge: error: kedge.yaml: cannot be read: Permission "
					   "denied: it is "));
}

static const struct mistake_case structure_mistakes[] = {
	{"workers: 1\nworker: 2\n", FINE,
	 "kedge.yaml:2: worker: unknown key; did you mean workers?\n"},
	{"listen: localhost:1\n", FINE,
	 "kedge.yaml:1: listen: unknown key here; it belongs in an entry of listeners\n"},
	{"cert: a\nkey: b\n", FINE,
	 "kedge.yaml:1: cert: unknown key here; it belongs in an entry of certs\n"
	 "kedge.yaml:2: key: unknown key here; it belongs in an entry of certs\n"},
	{"listeners:\n- {listen: localhost:1, tls: off, workers: 3}\n", "--app localhost:1",
	 "kedge.yaml:2: listeners[0].workers: unknown key here; it belongs at the top level\n"},
	{"apps: [a]\n", FINE,
	 "kedge.yaml:1: apps: must be keys with values, not a list; did you mean app?\n"},
	{"apps: 127.0.0.1:3000\n", FINE,
	 "kedge.yaml:1: apps: must be keys with values, not one value; did you mean app?\n"},
	{"apps: {a: localhost:1}\n", FINE,
	 "kedge.yaml:1: apps.a: must be keys with values, not one value\n"},
	{"apps:\n  a: {servers: localhost:1}\n  a: {servers: localhost:2}\n", FINE,
	 "kedge.yaml:3: apps.a: given twice\n"},
	{"apps: {a/b: {servers: localhost:1}}\n", FINE,
	 "kedge.yaml:1: apps.a/b: \"a/b\" is not the name of an application: at most 63 letters, "
	 "digits, \"-\", \"_\" and \".\"\n"},
	{"apps: {a: {servers: localhost:1, server: localhost:2}}\n", FINE,
	 "kedge.yaml:1: apps.a.server: unknown key; did you mean servers?\n"},
	{"apps: {? [a] : {servers: localhost:1}}\n", FINE,
	 "kedge.yaml:1: apps: a name must be one word, not a list\n"},
	{"apps: {\"a\\0b\": {servers: localhost:1}}\n", FINE,
	 "kedge.yaml:1: apps: a name has a NUL character in it\n"},
	{"servers: localhost:1\n", FINE,
	 "kedge.yaml:1: servers: unknown key here; it belongs in an entry of apps\n"},
	{"check: {}\n", FINE, "kedge.yaml:1: check: has no key: \"check: tcp\" is the shortest\n"},
	{"check: {check-path: /}\n", FINE,
	 "kedge.yaml:1: check.check-path: unknown key here; in a file it is path, in check\n"},
	{"check-path: /\n", FINE,
	 "kedge.yaml:1: check-path: unknown key here; in a file it is path, in check\n"},
	{"check: [tcp]\n", FINE, "kedge.yaml:1: check: must be one value, not a list\n"},
	{"\"app\\0x\": localhost:1\n", FINE,
	 "kedge.yaml:1: app: unknown key with a NUL character in it\n"},
	{"listeners:\n- {listen: localhost:1, tls: off, address: localhost:3}\n",
	 "--app localhost:1",
	 "kedge.yaml:2: listeners[0].address: unknown key; known "
	 "are listen, tls, mode, alpn, app, proxy-protocol, "
	 "trust, self-signed, strict-sni, listener-connections-max, "
	 "socket-mode, splice, certs, routes\n"},
	{"certs:\n- {cert: a, key: b}\n- {}\n", FINE,
	 "kedge.yaml:3: certs[1]: has neither cert nor key\n"},
	{"app: localhost:1\nlisteners:\n- listen: :1\n  certs: [{}, {cert: b}]\n", "",
	 "kedge.yaml:4: listeners[0].certs[0]: has neither cert nor key\n"
	 "kedge.yaml:3: listeners[0]: the certificate \"b\" has no key\n"},
	{"certs:\n- cert: a\n  key: b\n  pass: c\n", FINE,
	 "kedge.yaml:4: certs[0].pass: unknown key; known are cert, key, ocsp\n"},
	{"foo: {a: [1, {b: c}], d: [[]]}\nbar:\n", FINE,
	 "kedge.yaml:1: foo: unknown key; known are " KNOWN_TOP
	 "kedge.yaml:2: bar: unknown key; known are " KNOWN_TOP},
	{"app: localhost:1\nworkers: 1\napp: localhost:2\n", FINE,
	 "kedge.yaml:3: app: given twice\n"},
	{"workers: [1]\n", FINE, "kedge.yaml:1: workers: must be one value, not a list\n"},
	{"workers: {a: 1}\n", FINE,
	 "kedge.yaml:1: workers: must be one value, not keys with values\n"},
	{"trust: 10.0.0.0/8\n", FINE, "kedge.yaml:1: trust: must be a list, not one value\n"},
	{"guard-interfaces: eth0\n", FINE,
	 "kedge.yaml:1: guard-interfaces: must be a list, not one value\n"},
	{"trust:\n", FINE, "kedge.yaml:1: trust: must be a list, not nothing\n"},
	{"trust: [10.0.0.1, [10.0.0.2]]\n", FINE,
	 "kedge.yaml:1: trust[1]: must be one value, not a list\n"},
	{"listeners: {listen: localhost:1}\n", FINE,
	 "kedge.yaml:1: listeners: must be a list, not keys with values\n"},
	{"listeners:\n- :1\n", FINE,
	 "kedge.yaml:2: listeners[0]: must be keys with "
	 "values, not one value\n"},
	{"certs: [a, b]\n", FINE,
	 "kedge.yaml:1: certs[0]: must be keys with values, not one value\n"
	 "kedge.yaml:1: certs[1]: must be keys with values, not one value\n"},
	{"- app\n", FINE, "kedge.yaml:1: must be keys with values, not a list\n"},
	{"app\n", FINE, "kedge.yaml:1: must be keys with values, not one value\n"},
	{"? [a, b]\n: c\n", FINE, "kedge.yaml:1: a key must be one word, not a list\n"},
	{"pin: \"a\\0b\"\n", FINE, "kedge.yaml:1: pin: has a NUL character in it\n"},
	{"app: [::1]:80\n", FINE,
	 "kedge.yaml:1: not YAML: did not find expected node content while parsing a flow node; "
	 "quote it: \"[::1]:80\"\n"},
	{"app:\n- [localhost:1]\n", FINE, "kedge.yaml:2: app[0]: must be one value, not a list\n"},
	{"app: [\n", FINE,
	 "kedge.yaml:2: not YAML: did not find expected node content while parsing a "
	 "flow node\n"},
	{"a: b\n c: d\n", FINE,
	 "kedge.yaml:1: a: unknown key; known are " KNOWN_TOP
	 "kedge.yaml:2: not YAML: mapping values are not "
	 "allowed in this context\n"},
	{"app: x\n\x01\n", FINE, "kedge.yaml:2: not YAML: control characters are not allowed\n"},
	{"app: x\n# \xff\n", FINE, "kedge.yaml:2: not YAML: invalid leading UTF-8 octet\n"},
	{"app: &a x\npin: *a\n", FINE,
	 "kedge.yaml:2: pin: aliases (*name) are not read: write the value out, or quote it\n"},
	{"workers: 1\n---\nworkers: 2\n", FINE,
	 "kedge.yaml:2: a second document: one file is one document\n"},
	{"foo: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", FINE,
	 "kedge.yaml:1: foo: unknown key; known are " KNOWN_TOP
	 "kedge.yaml:1: foo: nested too deeply\n"},
	/* Variables are for values, and all that are missing are said. */
	{"workers: ${KT_NONE}\nuser: ${KT_NONE}\n", FINE,
	 "kedge.yaml:1: workers: the environment variable KT_NONE is not set: set it where kedge "
	 "is started, or give a default, ${KT_NONE:-DEFAULT}\n"
	 "kedge.yaml:2: user: the environment variable KT_NONE is not set: set it where kedge is "
	 "started, or give a default, ${KT_NONE:-DEFAULT}\n"},
	{"${KT_WORD}: 1\n", FINE, "kedge.yaml:1: ${KT_WORD}: unknown key; known are " KNOWN_TOP},
	{"trust: ['10.0.0.0/8', \"${KT_WORD}\"]\n", FINE,
	 "kedge.yaml:1: trust[1]: the value of \"${KT_WORD}\" is not a CIDR: not an IPv4 or "
	 "IPv6 address\n"},
	/* The settings of a useless file are not reported as missing. */
	{"workers: []\n", "", "kedge.yaml:1: workers: must be one value, not a list\n"},
};

static void mistakes_of_structure_are_said_with_file_and_line(void **state)
{
	check_mistakes(structure_mistakes,
		       sizeof(structure_mistakes) / sizeof(structure_mistakes[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_keeps_its_place),
		cmocka_unit_test(a_value_is_the_text_that_was_written),
		cmocka_unit_test(a_variable_is_one_value_however_it_is_quoted),
		cmocka_unit_test(variables_do_not_fill_memory),
		cmocka_unit_test(a_file_without_keys_is_fine),
		cmocka_unit_test(a_useless_file_leaves_nothing),
		cmocka_unit_test(unknown_keys_are_explained_up_to_the_limit),
		cmocka_unit_test(a_file_may_be_utf_16),
		cmocka_unit_test(floods_end),
		cmocka_unit_test(a_file_may_be_large_but_not_larger),
		cmocka_unit_test(lists_have_an_end),
		cmocka_unit_test(a_file_that_cannot_be_read_is_a_mistake),
		cmocka_unit_test(mistakes_of_structure_are_said_with_file_and_line),
	};

	setenv("KT_WORD", "word", 1);
	setenv("KT_YAML", "x]}\n- y: ${KT_WORD}", 1);
	unsetenv("KT_NONE");
	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
