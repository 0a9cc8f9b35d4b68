/* user/config*.c: what each option does by flag and by key, who wins, and every mistake's words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "cmd.h"
#include "config_private.h"

/* What one loading returned and said; the directory of the file is cut out of what it said. */
struct loaded {
	int status;
	struct conf *conf;
	char *out, *err;
};

/* Flags that lack nothing. */
#define FINE "--listen :1 --tls off --app localhost:2 "

static char dir[] = "/tmp/kedge-config-XXXXXX";
static char file_name[sizeof(dir) + 16];

static void conf_freep(struct conf **conf)
{
	config_free(*conf);
}

static void loaded_free(struct loaded *l)
{
	config_free(l->conf);
	free(l->out);
	free(l->err);
}

/* Puts a file of our own in the place of a descriptor; returns the descriptor that was there. */
static int capture_begin(int fd)
{
	_cleanup_(close_fdp)
	int to = memfd_create("capture", MFD_CLOEXEC);
	int kept = dup(fd);

	assert_true(to >= 0 && kept >= 0);
	assert_int_equal(dup2(to, fd), fd);
	return kept;
}

/* Puts the descriptor back; returns what was written, without the directory. */
static char *capture_end(int fd, int kept)
{
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)len + 1), *found;

	assert_true(len >= 0 && text);
	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	assert_int_equal(dup2(kept, fd), fd);
	close(kept);
	while ((found = strstr(text, dir)))
		memmove(found, found + strlen(dir) + 1, strlen(found + strlen(dir) + 1) + 1);
	return text;
}

static void write_file(const void *bytes, size_t len)
{
	_cleanup_(fclosep)
	FILE *f = fopen(file_name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
}

#define ARGS_MAX 80

/* Splits at blanks, in place; "FILE" becomes the file's name. Returns argc. */
static int split(char *argv[ARGS_MAX], char *words)
{
	int argc = 0;

	for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
		assert_true(argc < ARGS_MAX - 1);
		argv[argc++] = strcmp(w, "FILE") ? w : file_name;
	}
	argv[argc] = NULL;
	return argc;
}

/* `args` are separated by blanks. */
static struct loaded load(const char *args)
{
	_cleanup_(freep)
	char *words = NULL;
	char *argv[ARGS_MAX];
	struct loaded l = {0};
	int argc, out, err;

	assert_true(asprintf(&words, "run %s", args) > 0);
	argc = split(argv, words);
	fflush(stdout);
	out = capture_begin(STDOUT_FILENO);
	err = capture_begin(STDERR_FILENO);
	l.status = config_load(&l.conf, argc, argv);
	fflush(stdout);
	l.err = capture_end(STDERR_FILENO, err);
	l.out = capture_end(STDOUT_FILENO, out);
	return l;
}

static struct loaded load_yaml(const char *yaml, const char *args)
{
	char all[512];

	write_file(yaml, strlen(yaml));
	snprintf(all, sizeof(all), "-c FILE %s", args);
	return load(all);
}

/* The same, where it has to work and to say nothing. */
static struct conf *must_load(const char *yaml, const char *args)
{
	struct loaded l = yaml ? load_yaml(yaml, args) : load(args);
	struct conf *conf = take_ptr(l.conf);

	assert_string_equal(l.err, "");
	assert_int_equal(l.status, 0);
	loaded_free(&l);
	return conf;
}

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(file_name, sizeof(file_name), "%s/kedge.yaml", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(file_name);
	return rmdir(dir);
}

/* Each option with a value that is not its default, once as flags and once as keys. */
static const char every_flag[] =
	"--cert c.pem --key k.pem --cert c2.pem --key k2.pem --app 192.0.2.9:8080 --workers 3 "
	"--record require --edit off --bypass prefer --cgroup /cg --pin /bpf/x --control /run/x "
	"--xff if-none --xff-trust 10.0.0.0/8 --xff-trust ::1 --x-forwarded-proto on "
	"--x-forwarded-port on --tls-min 1.3 --prefix-timeout-ms 1 --handshake-timeout-ms 2 "
	"--connect-timeout-ms 3 --head-timeout-ms 4 --idle-timeout-ms 5 --linger-timeout-ms 6 "
	"--drain-timeout-ms 86400000 --connections-max 1048576 --log-level debug "
	"--listen 127.0.0.1:443 --proxy-protocol require --trust 192.0.2.0/24 --trust "
	"2001:db8::/32 "
	"--listen [::1]:80 --tls off --proxy-protocol optional --trust 198.51.100.1";

static const char every_key[] = "certs:\n"
				"- {cert: c.pem, key: k.pem}\n"
				"- cert: c2.pem\n"
				"  key: k2.pem\n"
				"app: 192.0.2.9:8080\n"
				"workers: 3\n"
				"record: require\n"
				"edit: off\n"
				"bypass: prefer\n"
				"cgroup: /cg\n"
				"pin: /bpf/x\n"
				"control: /run/x\n"
				"xff: if-none\n"
				"xff-trust: [10.0.0.0/8, '::1']\n"
				"x-forwarded-proto: on\n"
				"x-forwarded-port: on\n"
				"tls-min: 1.3\n"
				"prefix-timeout-ms: 1\n"
				"handshake-timeout-ms: 2\n"
				"connect-timeout-ms: 3\n"
				"head-timeout-ms: 4\n"
				"idle-timeout-ms: 5\n"
				"linger-timeout-ms: 6\n"
				"drain-timeout-ms: 86400000\n"
				"connections-max: 1048576\n"
				"log-level: debug\n"
				"listeners:\n"
				"- listen: 127.0.0.1:443\n"
				"  proxy-protocol: require\n"
				"  trust:\n"
				"  - 192.0.2.0/24\n"
				"  - 2001:db8::/32\n"
				"- listen: '[::1]:80'\n"
				"  tls: off\n"
				"  proxy-protocol: optional\n"
				"  trust: [198.51.100.1]\n";

static void assert_cidr(const struct conf_cidrs *set, size_t at, const char *text)
{
	const char *why = NULL;
	struct cidr want;

	assert_int_equal(cidr_parse(&want, text, &why), 0);
	assert_true(at < set->count);
	assert_memory_equal(set->set[at].ip, want.ip, sizeof(want.ip));
	assert_int_equal(set->set[at].bits, want.bits);
}

static void check_every_listener(const struct conf *conf)
{
	const struct conf_listener *l = conf->listeners;

	assert_int_equal(conf->listeners_count, 2);
	assert_string_equal(l[0].name, "127.0.0.1:443");
	assert_int_equal(addr_port(&l[0].addr), 443);
	assert_true(l[0].tls);
	assert_int_equal(l[0].proxy, PROXY_PREFIX_REQUIRE);
	assert_int_equal(l[0].trust.count, 2);
	assert_cidr(&l[0].trust, 0, "192.0.2.0/24");
	assert_cidr(&l[0].trust, 1, "2001:db8::/32");
	assert_int_equal(l[0].certs_count, 2);
	assert_string_equal(l[0].certs[0].cert, "c.pem");
	assert_string_equal(l[0].certs[0].key, "k.pem");
	assert_string_equal(l[0].certs[1].cert, "c2.pem");
	assert_string_equal(l[0].certs[1].key, "k2.pem");
	assert_string_equal(l[1].name, "[::1]:80");
	assert_false(l[1].tls);
	assert_int_equal(l[1].proxy, PROXY_PREFIX_OPTIONAL);
	assert_int_equal(l[1].trust.count, 1);
	assert_cidr(&l[1].trust, 0, "198.51.100.1");
	assert_int_equal(l[1].certs_count, 0);
}

static void check_every_option(const struct conf *conf)
{
	check_every_listener(conf);
	assert_string_equal(conf->app_name, "192.0.2.9:8080");
	assert_int_equal(addr_port(&conf->app), 8080);
	assert_int_equal(conf->workers, 3);
	assert_int_equal(conf->record, POLICY_REQUIRE);
	assert_int_equal(conf->edit, POLICY_OFF);
	assert_int_equal(conf->bypass, POLICY_PREFER);
	assert_string_equal(conf->cgroup, "/cg");
	assert_string_equal(conf->pin, "/bpf/x");
	assert_string_equal(conf->control, "/run/x");
	assert_int_equal(conf->xff, XFF_IF_NONE);
	assert_int_equal(conf->xff_trust.count, 2);
	assert_cidr(&conf->xff_trust, 0, "10.0.0.0/8");
	assert_cidr(&conf->xff_trust, 1, "::1");
	assert_true(conf->x_forwarded_proto);
	assert_true(conf->x_forwarded_port);
	assert_true(conf->tls13_only);
	assert_int_equal(conf->prefix_timeout_ms, 1);
	assert_int_equal(conf->handshake_timeout_ms, 2);
	assert_int_equal(conf->connect_timeout_ms, 3);
	assert_int_equal(conf->head_timeout_ms, 4);
	assert_int_equal(conf->idle_timeout_ms, 5);
	assert_int_equal(conf->linger_timeout_ms, 6);
	assert_int_equal(conf->drain_timeout_ms, 86400000);
	assert_int_equal(conf->connections_max, 1048576);
	assert_int_equal(conf->log_level, LOG_DEBUG);
}

static void every_option_works_as_a_flag(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(NULL, every_flag);

	check_every_option(conf);
	assert_null(conf->file);
	for (size_t i = 0; i < config_options_count; i++) {
		char flag[64];

		snprintf(flag, sizeof(flag), "--%s ", config_options[i].name);
		assert_non_null(strstr(every_flag, flag));
	}
}

static void every_option_works_as_a_key(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(every_key, "");

	check_every_option(conf);
	assert_string_equal(conf->file, file_name);
	for (size_t i = 0; i < config_options_count; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s: ", config_options[i].name);
		if (config_options[i].kind != OPTION_CIDRS)
			assert_non_null(strstr(every_key, key));
	}
}

static void a_flag_may_carry_its_value_behind_an_equals_sign(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf =
		must_load(NULL, "--listen=:1 --tls=off --app=localhost:2 --cgroup=/a=b");

	assert_string_equal(conf->cgroup, "/a=b");
	assert_string_equal(conf->app_name, "127.0.0.1:2");
}

static void check_defaults(const struct conf *conf)
{
	cpu_set_t cores;

	assert_int_equal(sched_getaffinity(0, sizeof(cores), &cores), 0);
	assert_int_equal(conf->workers, CPU_COUNT(&cores) < 64 ? CPU_COUNT(&cores) : 64);
	assert_int_equal(conf->record, POLICY_PREFER);
	assert_int_equal(conf->edit, POLICY_PREFER);
	assert_int_equal(conf->bypass, POLICY_OFF);
	assert_null(conf->cgroup);
	assert_string_equal(conf->pin, "/sys/fs/bpf/kedge");
	assert_string_equal(conf->control, "/run/kedge/kedge.sock");
	assert_int_equal(conf->xff, XFF_APPEND);
	assert_int_equal(conf->xff_trust.count, 0);
	assert_false(conf->x_forwarded_proto);
	assert_false(conf->x_forwarded_port);
	assert_false(conf->tls13_only);
	assert_int_equal(conf->prefix_timeout_ms, 10000);
	assert_int_equal(conf->handshake_timeout_ms, 10000);
	assert_int_equal(conf->connect_timeout_ms, 5000);
	assert_int_equal(conf->head_timeout_ms, 15000);
	assert_int_equal(conf->idle_timeout_ms, 300000);
	assert_int_equal(conf->linger_timeout_ms, 5000);
	assert_int_equal(conf->drain_timeout_ms, 30000);
	assert_int_equal(conf->connections_max, 16384);
	assert_int_equal(conf->log_level, LOG_INFO);
}

static void what_is_not_said_has_its_default(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf =
		must_load("# nothing\n", "--listen :1 --cert c --key k --app localhost:2");
	const struct conf_listener *l = conf->listeners;

	check_defaults(conf);
	assert_true(l->tls);
	assert_int_equal(l->proxy, PROXY_PREFIX_OFF);
	assert_int_equal(l->trust.count, 0);
}

/* One enum's worth of words, each loaded by flag. */
#define assert_words(flag, field, ...)                                                     \
	do {                                                                               \
		static const struct {                                                      \
			const char *word;                                                  \
			unsigned value;                                                    \
		} words_[] = {__VA_ARGS__};                                                \
		for (size_t i_ = 0; i_ < sizeof(words_) / sizeof(*words_); i_++) {         \
			_cleanup_(conf_freep)                                              \
			struct conf *conf_ = NULL;                                         \
			char args_[128];                                                   \
			snprintf(args_, sizeof(args_),                                     \
				 "--listen :1 --trust 0.0.0.0/0 --proxy-protocol require " \
				 "--tls off --app :1 --app localhost:2 %s %s",             \
				 flag, words_[i_].word);                                   \
			conf_ = must_load(NULL, args_);                                    \
			assert_int_equal(conf_->field, words_[i_].value);                  \
		}                                                                          \
	} while (0)

static void every_word_has_its_meaning(void **state)
{
	assert_words("--record", record, {"require", POLICY_REQUIRE}, {"prefer", POLICY_PREFER},
		     {"off", POLICY_OFF});
	assert_words("--edit", edit, {"require", POLICY_REQUIRE}, {"prefer", POLICY_PREFER},
		     {"off", POLICY_OFF});
	assert_words("--bypass", bypass, {"require", POLICY_REQUIRE}, {"prefer", POLICY_PREFER},
		     {"off", POLICY_OFF});
	assert_words("--proxy-protocol", listeners[0].proxy, {"optional", PROXY_PREFIX_OPTIONAL},
		     {"require", PROXY_PREFIX_REQUIRE});
	assert_words("--xff", xff, {"append", XFF_APPEND}, {"replace", XFF_REPLACE},
		     {"if-none", XFF_IF_NONE}, {"never", XFF_NEVER});
	assert_words("--log-level", log_level, {"error", LOG_ERROR}, {"warn", LOG_WARN},
		     {"info", LOG_INFO}, {"debug", LOG_DEBUG});
	assert_words("--x-forwarded-proto", x_forwarded_proto, {"off", 0}, {"on", 1});
	assert_words("--x-forwarded-port", x_forwarded_port, {"off", 0}, {"on", 1});
	assert_words("--tls-min", tls13_only, {"1.2", 0}, {"1.3", 1});
}

static void a_path_may_be_as_long_as_a_socket_address(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = NULL;
	char args[256] = FINE "--control /";
	size_t len = strlen(args);

	memset(args + len, 'x', 106);
	conf = must_load(NULL, args);
	assert_int_equal(strlen(conf->control), 107);
}

static void off_means_no_path(void **state)
{
	_cleanup_(conf_freep)
	struct conf *flags =
		must_load(NULL, "--listen :1 --tls off --app localhost:2 --pin off --control off");
	_cleanup_(conf_freep)
	struct conf *keys = must_load("pin: off\ncontrol: off\n", "--listen :1 --tls off --app "
								  "localhost:2");

	assert_null(flags->pin);
	assert_null(flags->control);
	assert_null(keys->pin);
	assert_null(keys->control);
}

static void listeners_take_what_they_do_not_say_from_the_top_level(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(
		"listeners:\n"
		"- listen: :1\n"
		"- {listen: localhost:2, tls: on, proxy-protocol: require, trust: [10.0.0.1],"
		" certs: [{key: k2, cert: c2}]}\n"
		"app: localhost:3\n"
		"tls: off\n"
		"proxy-protocol: optional\n"
		"trust: [10.0.0.0/8, 11.0.0.0/8]\n"
		"certs: [{cert: c, key: k}, {cert: d, key: l}]\n",
		"");
	const struct conf_listener *l = conf->listeners;

	assert_false(l[0].tls);
	assert_int_equal(l[0].proxy, PROXY_PREFIX_OPTIONAL);
	assert_int_equal(l[0].trust.count, 2);
	assert_true(l[1].tls);
	assert_int_equal(l[1].proxy, PROXY_PREFIX_REQUIRE);
	assert_int_equal(l[1].trust.count, 1);
	assert_cidr(&l[1].trust, 0, "10.0.0.1");
	assert_int_equal(l[1].certs_count, 1);
	assert_string_equal(l[1].certs[0].cert, "c2");
	assert_string_equal(l[1].certs[0].key, "k2");
}

static void flags_win_over_the_file(void **state)
{
	static const char yaml[] = "app: localhost:3\n"
				   "workers: 2\n"
				   "xff-trust: [10.0.0.0/8, 11.0.0.0/8]\n"
				   "proxy-protocol: require\n"
				   "trust: [10.0.0.1]\n"
				   "certs: [{cert: c, key: k}]\n"
				   "listeners:\n"
				   "- listen: :1\n"
				   "- {listen: localhost:2, trust: [10.0.0.2]}\n";
	_cleanup_(conf_freep)
	struct conf *conf =
		must_load(yaml, "--workers 5 --workers 4 --xff-trust 12.0.0.0/8 --trust 10.0.0.3 "
				"--cert fc --key fk");

	assert_int_equal(conf->workers, 4);
	assert_string_equal(conf->app_name, "127.0.0.1:3");
	assert_int_equal(conf->xff_trust.count, 1);
	assert_cidr(&conf->xff_trust, 0, "12.0.0.0/8");
	assert_int_equal(conf->listeners_count, 2);
	assert_int_equal(conf->listeners[0].trust.count, 1);
	assert_cidr(&conf->listeners[0].trust, 0, "10.0.0.3");
	assert_cidr(&conf->listeners[1].trust, 0, "10.0.0.2");
	assert_string_equal(conf->listeners[0].certs[0].cert, "fc");
}

static void a_listen_flag_leaves_out_the_listeners_of_the_file(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load("app: localhost:3\n"
				      "proxy-protocol: optional\n"
				      "trust: [10.0.0.1]\n"
				      "listeners: [{listen: localhost:1}, {listen: localhost:2}]\n",
				      "--listen :9 --tls off");

	assert_int_equal(conf->listeners_count, 1);
	assert_string_equal(conf->listeners[0].name, "[::]:9");
	assert_int_equal(conf->listeners[0].proxy, PROXY_PREFIX_OPTIONAL);
	assert_int_equal(conf->listeners[0].trust.count, 1);
}

static void port_0_may_be_listened_on_more_than_once(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf =
		must_load(NULL, "--tls off --listen localhost:0 --listen localhost:0 --app :1 "
				"--app localhost:1");

	assert_int_equal(conf->listeners_count, 2);
}

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
	{NULL, FINE "stray", "stray: not an option: see --help\n"},
	{NULL, FINE "-x", "-x: not an option: see --help\n"},
	{NULL, FINE "--", "--: not an option: see --help\n"},
	{NULL, FINE "--work 3", "--work: unknown option: see --help\n"},
	{NULL, FINE "--workerss=3 --foo",
	 "--workerss=3: unknown option: see --help\n"
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
	{NULL, FINE "--record on", "--record: \"on\" is not one of require, prefer, off\n"},
	{NULL, FINE "--edit Off", "--edit: \"Off\" is not one of require, prefer, off\n"},
	{NULL, FINE "--xff set", "--xff: \"set\" is not one of append, replace, if-none, never\n"},
	{NULL, FINE "--tls-min 1.1", "--tls-min: \"1.1\" is not one of 1.2, 1.3\n"},
	{NULL, FINE "--tls yes", "--tls: \"yes\" is not one of off, on\n"},
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
	{NULL, FINE "--tls on --key b", "--listen :1: the key \"b\" has no certificate\n"},
	{NULL, FINE "--trust 10.0.0.0/8",
	 "--trust: nothing to trust: proxy-protocol is off at this listener (trust does not "
	 "restrict "
	 "who may connect)\n"},
	{NULL,
	 FINE "--control "
	      "/234567890123456789012345678901234567890123456789012345678901234567890123456789"
	      "01234567890123456789012345678",
	 "--control: \"/23456789012345678901234567890123456789012345678901234567890123456...\" is "
	 "longer than 107 bytes\n"},
};

#define KNOWN_TOP                                                                                \
	"tls, proxy-protocol, trust, app, workers, record, edit, bypass, cgroup, pin, control, " \
	"xff, "                                                                                  \
	"xff-trust, x-forwarded-proto, x-forwarded-port, tls-min, prefix-timeout-ms, "           \
	"handshake-timeout-ms, connect-timeout-ms, head-timeout-ms, idle-timeout-ms, "           \
	"linger-timeout-ms, drain-timeout-ms, connections-max, log-level, certs, listeners\n"

static const struct mistake_case mistakes_in_files[] = {
	{"\n\nlisteners:\n- listen: localhost:1\n  tls: off\n  proxy-protocol: maybe\n",
	 "--app localhost:1",
	 "kedge.yaml:6: listeners[0].proxy-protocol: \"maybe\" is not one of off, optional, "
	 "require\n"},
	{"workers: 1\nworker: 2\n", FINE,
	 "kedge.yaml:2: worker: unknown key; known are " KNOWN_TOP},
	{"listen: localhost:1\n", FINE, "kedge.yaml:1: listen: unknown key; known are " KNOWN_TOP},
	{"listeners:\n- {listen: localhost:1, tls: off, app: localhost:3}\n", "--app localhost:1",
	 "kedge.yaml:2: listeners[0].app: unknown key; known are listen, tls, proxy-protocol, "
	 "trust, "
	 "certs\n"},
	{"certs:\n- {cert: a, key: b}\n- {}\n", FINE,
	 "kedge.yaml:3: certs[1]: has neither cert nor key\n"},
	{"app: localhost:1\nlisteners:\n- listen: :1\n  certs: [{}, {cert: b}]\n", "",
	 "kedge.yaml:4: listeners[0].certs[0]: has neither cert nor key\n"
	 "kedge.yaml:3: listeners[0]: the certificate \"b\" has no key\n"},
	{"certs:\n- cert: a\n  key: b\n  pass: c\n", FINE,
	 "kedge.yaml:4: certs[0].pass: unknown key; known are cert, key\n"},
	{"foo: {a: [1, {b: c}], d: [[]]}\nbar:\n", FINE,
	 "kedge.yaml:1: foo: unknown key; known are " KNOWN_TOP
	 "kedge.yaml:2: bar: unknown key; known are " KNOWN_TOP},
	{"app: localhost:1\nworkers: 1\napp: localhost:2\n", FINE,
	 "kedge.yaml:3: app: given twice\n"},
	{"workers: [1]\n", FINE, "kedge.yaml:1: workers: must be one value, not a list\n"},
	{"workers: {a: 1}\n", FINE,
	 "kedge.yaml:1: workers: must be one value, not keys with values\n"},
	{"trust: 10.0.0.0/8\n", FINE, "kedge.yaml:1: trust: must be a list, not one value\n"},
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
	{"app: [\n", FINE,
	 "kedge.yaml:1: app: must be one value, not a list\n"
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
	FILE *f = fopen(file_name, "w");

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

static void a_file_without_keys_says_nothing(void **state)
{
	static const char *const files[] = {
		"",      "\n",   "# only a comment\n",
		"---\n", "{}\n", "\xef\xbb\xbf# with a byte order mark\n"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		_cleanup_(conf_freep)
		struct conf *conf = must_load(files[i], FINE);

		check_defaults(conf);
	}
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

static void a_file_that_can_not_be_read_is_a_mistake(void **state)
{
	_cleanup_(loaded_free)
	struct loaded missing = {0}, directory = {0}, denied = {0};
	uid_t was = geteuid();

	missing = load("-c /nowhere/kedge.yaml");
	assert_string_equal(missing.err,
			    "kedge: error: /nowhere/kedge.yaml: can not be read: No such "
			    "file or directory\n");
	assert_int_equal(missing.status, -EINVAL);
	directory = load("-c /");
	assert_string_equal(directory.err, "kedge: error: /: can not be read: Is a directory\n");
	write_file("", 0);
	assert_int_equal(chmod(file_name, 0), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	if (was == 0)
		assert_int_equal(seteuid(65534), 0);
	denied = load("-c FILE");
	if (was == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(file_name, 0600), 0);
	assert_string_equal(denied.err, "kedge: error: kedge.yaml: can not be read: Permission "
					"denied\n");
}

static void help_shows_every_option(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = load("--help");

	assert_int_equal(l.status, 1);
	assert_string_equal(l.err, "");
	assert_non_null(strstr(l.out, "usage: kedge run [-c FILE]"));
	for (size_t i = 0; i < config_options_count; i++) {
		char flag[64];

		snprintf(flag, sizeof(flag), "\n  --%s ", config_options[i].name);
		assert_non_null(strstr(l.out, flag));
	}
	for (char *line = strtok(l.out, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
}

/* A file of the source tree; the tests run at its top. */
static char *read_tree(const char *path)
{
	_cleanup_(fclosep)
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, f) > 0);
	return text;
}

static void the_reference_in_the_documentation_is_ours(void **state)
{
	_cleanup_(freep)
	char *text = read_tree("docs/configuration.md"), *ours = NULL;
	char *begin = strstr(text, "<!-- reference -->\n");
	char *end = strstr(text, "<!-- end of reference -->");
	FILE *to;
	size_t len;

	assert_true(begin && end);
	begin += strlen("<!-- reference -->\n");
	*end = '\0';
	to = open_memstream(&ours, &len);
	assert_non_null(to);
	config_write_reference(to);
	fclose(to);
	/* Otherwise: kedge check --reference, between the marks. */
	assert_string_equal(begin, ours);
}

/* Takes the "#" from "#key: value", not from "# a comment". */
static void uncomment(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != '#' || (from > text && from[-1] != '\n' && from[-1] != ' ') ||
		    from[1] < 'a' || from[1] > 'z')
			*to++ = *from;
	*to = '\0';
}

static void the_example_has_every_key_with_its_default(void **state)
{
	_cleanup_(freep)
	char *text = read_tree("dist/kedge.yaml");
	_cleanup_(conf_freep)
	struct conf *plain = NULL, *full = NULL;

	plain = must_load(text, "");
	assert_int_equal(plain->listeners_count, 3);
	check_defaults(plain);
	uncomment(text);
	for (size_t i = 0; i < config_options_count; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s:", config_options[i].name);
		assert_non_null(strstr(text, key));
	}
	full = must_load(text, "");
	assert_string_equal(full->cgroup, "/sys/fs/cgroup/web.slice");
	free(full->cgroup);
	full->cgroup = NULL;
	check_defaults(full);
}

static int check(const char *args, char **out, char **err)
{
	_cleanup_(freep)
	char *words = NULL;
	char *argv[ARGS_MAX];
	int argc, kept_out, kept_err, status;

	assert_true(asprintf(&words, "check %s", args) > 0);
	argc = split(argv, words);
	fflush(stdout);
	kept_out = capture_begin(STDOUT_FILENO);
	kept_err = capture_begin(STDERR_FILENO);
	status = cmd_check(argc, argv);
	fflush(stdout);
	*err = capture_end(STDERR_FILENO, kept_err);
	*out = capture_end(STDOUT_FILENO, kept_out);
	return status;
}

static void check_sums_up_what_is_right(void **state)
{
	_cleanup_(freep)
	char *out = NULL, *err = NULL;
	static const char yaml[] = "tls: off\napp: localhost:3000\nworkers: 1\nlisteners:\n"
				   "- listen: :3443\n  proxy-protocol: require\n"
				   "  trust: [10.0.0.0/8]\n- listen: 127.0.0.1:80\n";

	write_file(yaml, strlen(yaml));
	assert_int_equal(check("-c FILE", &out, &err), EXIT_DONE);
	assert_string_equal(err, "");
	assert_string_equal(out, "kedge.yaml: ok: 2 listeners ([::]:3443 PROXY required, "
				 "127.0.0.1:80), app 127.0.0.1:3000, 1 worker\n");
}

static void check_says_what_is_wrong(void **state)
{
	_cleanup_(freep)
	char *out = NULL, *err = NULL;

	write_file("xff: up\n", 8);
	assert_int_equal(check("-c FILE " FINE, &out, &err), EXIT_USAGE);
	assert_string_equal(err, "kedge: error: kedge.yaml:1: xff: \"up\" is not one of append, "
				 "replace, if-none, never\n");
	assert_string_equal(out, "");
}

static void check_reads_every_certificate_once(void **state)
{
	_cleanup_(freep)
	char *out = NULL, *err = NULL;

	assert_int_equal(check("--cert /nowhere/a.pem --key /nowhere/a.key --cert /nowhere/b.pem "
			       "--key /nowhere/b.key --listen :1 --listen :2 --app localhost:3",
			       &out, &err),
			 EXIT_USAGE);
	assert_string_equal(err, "kedge: error: certificate /nowhere/a.pem: cannot open: No such "
				 "file or directory\n"
				 "kedge: error: certificate /nowhere/b.pem: cannot open: No such "
				 "file or directory\n");
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_works_as_a_flag),
		cmocka_unit_test(every_option_works_as_a_key),
		cmocka_unit_test(a_flag_may_carry_its_value_behind_an_equals_sign),
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(every_word_has_its_meaning),
		cmocka_unit_test(a_path_may_be_as_long_as_a_socket_address),
		cmocka_unit_test(off_means_no_path),
		cmocka_unit_test(listeners_take_what_they_do_not_say_from_the_top_level),
		cmocka_unit_test(flags_win_over_the_file),
		cmocka_unit_test(a_listen_flag_leaves_out_the_listeners_of_the_file),
		cmocka_unit_test(port_0_may_be_listened_on_more_than_once),
		cmocka_unit_test(mistakes_in_flags_are_said_with_what_is_allowed),
		cmocka_unit_test(mistakes_in_files_are_said_with_file_and_line),
		cmocka_unit_test(warnings_do_not_stop_anything),
		cmocka_unit_test(only_the_first_mistakes_of_very_many_are_shown),
		cmocka_unit_test(lists_have_an_end),
		cmocka_unit_test(a_file_without_keys_says_nothing),
		cmocka_unit_test(a_file_may_be_large_but_not_larger),
		cmocka_unit_test(a_file_that_can_not_be_read_is_a_mistake),
		cmocka_unit_test(help_shows_every_option),
		cmocka_unit_test(the_reference_in_the_documentation_is_ours),
		cmocka_unit_test(the_example_has_every_key_with_its_default),
		cmocka_unit_test(check_sums_up_what_is_right),
		cmocka_unit_test(check_says_what_is_wrong),
		cmocka_unit_test(check_reads_every_certificate_once),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
