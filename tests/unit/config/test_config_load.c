/* SPDX-License-Identifier: BSD-2-Clause */
/* config_load.c: each option by flag and by key, all defaults, all mistakes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>
#include <string.h>

#include "config/config_table.h"
#include "tests/lib/loading.h"
#include "tests/lib/no_memory.h"

/* Each option with a value that is not its default, once as flags and once as keys. */
static const char every_flag[] =
	"--cert c.pem --key k.pem --cert c2.pem --key k2.pem --ocsp o2.der --app 192.0.2.9:8080 "
	"--backup 192.0.2.10:8080 --check http --check-path /up --check-host up.example "
	"--check-status 204 --check-every-ms 31 --check-timeout-ms 32 --check-rise 33 "
	"--check-fall 34 --server-connections-max 35 --queue-max 36 --queue-timeout-ms 37 "
	"--resolve-ms 39 --connect-retry-ms 38 --workers 3 "
	"--record require --edit off --bypass prefer --cgroup /cg --peername off --app-cgroup "
	"/acg --guard-mode generic --guard-interfaces eth0 --guard-interfaces lo "
	"--guard-priority 20 --guard-observe on --guard-source-rate 21 --guard-source-burst 22 "
	"--guard-source-prefix-v4 24 --guard-source-prefix-v6 56 --guard-total-rate 23 "
	"--guard-total-burst 25 --guard-over cookie --guard-fragments follow --guard-keep on "
	"--pin /bpf/x --control /run/x "
	"--xff if-none --xff-trust 10.0.0.0/8 --xff-trust ::1 --forwarding-fields keep "
	"--x-forwarded-proto off --x-forwarded-port on --x-real-ip on --forwarded on "
	"--forwarding-aliases remove --h2c refuse --tls-min 1.3 "
	"--tls-policy high --ticket-keys t.txt "
	"--prefix-timeout-ms 1 --handshake-timeout-ms 2 "
	"--connect-timeout-ms 3 --connect-early on --app-reuse off --app-idle-timeout-ms 15 "
	"--send-proxy v2 --proxy-tlvs ssl --proxy-tlvs pass "
	"--head-timeout-ms 4 --idle-timeout-ms 5 "
	"--response-timeout-ms 12 "
	"--linger-timeout-ms 6 "
	"--drain-timeout-ms 86400000 --shutdown-delay-ms 16 "
	"--tcp-keepalive-s 13 --tcp-user-timeout-ms 14 "
	"--connections-max 1048576 --address-connections-max 7 "
	"--handshakes-max 8 "
	"--head-bytes-max 65536 "
	"--body-rate-min 9 --response-rate-min 10 --rate-grace-ms 11 "
	"--socket-mode 0600 --user 65534:65533 --seccomp errno --log-level debug --log-format json "
	"--access-log /log/x --access-log-format json --metrics 127.0.0.1:9100 "
	"--listen 127.0.0.1:443 --proxy-protocol require --trust "
	"192.0.2.0/24 --trust 2001:db8::/32 "
	"--listener-connections-max 12 --alpn http/1.1 "
	"--strict-sni on --self-signed off --splice off "
	"--listen [::1]:80 --tls off "
	"--mode tcp --proxy-protocol optional "
	"--trust 2001:db8::1";

static const char every_key[] = "certs:\n"
				"- {cert: c.pem, key: k.pem}\n"
				"- cert: c2.pem\n"
				"  key: k2.pem\n"
				"  ocsp: o2.der\n"
				"app: 192.0.2.9:8080\n"
				"backup: 192.0.2.10:8080\n"
				"check:\n"
				"  path: /up\n"
				"  host: up.example\n"
				"  status: 204\n"
				"  every-ms: 31\n"
				"  timeout-ms: 32\n"
				"  rise: 33\n"
				"  fall: 34\n"
				"server-connections-max: 35\n"
				"queue-max: 36\n"
				"queue-timeout-ms: 37\n"
				"resolve-ms: 39\n"
				"connect-retry-ms: 38\n"
				"workers: 3\n"
				"record: require\n"
				"edit: off\n"
				"bypass: prefer\n"
				"cgroup: /cg\n"
				"peername: off\n"
				"app-cgroup: /acg\n"
				"guard-mode: generic\n"
				"guard-interfaces: [eth0, lo]\n"
				"guard-priority: 20\n"
				"guard-observe: on\n"
				"guard-source-rate: 21\n"
				"guard-source-burst: 22\n"
				"guard-source-prefix-v4: 24\n"
				"guard-source-prefix-v6: 56\n"
				"guard-total-rate: 23\n"
				"guard-total-burst: 25\n"
				"guard-over: cookie\n"
				"guard-fragments: follow\n"
				"guard-keep: on\n"
				"pin: /bpf/x\n"
				"control: /run/x\n"
				"xff: if-none\n"
				"xff-trust: [10.0.0.0/8, '::1']\n"
				"forwarding-fields: keep\n"
				"x-forwarded-proto: off\n"
				"x-forwarded-port: on\n"
				"x-real-ip: on\n"
				"forwarded: on\n"
				"forwarding-aliases: remove\n"
				"h2c: refuse\n"
				"tls-min: 1.3\n"
				"tls-policy: high\n"
				"ticket-keys: t.txt\n"
				"prefix-timeout-ms: 1\n"
				"handshake-timeout-ms: 2\n"
				"connect-timeout-ms: 3\n"
				"connect-early: on\n"
				"app-reuse: off\n"
				"app-idle-timeout-ms: 15\n"
				"send-proxy: v2\n"
				"proxy-tlvs: [ssl, pass]\n"
				"head-timeout-ms: 4\n"
				"idle-timeout-ms: 5\n"
				"response-timeout-ms: 12\n"
				"linger-timeout-ms: 6\n"
				"drain-timeout-ms: 86400000\n"
				"shutdown-delay-ms: 16\n"
				"tcp-keepalive-s: 13\n"
				"tcp-user-timeout-ms: 14\n"
				"connections-max: 1048576\n"
				"address-connections-max: 7\n"
				"handshakes-max: 8\n"
				"head-bytes-max: 65536\n"
				"body-rate-min: 9\n"
				"response-rate-min: 10\n"
				"rate-grace-ms: 11\n"
				"socket-mode: 0600\n"
				"user: 65534:65533\n"
				"seccomp: errno\n"
				"log-level: debug\n"
				"log-format: json\n"
				"access-log: /log/x\n"
				"access-log-format: json\n"
				"metrics: 127.0.0.1:9100\n"
				"listeners:\n"
				"- listen: 127.0.0.1:443\n"
				"  proxy-protocol: require\n"
				"  trust:\n"
				"  - 192.0.2.0/24\n"
				"  - 2001:db8::/32\n"
				"  listener-connections-max: 12\n"
				"  alpn: [http/1.1]\n"
				"  strict-sni: on\n"
				"  self-signed: off\n"
				"  splice: off\n"
				"- listen: '[::1]:80'\n"
				"  tls: off\n"
				"  mode: tcp\n"
				"  proxy-protocol: optional\n"
				"  trust: [2001:db8::1]\n";

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
	assert_int_equal(l[0].mode, MODE_HTTP);
	assert_int_equal(l[0].proxy, PROXY_PREFIX_REQUIRE);
	assert_int_equal(l[0].trust.count, 2);
	assert_cidr(&l[0].trust, 0, "192.0.2.0/24");
	assert_cidr(&l[0].trust, 1, "2001:db8::/32");
	assert_int_equal(l[0].certs_count, 2);
	assert_string_equal(l[0].certs[0].cert, "c.pem");
	assert_string_equal(l[0].certs[0].key, "k.pem");
	assert_string_equal(l[0].certs[1].cert, "c2.pem");
	assert_string_equal(l[0].certs[1].key, "k2.pem");
	assert_null(l[0].certs[0].ocsp);
	assert_string_equal(l[0].certs[1].ocsp, "o2.der");
	assert_string_equal(l[1].name, "[::1]:80");
	assert_false(l[1].tls);
	assert_int_equal(l[1].mode, MODE_TCP);
	assert_int_equal(l[1].proxy, PROXY_PREFIX_OPTIONAL);
	assert_int_equal(l[1].trust.count, 1);
	assert_cidr(&l[1].trust, 0, "2001:db8::1");
	assert_int_equal(l[1].certs_count, 0);
	assert_int_equal(l[0].connections_max, 12);
	assert_int_equal(l[1].connections_max, 0);
	assert_int_equal(l[0].alpn.count, 1);
	assert_true(l[0].strict_sni && !l[1].strict_sni);
	assert_false(l[0].self_signed || l[1].self_signed);
	assert_string_equal(l[0].alpn.set[0], "http/1.1");
	assert_false(l[0].splice || l[1].splice);
	assert_true(l[0].socket_mode == 0600 && l[1].socket_mode == 0600);
}

static void check_every_option_of_the_guard(const struct conf_guard *guard)
{
	assert_int_equal(guard->mode, GUARD_GENERIC);
	assert_int_equal(guard->interfaces.count, 2);
	assert_string_equal(guard->interfaces.set[0], "eth0");
	assert_string_equal(guard->interfaces.set[1], "lo");
	assert_int_equal(guard->priority, 20);
	assert_true(guard->observe);
	assert_int_equal(guard->source_rate, 21);
	assert_int_equal(guard->source_burst, 22);
	assert_int_equal(guard->source_bits_v4, 24);
	assert_int_equal(guard->source_bits_v6, 56);
	assert_int_equal(guard->total_rate, 23);
	assert_int_equal(guard->total_burst, 25);
	assert_true(guard->cookies);
	assert_true(guard->follow);
	assert_true(guard->keep);
}

static void check_every_option_of_an_app(const struct conf_app *app)
{
	assert_string_equal(app->name, "192.0.2.9:8080");
	assert_int_equal(app->servers.count, 2);
	assert_int_equal(addr_port(&app->servers.set[0].addr), 8080);
	assert_true(app->servers.set[1].backup);
	assert_int_equal(app->check, CHECK_HTTP);
	assert_string_equal(app->check_path, "/up");
	assert_string_equal(app->check_host, "up.example");
	assert_true(app->check_status.from == 204 && app->check_status.to == 204);
	assert_int_equal(app->check_every_ms, 31);
	assert_int_equal(app->check_timeout_ms, 32);
	assert_int_equal(app->check_rise, 33);
	assert_int_equal(app->check_fall, 34);
	assert_int_equal(app->server_connections_max, 35);
	assert_int_equal(app->queue_max, 36);
	assert_int_equal(app->queue_timeout_ms, 37);
	assert_int_equal(app->connect_retry_ms, 38);
	assert_int_equal(app->resolve_ms, 39);
}

static void check_every_option(const struct conf *conf)
{
	check_every_listener(conf);
	check_every_option_of_an_app(&conf->apps[0]);
	assert_true(conf->tcp_alive.keepalive_s == 13 && conf->tcp_alive.user_timeout_ms == 14);
	assert_int_equal(conf->workers, 3);
	assert_int_equal(conf->record, POLICY_REQUIRE);
	assert_int_equal(conf->edit, POLICY_OFF);
	assert_int_equal(conf->bypass, POLICY_PREFER);
	assert_string_equal(conf->cgroup, "/cg");
	assert_int_equal(conf->peername, POLICY_OFF); /* for send-proxy */
	assert_string_equal(conf->app_cgroup, "/acg");
	check_every_option_of_the_guard(&conf->guard);
	assert_string_equal(conf->pin, "/bpf/x");
	assert_string_equal(conf->control, "/run/x");
	assert_int_equal(conf->xff, XFF_IF_NONE);
	assert_int_equal(conf->xff_trust.count, 2);
	assert_cidr(&conf->xff_trust, 0, "10.0.0.0/8");
	assert_cidr(&conf->xff_trust, 1, "::1");
	assert_true(conf->forwarding_keep);
	assert_false(conf->x_forwarded_proto);
	assert_true(conf->x_forwarded_port);
	assert_true(conf->x_real_ip);
	assert_true(conf->forwarded);
	assert_true(conf->aliases_remove);
	assert_false(conf->h2c_remove);
	assert_true(conf->tls13_only);
	assert_int_equal(conf->prefix_timeout_ms, 1);
	assert_int_equal(conf->handshake_timeout_ms, 2);
	assert_int_equal(conf->connect_timeout_ms, 3);
	assert_true(conf->connect_early);
	assert_int_equal(conf->apps[0].app_reuse, APP_REUSE_OFF);
	assert_int_equal(conf->app_idle_timeout_ms, 15);
	assert_int_equal(conf->apps[0].send_proxy, SEND_PROXY_V2);
	assert_int_equal(conf->apps[0].proxy_tlvs, SEND_TLV_SSL | SEND_TLV_PASS);
	assert_int_equal(conf->head_timeout_ms, 4);
	assert_int_equal(conf->idle_timeout_ms, 5);
	assert_int_equal(conf->response_timeout_ms, 12);
	assert_int_equal(conf->linger_timeout_ms, 6);
	assert_int_equal(conf->drain_timeout_ms, 86400000);
	assert_int_equal(conf->shutdown_delay_ms, 16);
	assert_int_equal(conf->connections_max, 1048576);
	assert_int_equal(conf->tls_policy, TLS_POLICY_HIGH);
	assert_string_equal(conf->ticket_keys, "t.txt");
	assert_string_equal(conf->user, "65534:65533");
	assert_int_equal(conf->seccomp, SECCOMP_ERRNO);
	assert_int_equal(conf->address_connections_max, 7);
	assert_int_equal(conf->handshakes_max, 8);
	assert_int_equal(conf->head_bytes_max, 65536);
	assert_int_equal(conf->body_rate_min, 9);
	assert_int_equal(conf->response_rate_min, 10);
	assert_int_equal(conf->rate_grace_ms, 11);
	assert_int_equal(conf->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(conf->log_json, 1);
	assert_string_equal(conf->access_log, "/log/x");
	assert_int_equal(conf->access_log_format, ACCESS_FORMAT_JSON);
	assert_int_equal(addr_port(&conf->metrics), 9100);
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
		if (!option_is_no_flag(&config_options[i]))
			assert_non_null(strstr(every_flag, flag));
	}
}

/* Within `check`, "check-" is left out. */
static const char *key_of(const struct option_def *opt)
{
	return opt->name + (strncmp(opt->name, "check-", 6) ? 0 : 6);
}

static void every_option_works_as_a_key(void **state)
{
	_cleanup_(conf_freep)
	struct conf *conf = must_load(every_key, "");

	check_every_option(conf);
	assert_string_equal(conf->file, loading_file);
	for (size_t i = 0; i < config_options_count; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s:", key_of(&config_options[i]));
		if (!option_has_entries(&config_options[i]))
			assert_non_null(strstr(every_key, key));
	}
}

static void check_defaults_of_the_guard(const struct conf_guard *guard)
{
	assert_int_equal(guard->mode, GUARD_OFF);
	assert_int_equal(guard->interfaces.count, 1);
	assert_string_equal(guard->interfaces.set[0], "all-listeners");
	assert_int_equal(guard->priority, 10);
	assert_false(guard->observe);
	assert_int_equal(guard->source_rate, 0);
	assert_int_equal(guard->source_burst, 100);
	assert_int_equal(guard->source_bits_v4, 32);
	assert_int_equal(guard->source_bits_v6, 64);
	assert_int_equal(guard->total_rate, 0);
	assert_int_equal(guard->total_burst, 1000);
	assert_false(guard->cookies);
	assert_false(guard->follow);
	assert_false(guard->keep);
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
	assert_int_equal(conf->peername, POLICY_OFF);
	assert_null(conf->app_cgroup);
	check_defaults_of_the_guard(&conf->guard);
	assert_string_equal(conf->pin, "/sys/fs/bpf/kedge");
	assert_string_equal(conf->control, "/run/kedge/kedge.sock");
	assert_int_equal(conf->xff, XFF_APPEND);
	assert_int_equal(conf->xff_trust.count, 0);
	assert_false(conf->forwarding_keep);
	assert_true(conf->x_forwarded_proto);
	assert_false(conf->x_forwarded_port);
	assert_false(conf->x_real_ip);
	assert_false(conf->forwarded);
	assert_false(conf->aliases_remove);
	assert_true(conf->h2c_remove);
	assert_false(conf->tls13_only);
	assert_int_equal(conf->prefix_timeout_ms, 10000);
	assert_int_equal(conf->handshake_timeout_ms, 10000);
	assert_int_equal(conf->connect_timeout_ms, 5000);
	assert_false(conf->connect_early);
	assert_int_equal(conf->apps[0].app_reuse, APP_REUSE_CLIENT);
	assert_int_equal(conf->app_idle_timeout_ms, 4000);
	assert_int_equal(conf->apps[0].send_proxy, SEND_PROXY_OFF);
	assert_int_equal(conf->apps[0].proxy_tlvs, 0);
	assert_int_equal(conf->head_timeout_ms, 15000);
	assert_int_equal(conf->idle_timeout_ms, 300000);
	assert_int_equal(conf->response_timeout_ms, 300000);
	assert_int_equal(conf->linger_timeout_ms, 5000);
	assert_int_equal(conf->drain_timeout_ms, 30000);
	assert_int_equal(conf->shutdown_delay_ms, 0);
	assert_int_equal(conf->connections_max, 16384);
	assert_int_equal(conf->head_bytes_max, 32768);
	assert_int_equal(conf->tls_policy, TLS_POLICY_INTERMEDIATE);
	assert_null(conf->ticket_keys);
	assert_null(conf->user);
	assert_int_equal(conf->seccomp, SECCOMP_ENFORCE);
	assert_int_equal(conf->log_level, LOG_LEVEL_INFO);
	assert_int_equal(conf->log_json, 0);
	assert_null(conf->access_log);
	assert_int_equal(conf->access_log_format, ACCESS_FORMAT_COMBINED);
	assert_int_equal(conf->metrics.family, AF_UNSPEC);
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
				 "--tls off --app localhost:2 %s %s",                      \
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
	assert_words("--xff-trust ::1 --xff", xff, {"append", XFF_APPEND}, {"replace", XFF_REPLACE},
		     {"if-none", XFF_IF_NONE}, {"never", XFF_NEVER});
	assert_words("--log-level", log_level, {"error", LOG_LEVEL_ERROR}, {"warn", LOG_LEVEL_WARN},
		     {"info", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_DEBUG});
	assert_words("--access-log-format", access_log_format, {"common", ACCESS_FORMAT_COMMON},
		     {"combined", ACCESS_FORMAT_COMBINED}, {"json", ACCESS_FORMAT_JSON});
	assert_words("--tls-policy", tls_policy, {"intermediate", TLS_POLICY_INTERMEDIATE},
		     {"modern", TLS_POLICY_MODERN}, {"high", TLS_POLICY_HIGH});
	assert_words("--seccomp", seccomp, {"off", SECCOMP_OFF}, {"log", SECCOMP_LOG},
		     {"errno", SECCOMP_ERRNO}, {"enforce", SECCOMP_ENFORCE});
	assert_words("--forwarding-fields", forwarding_keep, {"strip", 0}, {"keep", 1});
	assert_words("--x-real-ip", x_real_ip, {"off", 0}, {"on", 1});
	assert_words("--forwarded", forwarded, {"off", 0}, {"on", 1});
	assert_words("--x-forwarded-proto", x_forwarded_proto, {"off", 0}, {"on", 1});
	assert_words("--x-forwarded-port", x_forwarded_port, {"off", 0}, {"on", 1});
	assert_words("--forwarding-aliases", aliases_remove, {"refuse", 0}, {"remove", 1});
	assert_words("--h2c", h2c_remove, {"refuse", 0}, {"remove", 1});
	assert_words("--guard-mode", guard.mode, {"off", GUARD_OFF}, {"auto", GUARD_AUTO},
		     {"native", GUARD_NATIVE}, {"generic", GUARD_GENERIC});
	assert_words("--guard-observe", guard.observe, {"off", 0}, {"on", 1});
	assert_words("--guard-over", guard.cookies, {"drop", 0}, {"cookie", 1});
	assert_words("--guard-fragments", guard.follow, {"pass", 0}, {"follow", 1});
	assert_words("--guard-keep", guard.keep, {"off", 0}, {"on", 1});
	assert_words("--tls-min", tls13_only, {"1.2", 0}, {"1.3", 1});
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

		snprintf(key, sizeof(key), "%s:", key_of(&config_options[i]));
		assert_non_null(strstr(text, key));
	}
	full = must_load(text, "");
	assert_string_equal(full->cgroup, "/sys/fs/cgroup/web.slice");
	free(full->cgroup);
	full->cgroup = NULL;
	assert_string_equal(full->app_cgroup, "/sys/fs/cgroup/system.slice");
	free(full->app_cgroup);
	full->app_cgroup = NULL;
	assert_string_equal(full->ticket_keys, "/etc/kedge/ticket-keys");
	free(full->ticket_keys);
	full->ticket_keys = NULL;
	assert_string_equal(full->user, "www-data");
	free(full->user);
	full->user = NULL;
	check_defaults(full);
}

static const struct mistake_case many_mistakes[] = {
	{"workers: x\nworker: 1\nxff: y\nlisteners:\n- listen: z\n  tls: maybe\n- {}\n",
	 "--edit v --app w",
	 "kedge.yaml:2: worker: unknown key; did you mean workers?\n"
	 "--edit: \"v\" is not one of require, prefer, off\n"
	 "kedge.yaml:1: workers: \"x\" is not a whole number from 0 to 64 threads\n"
	 "kedge.yaml:3: xff: \"y\" is not one of append, replace, if-none, never\n"
	 "kedge.yaml:5: listeners[0].listen: \"z\" is not ADDR:PORT: "
	 "the port is missing: ADDRESS:PORT\n"
	 "kedge.yaml:6: listeners[0].tls: \"maybe\" is not one of off, on\n"
	 "--app: \"w\" is not in apps, and a server has a port: ADDR:PORT\n"
	 "kedge.yaml:7: listeners[1]: listen is missing: ADDR:PORT\n"
	 "kedge.yaml:7: listeners[1]: TLS without a certificate: give cert and key, "
	 "or self-signed for a trial, or tls off\n"},
};

static void every_mistake_of_file_and_flags_is_said_at_once(void **state)
{
	check_mistakes(many_mistakes, sizeof(many_mistakes) / sizeof(many_mistakes[0]));
}

static const struct mistake_case unread_files[] = {
	{NULL, "-c /nowhere", "/nowhere: cannot be read: No such file or directory\n"},
	{NULL, "nowhere", "nowhere: not an option: a file is given as -c FILE\n"},
	{"]", "",
	 "kedge.yaml:1: not YAML: did not find expected node content while "
	 "parsing a block node\n"},
	/* The flags are checked in any case. */
	{"[]", "--workers x",
	 "kedge.yaml:1: must be keys with values, not a list\n"
	 "--workers: \"x\" is not a whole number from 0 to 64 threads\n"},
};

/* Settings that the file may contain are not reported as missing. */
static void an_unread_file_is_the_only_mistake(void **state)
{
	check_mistakes(unread_files, sizeof(unread_files) / sizeof(unread_files[0]));
}

/* --help wins over mistakes before and after it. */
static void help_loads_nothing(void **state)
{
	_cleanup_(loaded_free)
	struct loaded l = load("--app nonsense --help -c /nowhere");

	assert_int_equal(l.status, 1);
	assert_null(l.conf);
	assert_string_equal(l.err, "");
	assert_non_null(strstr(l.out, "usage: kedge run "));
}

/* Whichever allocation fails: the load fails with a message and without a leak. */
static void memory_may_end_at_any_step(void **state)
{
	static const char yaml[] = "app: localhost:3\n"
				   "nope: 1\n"
				   "certs: [{cert: c, key: k}]\n"
				   "trust: [10.0.0.1]\n"
				   "guard-interfaces: [eth0, lo]\n"
				   "proxy-protocol: require\n"
				   "listeners: [{listen: ':1'}, {listen: ':2', trust: ['::1']}]\n";
	int steps = 0;

	for (;; steps++) {
		_cleanup_(loaded_free)
		struct loaded l = {0};

		write_file(yaml, strlen(yaml));
		no_memory_after = steps;
		l = load("-c FILE --xff-trust 10.0.0.0/8 --pin /x");
		if (no_memory_after >= 0)
			break;
		assert_null(l.conf);
		assert_int_equal(l.status, -ENOMEM);
		assert_non_null(strstr(l.err, "error: configuration: Cannot allocate memory\n"));
	}
	no_memory_after = -1;
	assert_in_range(steps, 50, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_works_as_a_flag),
		cmocka_unit_test(every_option_works_as_a_key),
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(every_word_has_its_meaning),
		cmocka_unit_test(the_example_has_every_key_with_its_default),
		cmocka_unit_test(every_mistake_of_file_and_flags_is_said_at_once),
		cmocka_unit_test(an_unread_file_is_the_only_mistake),
		cmocka_unit_test(help_loads_nothing),
		cmocka_unit_test(memory_may_end_at_any_step),
	};

	return cmocka_run_group_tests(tests, loading_begin, loading_end);
}
