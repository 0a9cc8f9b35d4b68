/* SPDX-License-Identifier: BSD-2-Clause */
/* user/config*.c: every mistake's words, and where they point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config_mistakes.h"
#include "tests/lib/loading.h"

/* A mistake and all that is said about it; lines are written without "kedge: error: ". */
struct mistake_case {
	const char *yaml; /* NULL: no file */
	const char *args;
	const char *said;
};

static const struct mistake_case mistakes_in_flags[] = {
	{NULL, "",
	 "no listener: give --listen ADDR:PORT, or listeners in the file\n"
	 "no application: give --app ADDR:PORT, or app in the file\n"},
	{NULL, FINE "stray", "stray: not an option: a file is given as -c FILE\n"},
	{NULL, FINE "-x", "-x: not an option: see --help\n"},
	{NULL, FINE "--", "--: not an option: see --help\n"},
	{NULL, FINE "--work 3", "--work: unknown option: see --help\n"},
	{NULL, "kedge.yaml", "kedge.yaml: not an option: a file is given as -c FILE\n"},
	{NULL, "-c", "-c: needs a file\n"},
	{NULL, "--config kedge.yaml", "--config: unknown option: a file is given as -c FILE\n"},
	{NULL, "--file=x", "--file=x: unknown option: a file is given as -c FILE\n"},
	{NULL, FINE "--log_level debug --hanshakes-max 3",
	 "--log_level: unknown option; did you mean --log-level?\n"
	 "--hanshakes-max: unknown option; did you mean --handshakes-max?\n"},
	{NULL, FINE "--workerss=3 --foo",
	 "--workerss=3: unknown option; did you mean --workers?\n"
	 "--foo: unknown option: see --help\n"},
	{NULL, FINE "--workers", "--workers: needs a value\n"},
	{NULL, FINE "--workers --pin off", "--workers: needs a value\n"},
	{NULL, FINE "-c", "-c: needs a file\n"},
	{NULL, FINE "-c /dev/null -c /dev/null", "-c: given twice: only one file is read\n"},
	{NULL, FINE "--workers=", "--workers: \"\" is not a whole number from 0 to 64 threads\n"},
	{NULL, FINE "--workers 65",
	 "--workers: \"65\" is not a whole number from 0 to 64 threads\n"},
	{NULL, FINE "--workers -1",
	 "--workers: \"-1\" is not a whole number from 0 to 64 threads\n"},
	{NULL, FINE "--idle-timeout-ms 0",
	 "--idle-timeout-ms: \"0\" is not a whole number from 1 to 86400000 ms\n"},
	{NULL, FINE "--idle-timeout-ms 86400001",
	 "--idle-timeout-ms: \"86400001\" is not a whole number from 1 to 86400000 ms\n"},
	{NULL, FINE "--idle-timeout-ms 18446744073709551617",
	 "--idle-timeout-ms: \"18446744073709551617\" is not a whole number from 1 to 86400000 "
	 "ms\n"},
	{NULL, FINE "--idle-timeout-ms 5s",
	 "--idle-timeout-ms: \"5s\" is not a whole number from 1 to 86400000 ms\n"},
	{NULL, FINE "--connections-max 1048577",
	 "--connections-max: \"1048577\" is not a whole number from 1 to 1048576 connections\n"},
	{NULL, FINE "--head-bytes-max 65537",
	 "--head-bytes-max: \"65537\" is not a whole number from 8192 to 65536 bytes\n"},
	{NULL, FINE "--head-bytes-max 8191",
	 "--head-bytes-max: \"8191\" is not a whole number from 8192 to 65536 bytes\n"},
	{NULL, FINE "--record on", "--record: \"on\" is not one of require, prefer, off\n"},
	{NULL, FINE "--edit Off", "--edit: \"Off\" is not one of require, prefer, off\n"},
	{NULL, FINE "--xff set", "--xff: \"set\" is not one of append, replace, if-none, never\n"},
	{NULL, FINE "--tls-min 1.1", "--tls-min: \"1.1\" is not one of 1.2, 1.3\n"},
	{NULL, FINE "--tls yes", "--tls: \"yes\" is not one of off, on\n"},
	{NULL, FINE "--user no-such-user", "--user: there is no user \"no-such-user\"\n"},
	{NULL, FINE "--seccomp on", "--seccomp: \"on\" is not one of off, log, errno, enforce\n"},
	{NULL, FINE "--log-level trace",
	 "--log-level: \"trace\" is not one of error, warn, info, debug\n"},
	{NULL, FINE "--cgroup=", "--cgroup: \"\" names no file\n"},
	{NULL, FINE "--xff-trust 10.0.0.1/8",
	 "--xff-trust: \"10.0.0.1/8\" is not a CIDR: bits are set below the prefix length\n"},
	{NULL, FINE "--app nonsense",
	 "--app: \"nonsense\" is not ADDR:PORT: the port is missing: ADDRESS:PORT\n"},
	{NULL, FINE "--app :80", "--app: \":80\" is not one address: name the host\n"},
	{NULL, FINE "--app 0.0.0.0:80",
	 "--app: \"0.0.0.0:80\" is not one address: name the host\n"},
	{NULL, FINE "--app localhost:0", "--app: \"localhost:0\" has no port\n"},
	{NULL, FINE "--listen :1",
	 "--listen :1: the same address as --listen :1: [::]:1\n"
	 "--listen :1: TLS without a certificate: give cert and key, or tls off\n"},
	{NULL, FINE "--tls on --cert a --key b --cert c",
	 "--listen :1: the certificate \"c\" has no key\n"},
	{NULL, "--cert a --key b --listen :1 --cert c --app localhost:2",
	 "--listen :1: the certificate \"c\" has no key\n"},
	{NULL, FINE "--tls on --key b", "--listen :1: the key \"b\" has no certificate\n"},
	{NULL, FINE "--trust 10.0.0.0/8",
	 "--trust: nothing to trust: proxy-protocol is off at this listener (trust does not "
	 "restrict "
	 "who may connect)\n"},
	{NULL, FINE "--guard-mode drv",
	 "--guard-mode: \"drv\" is not one of off, auto, native, generic\n"},
	{NULL, FINE "--guard-interfaces 1234567890123456",
	 "--guard-interfaces: \"1234567890123456\" is longer than 15 bytes\n"},
	{NULL, FINE "--guard-interfaces=", "--guard-interfaces: \"\" names no interface\n"},
	{NULL, FINE "--guard-source-prefix-v4 33",
	 "--guard-source-prefix-v4: \"33\" is not a whole number from 0 to 32 bits\n"},
	{NULL, FINE "--guard-source-burst 0",
	 "--guard-source-burst: \"0\" is not a whole number from 1 to 1073741824 connections\n"},
	{NULL, FINE "--guard-mode auto --proxy-protocol require",
	 "kedge: warning: --listen :1: proxy-protocol without trust: whoever connects may name any "
	 "client address\n"
	 "--listen :1: guard: nobody could connect: give trust, the addresses of the balancers\n"},
	{NULL,
	 "--tls off --app localhost:2 --guard-mode auto --proxy-protocol optional "
	 "--listen [::1]:1 --trust 0.0.0.0/0 --listen 127.0.0.1:1 --trust ::/0",
	 "--listen [::1]:1: guard: nobody could connect: trust has no IPv6 prefix, and [::1]:1 is "
	 "reached by no other\n"
	 "--listen 127.0.0.1:1: guard: nobody could connect: trust has no IPv4 prefix, and "
	 "127.0.0.1:1 is reached by no other\n"},
	{NULL,
	 FINE "--control "
	      "/234567890123456789012345678901234567890123456789012345678901234567890123456789"
	      "01234567890123456789012345678",
	 "--control: \"/23456789012345678901234567890123456789012345678901234567890123456...\" is "
	 "longer than 107 bytes\n"},
};

#define KNOWN_TOP                                                                                  \
	"tls, mode, proxy-protocol, trust, listener-connections-max, app, workers, record, edit, " \
	"bypass, cgroup, peername, app-cgroup, guard-mode, guard-interfaces, guard-priority, "     \
	"guard-observe, guard-source-rate, guard-source-burst, guard-source-prefix-v4, "           \
	"guard-source-prefix-v6, guard-total-rate, guard-total-burst, guard-over, "                \
	"guard-fragments, guard-keep, pin, control, xff, xff-trust, forwarding-fields, "           \
	"x-forwarded-proto, x-forwarded-port, x-real-ip, forwarded, forwarding-aliases, h2c, "     \
	"tls-min, tls-policy, ticket-keys, "                                                       \
	"prefix-timeout-ms, handshake-timeout-ms, connect-timeout-ms, connect-early, "             \
	"head-timeout-ms, response-timeout-ms, idle-timeout-ms, linger-timeout-ms, "               \
	"drain-timeout-ms, "                                                                       \
	"connections-max, user, seccomp, address-connections-max, "                                \
	"handshakes-max, head-bytes-max, body-rate-min, response-rate-min, rate-grace-ms, "        \
	"log-level, access-log, access-log-format, metrics, certs, listeners\n"

static const struct mistake_case mistakes_in_files[] = {
	{"\n\nlisteners:\n- listen: localhost:1\n  tls: off\n  proxy-protocol: maybe\n",
	 "--app localhost:1",
	 "kedge.yaml:6: listeners[0].proxy-protocol: \"maybe\" is not one of off, optional, "
	 "require\n"},
	{"workers: 1\nworker: 2\n", FINE,
	 "kedge.yaml:2: worker: unknown key; did you mean workers?\n"},
	{"listen: localhost:1\n", FINE,
	 "kedge.yaml:1: listen: unknown key here; it belongs in an entry of listeners\n"},
	{"cert: a\nkey: b\n", FINE,
	 "kedge.yaml:1: cert: unknown key here; it belongs in an entry of certs\n"
	 "kedge.yaml:2: key: unknown key here; it belongs in an entry of certs\n"},
	{"listeners:\n- {listen: localhost:1, tls: off, app: localhost:3}\n", "--app localhost:1",
	 "kedge.yaml:2: listeners[0].app: unknown key here; it belongs at the top level\n"},
	{"\"app\\0x\": localhost:1\n", FINE,
	 "kedge.yaml:1: app: unknown key with a NUL character in it\n"},
	{"listeners:\n- {listen: localhost:1, tls: off, address: localhost:3}\n",
	 "--app localhost:1",
	 "kedge.yaml:2: listeners[0].address: unknown key; known are listen, tls, mode, "
	 "proxy-protocol, "
	 "trust, listener-connections-max, "
	 "certs\n"},
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
	{"guard-mode: auto\nguard-interfaces: []\n", FINE,
	 "kedge.yaml:2: guard-interfaces: no interface to guard: name one, or all-listeners\n"},
	{"guard-interfaces: eth0\n", FINE,
	 "kedge.yaml:1: guard-interfaces: must be a list, not one value\n"},
	{"trust:\n", FINE, "kedge.yaml:1: trust: must be a list, not nothing\n"},
	{"trust: [10.0.0.1, [10.0.0.2]]\n", FINE,
	 "kedge.yaml:1: trust[1]: must be one value, not a list\n"},
	{"listeners: {listen: localhost:1}\n", FINE,
	 "kedge.yaml:1: listeners: must be a list, not keys with values\n"},
	{"listeners:\n- :1\n", FINE,
	 "kedge.yaml:2: listeners[0]: must be keys with values, not one "
	 "value\n"},
	{"certs: [a, b]\n", FINE,
	 "kedge.yaml:1: certs[0]: must be keys with values, not one value\n"
	 "kedge.yaml:1: certs[1]: must be keys with values, not one value\n"},
	{"- app\n", FINE, "kedge.yaml:1: must be keys with values, not a list\n"},
	{"app\n", FINE, "kedge.yaml:1: must be keys with values, not one value\n"},
	{"? [a, b]\n: c\n", FINE, "kedge.yaml:1: a key must be one word, not a list\n"},
	{"workers:\n", FINE,
	 "kedge.yaml:1: workers: \"\" is not a whole number from 0 to 64 "
	 "threads\n"},
	{"workers: 0x4\n", FINE,
	 "kedge.yaml:1: workers: \"0x4\" is not a whole number from 0 to 64 "
	 "threads\n"},
	{"bypass: true\n", FINE,
	 "kedge.yaml:1: bypass: \"true\" is not one of require, prefer, off\n"},
	{"x-forwarded-proto: yes\n", FINE,
	 "kedge.yaml:1: x-forwarded-proto: \"yes\" is not one of off, on\n"},
	{"pin: \"a\\0b\"\n", FINE, "kedge.yaml:1: pin: has a NUL character in it\n"},
	{"trust: [\"::1\",\n 10.0.0.0/33]\n", FINE,
	 "kedge.yaml:2: trust[1]: \"10.0.0.0/33\" is not a CIDR: the prefix length is not a number "
	 "from 0 to 32\n"},
	{"app: localhost:1\nlisteners:\n- listen: localhost:1\n  tls: off\n- tls: off\n", "",
	 "kedge.yaml:5: listeners[1]: listen is missing: ADDR:PORT\n"},
	{"app: localhost:1\nlisteners:\n- listen: localhost:1\n- {listen: localhost:2, certs: "
	 "[]}\n",
	 "",
	 "kedge.yaml:3: listeners[0]: TLS without a certificate: give cert and key, or tls off\n"
	 "kedge.yaml:4: listeners[1]: TLS without a certificate: give cert and key, or tls off\n"},
	{"app: localhost:1\ncerts:\n- cert: a\n- key: b\nlisteners:\n- listen: localhost:1\n", "",
	 "kedge.yaml:6: listeners[0]: the certificate \"a\" has no key\n"
	 "kedge.yaml:6: listeners[0]: the key \"b\" has no certificate\n"},
	{"app: localhost:1\ntls: off\nlisteners:\n- listen: 127.0.0.1:1\n- listen: :1\n"
	 "- listen: localhost:1\n",
	 "", "kedge.yaml:6: listeners[2]: the same address as listeners[0]: 127.0.0.1:1\n"},
	{"app: localhost:1\ntls: off\nlisteners:\n- listen: localhost:1\n  trust: [10.0.0.0/8]\n",
	 "",
	 "kedge.yaml:5: listeners[0].trust[0]: nothing to trust: proxy-protocol is off at this "
	 "listener (trust does not restrict who may connect)\n"},
	{"app: ':5'\n", "--tls off --listen :1",
	 "kedge.yaml:1: app: \":5\" is not one address: name "
	 "the host\n"},
	{"app: [::1]:80\n", FINE,
	 "kedge.yaml:1: app: must be one value, not a list: quote an address with brackets\n"
	 "kedge.yaml:1: not YAML: did not find expected node content while parsing a flow node\n"},
	{"app:\n- localhost:1\n", FINE, "kedge.yaml:2: app: must be one value, not a list\n"},
	{"", "",
	 "kedge.yaml: no listener: give --listen ADDR:PORT, or listeners in the file\n"
	 "kedge.yaml: no application: give --app ADDR:PORT, or app in the file\n"},
	{"app: [\n", FINE,
	 "kedge.yaml:1: app: must be one value, not a list: quote an address with brackets\n"
	 "kedge.yaml:2: not YAML: did not find expected node content while parsing a "
	 "flow node\n"},
	{"a: b\n c: d\n", FINE,
	 "kedge.yaml:1: a: unknown key; known are " KNOWN_TOP
	 "kedge.yaml:2: not YAML: mapping values are not allowed in this "
	 "context\n"},
	{"app: x\n\x01\n", FINE, "kedge.yaml:2: not YAML: control characters are not allowed\n"},
	{"app: x\n# \xff\n", FINE, "kedge.yaml:2: not YAML: invalid leading UTF-8 octet\n"},
	{"app: &a x\npin: *a\n", FINE,
	 "kedge.yaml:2: pin: aliases (*name) are not read: write the value out\n"},
	{"workers: 1\n---\nworkers: 2\n", FINE,
	 "kedge.yaml:2: a second document: one file is one document\n"},
	{"foo: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", FINE,
	 "kedge.yaml:1: foo: unknown key; known are " KNOWN_TOP
	 "kedge.yaml:1: foo: nested too deeply\n"},
	/* A bad value is not a missing one too. */
	{"app: localhost:1\nlisteners:\n- listen: :1\n  certs: [{cert: '', key: k}]\n", "",
	 "kedge.yaml:4: listeners[0].certs[0].cert: \"\" names no file\n"},
	/* What is in a file that can not be loaded is not missing. */
	{"workers: []\n", "", "kedge.yaml:1: workers: must be one value, not a list\n"},
	/* All of them at once, in the file and in the flags. */
	{"workers: x\nfoo: 1\nxff: y\nlisteners:\n- listen: z\n  tls: maybe\n- {}\n",
	 "--edit v --app w",
	 "kedge.yaml:2: foo: unknown key; known are " KNOWN_TOP
	 "--edit: \"v\" is not one of require, prefer, off\n"
	 "--app: \"w\" is not ADDR:PORT: the port is missing: ADDRESS:PORT\n"
	 "kedge.yaml:1: workers: \"x\" is not a whole number from 0 to 64 threads\n"
	 "kedge.yaml:3: xff: \"y\" is not one of append, replace, if-none, never\n"
	 "kedge.yaml:5: listeners[0].listen: \"z\" is not ADDR:PORT: the port is missing: "
	 "ADDRESS:PORT\n"
	 "kedge.yaml:6: listeners[0].tls: \"maybe\" is not one of off, on\n"
	 "kedge.yaml:7: listeners[1]: listen is missing: ADDR:PORT\n"
	 "kedge.yaml:7: listeners[1]: TLS without a certificate: give cert and key, or tls off\n"},
};

static void check_mistake(const struct mistake_case *c)
{
	static const char lead[] = "kedge: error: ";
	_cleanup_(loaded_free)
	struct loaded l = c->yaml ? load_yaml(c->yaml, c->args) : load(c->args);
	char *found;

	while ((found = strstr(l.err, lead)))
		memmove(found, found + strlen(lead), strlen(found + strlen(lead)) + 1);
	assert_string_equal(l.err, c->said);
	assert_int_equal(l.status, -EINVAL);
	assert_null(l.conf);
}

static void mistakes_in_flags_are_said_with_what_is_allowed(void **state)
{
	for (size_t i = 0; i < sizeof(mistakes_in_flags) / sizeof(*mistakes_in_flags); i++)
		check_mistake(&mistakes_in_flags[i]);
}

static void mistakes_in_files_are_said_with_file_and_line(void **state)
{
	for (size_t i = 0; i < sizeof(mistakes_in_files) / sizeof(*mistakes_in_files); i++)
		check_mistake(&mistakes_in_files[i]);
}

static void warnings_do_not_stop_anything(void **state)
{
	static const struct mistake_case cases[] = {
		{NULL, FINE "--xff if-none",
		 "kedge: warning: --xff: if-none without xff-trust: any client may name any client "
		 "address in X-Forwarded-For: give xff-trust, the proxies in front\n"},
		{"app: localhost:1\ntls: off\nlisteners: [{listen: \"localhost:1\"}]\nxff: "
		 "if-none\n",
		 "",
		 "kedge: warning: kedge.yaml:4: xff: if-none without xff-trust: any client may "
		 "name "
		 "any client address in X-Forwarded-For: give xff-trust, the proxies in front\n"},
		{NULL, FINE "--xff if-none --xff-trust 10.0.0.0/8", ""},
		{NULL, FINE "--xff if-none --mode tcp", ""},
		{NULL, FINE "--proxy-protocol optional",
		 "kedge: warning: --listen :1: proxy-protocol without trust: whoever connects may "
		 "name "
		 "any client address\n"},
		{"app: localhost:1\ntrust: [10.0.0.0/8]\ntls: off\nlisteners:\n"
		 "- listen: :1\n- {listen: localhost:2, proxy-protocol: require, trust: []}\n",
		 "",
		 "kedge: warning: kedge.yaml:6: listeners[1]: proxy-protocol without trust: "
		 "whoever "
		 "connects may name any client address\n"},
		{"app: localhost:1\ntrust: [10.0.0.0/8]\ntls: off\nlisteners: [{listen: "
		 "localhost:1}]\n",
		 "",
		 "kedge: warning: kedge.yaml:2: trust[0]: nothing to trust: proxy-protocol is off "
		 "at "
		 "every listener\n"},
		{"trust: [\"::1\"]\napp: localhost:1\ntls: off\nproxy-protocol: "
		 "require\nlisteners:\n"
		 "- {listen: localhost:1, certs: [{cert: a, key: b}]}\n",
		 "",
		 "kedge: warning: kedge.yaml:6: listeners[0].certs[0].cert: not used: tls is off "
		 "at "
		 "this listener\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(loaded_free)
		struct loaded l = cases[i].yaml ? load_yaml(cases[i].yaml, cases[i].args)
						: load(cases[i].args);

		assert_string_equal(l.err, cases[i].said);
		assert_int_equal(l.status, 0);
	}
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void only_the_first_mistakes_of_very_many_are_shown(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = {0};
	char yaml[4096] = "xff-trust:\n";
	size_t len = strlen(yaml);

	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "- bad%d\n", i);
	l = load_yaml(yaml, FINE);
	assert_int_equal(l.status, -EINVAL);
	assert_int_equal(count_lines(l.err), CONFIG_MISTAKES_MAX + 1);
	assert_non_null(strstr(l.err, "kedge: error: ... and 36 more mistakes\n"));
}

/* `count` times `entry` behind `head`, in the file. */
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
		{"app: localhost:1\nlisteners:\n", "- {tls: off, listen: localhost:%d}\n", 256,
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

static void a_file_that_can_not_be_read_is_a_mistake(void **state)
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
	assert_string_equal(denied.err, "kedge: error: kedge.yaml: cannot be read: Permission "
					"denied\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_in_flags_are_said_with_what_is_allowed),
		cmocka_unit_test(mistakes_in_files_are_said_with_file_and_line),
		cmocka_unit_test(warnings_do_not_stop_anything),
		cmocka_unit_test(only_the_first_mistakes_of_very_many_are_shown),
		cmocka_unit_test(lists_have_an_end),
		cmocka_unit_test(a_file_that_can_not_be_read_is_a_mistake),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
