/*
 * The one table of options. Flags, YAML keys, usage, reference table and messages come from it;
 * what an option is called, may be and is without being told is written nowhere else.
 */
#include "config_private.h"

#include <limits.h>
#include <sys/un.h>

#include "kedge/limits.h"

#define POLICY_WORDS                       \
	{                                  \
		"require", "prefer", "off" \
	}
#define SWITCH_WORDS        \
	{                   \
		"off", "on" \
	}
#define IN_CONF(field)     .scope = OPTION_GLOBAL, .offset = offsetof(struct conf, field)
#define IN_LISTENER(field) .scope = OPTION_LISTENER, .offset = offsetof(struct conf_listener, field)
#define TIMEOUT(field)                                                              \
	.kind = OPTION_NUMBER, IN_CONF(field), .arg = "MS", .unit = "ms", .min = 1, \
	.max = CONFIG_TIMEOUT_MS_MAX

const struct option_def config_options[] = {
	{.name = "listen",
	 .kind = OPTION_ADDR,
	 .scope = OPTION_LISTEN,
	 .offset = offsetof(struct conf_listener, addr),
	 .arg = "ADDR:PORT",
	 .help = "begins a listener: the address that clients or the balancer connect to"},
	{.name = "tls",
	 .kind = OPTION_BOOL,
	 IN_LISTENER(tls),
	 .text = "on",
	 .words = SWITCH_WORDS,
	 .help = "clients of this listener speak TLS"},
	{.name = "proxy-protocol",
	 .kind = OPTION_WORD,
	 IN_LISTENER(proxy),
	 .text = "off",
	 .words = {"off", "optional", "require"},
	 .help = "connections begin with a PROXY protocol prefix, version 1 or 2"},
	{.name = "trust",
	 .kind = OPTION_CIDRS,
	 IN_LISTENER(trust),
	 .without = "everybody",
	 .arg = "CIDR",
	 .help = "who may send a PROXY prefix: the addresses of the balancers"},
	{.name = "cert",
	 .kind = OPTION_CERT,
	 IN_LISTENER(certs),
	 .without = "none",
	 .arg = "FILE",
	 .max = PATH_MAX - 1,
	 .help = "certificate with its chain, PEM; each has its key"},
	{.name = "key",
	 .kind = OPTION_CERT,
	 IN_LISTENER(certs),
	 .without = "none",
	 .arg = "FILE",
	 .max = PATH_MAX - 1,
	 .help = "private key of the certificate, PEM"},
	{.name = "app",
	 .kind = OPTION_ADDR,
	 IN_CONF(app),
	 .arg = "ADDR:PORT",
	 .help = "where the application listens, in plain HTTP"},
	{.name = "workers",
	 .kind = OPTION_NUMBER,
	 IN_CONF(workers),
	 .text = "0",
	 .arg = "COUNT",
	 .unit = "threads",
	 .min = 0,
	 .max = KEDGE_WORKERS_MAX,
	 .help = "worker threads; 0 is one per core that kedge may use"},
	{.name = "record",
	 .kind = OPTION_WORD,
	 IN_CONF(record),
	 .text = "prefer",
	 .words = POLICY_WORDS,
	 .help = "TLS records are carried by the kernel; off or not possible: by OpenSSL"},
	{.name = "edit",
	 .kind = OPTION_WORD,
	 IN_CONF(edit),
	 .text = "prefer",
	 .words = POLICY_WORDS,
	 .help = "the client's address is put into requests by a BPF program; off or not possible: "
		 "by kedge itself"},
	{.name = "bypass",
	 .kind = OPTION_WORD,
	 IN_CONF(bypass),
	 .text = "off",
	 .words = POLICY_WORDS,
	 .help = "bytes go from socket to socket without loopback TCP; for an application on this "
		 "host that has been tried with it"},
	{.name = "cgroup",
	 .kind = OPTION_PATH,
	 IN_CONF(cgroup),
	 .without = "kedge's own",
	 .arg = "DIR",
	 .max = PATH_MAX - 1,
	 .help = "cgroup v2 directory that holds kedge and the application, for bypass"},
	{.name = "pin",
	 .kind = OPTION_PATH,
	 IN_CONF(pin),
	 .text = "/sys/fs/bpf/kedge",
	 .arg = "DIR|off",
	 .max = PATH_MAX - 1,
	 .off_allowed = true,
	 .help = "directory on a bpffs where maps and links are pinned, for bpftool; off pins "
		 "nothing"},
	{.name = "control",
	 .kind = OPTION_PATH,
	 IN_CONF(control),
	 .text = "/run/kedge/kedge.sock",
	 .arg = "PATH|off",
	 .max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
	 .off_allowed = true,
	 .help = "unix socket that kedge status asks; off makes none"},
	{.name = "xff",
	 .kind = OPTION_WORD,
	 IN_CONF(xff),
	 .text = "append",
	 .words = {"append", "replace", "if-none", "never"},
	 .help = "what happens to X-Forwarded-For: the client's address is put last, instead of "
		 "what "
		 "is there, only where nothing is there, or nowhere"},
	{.name = "xff-trust",
	 .kind = OPTION_CIDRS,
	 IN_CONF(xff_trust),
	 .without = "everybody",
	 .arg = "CIDR",
	 .help = "whose incoming forwarding fields are kept; those of others are dropped"},
	{.name = "x-forwarded-proto",
	 .kind = OPTION_BOOL,
	 IN_CONF(x_forwarded_proto),
	 .text = "off",
	 .words = SWITCH_WORDS,
	 .help = "adds X-Forwarded-Proto, http or https"},
	{.name = "x-forwarded-port",
	 .kind = OPTION_BOOL,
	 IN_CONF(x_forwarded_port),
	 .text = "off",
	 .words = SWITCH_WORDS,
	 .help = "adds X-Forwarded-Port, the port that the client connected to"},
	{.name = "tls-min",
	 .kind = OPTION_BOOL,
	 IN_CONF(tls13_only),
	 .text = "1.2",
	 .words = {"1.2", "1.3"},
	 .help = "lowest TLS version that is accepted"},
	{.name = "prefix-timeout-ms",
	 TIMEOUT(prefix_timeout_ms),
	 .text = "10000",
	 .help = "from accept to the whole PROXY prefix; some balancers send it only with the "
		 "client's first bytes"},
	{.name = "handshake-timeout-ms",
	 TIMEOUT(handshake_timeout_ms),
	 .text = "10000",
	 .help = "for the TLS handshake"},
	{.name = "connect-timeout-ms",
	 TIMEOUT(connect_timeout_ms),
	 .text = "5000",
	 .help = "for the connection to the application"},
	{.name = "head-timeout-ms",
	 TIMEOUT(head_timeout_ms),
	 .text = "15000",
	 .help = "from the first byte of a request head to its last"},
	{.name = "idle-timeout-ms",
	 TIMEOUT(idle_timeout_ms),
	 .text = "300000",
	 .help = "without a byte in either direction"},
	{.name = "linger-timeout-ms",
	 TIMEOUT(linger_timeout_ms),
	 .text = "5000",
	 .help = "for the other side to finish after one side has"},
	{.name = "drain-timeout-ms",
	 TIMEOUT(drain_timeout_ms),
	 .text = "30000",
	 .help = "for open connections to end after kedge is told to stop"},
	{.name = "connections-max",
	 .kind = OPTION_NUMBER,
	 IN_CONF(connections_max),
	 .text = "16384",
	 .arg = "COUNT",
	 .unit = "connections",
	 .min = 1,
	 .max = 1u << 20,
	 .help = "client connections at a time, in all workers"},
	{.name = "log-level",
	 .kind = OPTION_WORD,
	 IN_CONF(log_level),
	 .text = "info",
	 .words = {"error", "warn", "info", "debug"},
	 .help = "how much is said on standard error"},
};
const size_t config_options_count = sizeof(config_options) / sizeof(config_options[0]);

/* OPTION_WORD and OPTION_NUMBER fields are written as unsigned. */
_Static_assert(sizeof(enum policy) == sizeof(unsigned), "enum fields");
_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "enum fields");
_Static_assert(sizeof(uint32_t) == sizeof(unsigned), "number fields");
/* The words stand in the order of the enums. */
_Static_assert(POLICY_REQUIRE == 0 && POLICY_PREFER == 1 && POLICY_OFF == 2, "words");
_Static_assert(PROXY_PREFIX_OFF == 0 && PROXY_PREFIX_OPTIONAL == 1 && PROXY_PREFIX_REQUIRE == 2,
	       "words");
_Static_assert(XFF_APPEND == 0 && XFF_REPLACE == 1 && XFF_IF_NONE == 2 && XFF_NEVER == 3, "words");
_Static_assert(LOG_ERROR == 0 && LOG_WARN == 1 && LOG_INFO == 2 && LOG_DEBUG == 3, "words");
	{.name = "user",
	 .kind = OPTION_PATH,
	 IN_CONF(user),
	 .without = "stays who it is",
	 .arg = "NAME[:GROUP]",
	 .max = 64,
	 .help = "user that kedge becomes once everything is open"},
	{.name = "seccomp",
	 .kind = OPTION_WORD,
	 IN_CONF(seccomp),
	 .text = "enforce",
	 .words = {"off", "log", "errno", "enforce"},
	 .help = "a system call that kedge does not make: allowed, allowed and logged by the "
		 "kernel, "
		 "refused, or the end of kedge"},
_Static_assert(SECCOMP_OFF == 0 && SECCOMP_LOG == 1 && SECCOMP_ERRNO == 2 && SECCOMP_ENFORCE == 3,
	       "words");
