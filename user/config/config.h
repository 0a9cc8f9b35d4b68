/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the configuration. config_load() makes it from a YAML file and from flags. Every key
 * of the file is a flag of the same name, and the other way round. Immutable once loaded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/host_name.h"
#include "confine/confine.h"
#include "base/log.h"
#include "base/tcp_alive.h"

enum policy { POLICY_REQUIRE, POLICY_PREFER, POLICY_OFF };
/* Bounds the search for two listeners with one address. */
#define CONFIG_LISTENERS_MAX 256

/* Each is compared with all that a client offers. */
#define CONFIG_ALPN_MAX    16
#define CONFIG_ROUTES_MAX  256 /* of a listener */
#define CONFIG_APPS_MAX    64  /* in `apps` */
#define CONFIG_SERVERS_MAX 64  /* of an application */

/* "NAME:PORT" or an address */
#define CONFIG_SERVER_NAME_SIZE (HOST_NAME_BYTES_MAX + 8)

/* The protocol of a listener's clients, inside TLS if there is TLS. */
enum conf_mode { MODE_HTTP, MODE_TCP };

/* Whose requests one connection to the application serves. */
enum conf_app_reuse {
	APP_REUSE_OFF,    /* one connection of a client, for its life */
	APP_REUSE_CLIENT, /* the same, but it may have several, one after the other */
	APP_REUSE_SHARED, /* all clients, one after the other */
};

/* The PROXY header that tells the application its client. */
enum conf_send_proxy { SEND_PROXY_OFF, SEND_PROXY_V1, SEND_PROXY_V2 };
/* What it says beside the addresses: bits of proxy_tlvs, in the order of the option's words. */
enum {
	SEND_TLV_AUTHORITY = 1 << 0,
	SEND_TLV_ALPN = 1 << 1,
	SEND_TLV_SSL = 1 << 2,
	SEND_TLV_UNIQUE_ID = 1 << 3,
	SEND_TLV_CRC32C = 1 << 4,
	SEND_TLV_PASS = 1 << 5, /* those of the client's own prefix */
};
enum conf_proxy { PROXY_PREFIX_OFF, PROXY_PREFIX_OPTIONAL, PROXY_PREFIX_REQUIRE };
enum access_format { ACCESS_FORMAT_COMMON, ACCESS_FORMAT_COMBINED, ACCESS_FORMAT_JSON };
/* Which TLS versions and cipher suites are offered; docs/configuration.md has the table. */
enum conf_tls_policy { TLS_POLICY_INTERMEDIATE, TLS_POLICY_MODERN, TLS_POLICY_HIGH };
enum conf_xff { XFF_APPEND, XFF_REPLACE, XFF_IF_NONE, XFF_NEVER };
/*
 * Where the guard's program runs: in the driver (native), before the stack (generic), or in the
 * first of the two that works (auto).
 */
enum guard_mode { GUARD_OFF, GUARD_AUTO, GUARD_NATIVE, GUARD_GENERIC };

struct conf_cert {
	char *cert; /* PEM file, chain included */
	char *key;  /* PEM file */
	char *ocsp; /* DER file with the response to staple; NULL: none */
};

struct conf_cidrs {
	struct cidr *set;
	size_t count;
};

struct conf_names {
	char **set;
	size_t count;
};

/* The guard in front of the listeners. See guard.h and docs/guard.md. */
struct conf_guard {
	enum guard_mode mode;
	struct conf_names interfaces; /* or "all-listeners", resolved at startup */
	uint32_t priority;            /* among the XDP programs of an interface: low runs first */
	bool keep;                    /* it stays when kedge exits */
	bool observe;
	uint32_t source_rate, source_burst; /* new connections/s; 0: no limit */
	uint32_t total_rate, total_burst;
	uint32_t source_bits_v4, source_bits_v6; /* one source is a prefix of this length */
	bool cookies;                            /* guard-over: cookie */
	bool follow;                             /* guard-fragments: follow */
};

/* How kedge asks whether a server is up. */
enum conf_check { CHECK_OFF, CHECK_TCP, CHECK_HTTP };

struct conf_server {
	union addr addr; /* AF_UNSPEC: a name that has not been resolved yet */
	char *host;      /* its name, see app/resolve.h; NULL: it is an address */
	uint16_t port;   /* with host; host order */
	bool backup;     /* used when no other is up */
	char name[CONFIG_SERVER_NAME_SIZE]; /* as it was written, for messages and commands */
};

struct conf_servers {
	struct conf_server *set;
	size_t count;
};

/* Both inclusive. */
struct conf_range {
	uint16_t from, to;
};

/* One application: equal servers that do the same. */
struct conf_app {
	/* Of its entry in `apps`; otherwise the name of its first server. */
	char name[CONFIG_SERVER_NAME_SIZE];
	bool named;                  /* it has an entry */
	bool mode_given;             /* in that entry */
	enum conf_mode mode;         /* then */
	struct conf_servers servers; /* at least 1; backups are the last ones */
	enum conf_check check;
	char *check_path, *check_host; /* CHECK_HTTP; host NULL: the name of the server */
	struct conf_range check_status;
	uint32_t check_every_ms, check_timeout_ms, check_rise, check_fall;
	uint32_t server_connections_max; /* of each server, in all workers; 0: no limit */
	uint32_t queue_max;              /* connections that wait for a server, in all workers */
	uint32_t queue_timeout_ms;
	uint32_t resolve_ms;       /* 0: at startup and in a reload only */
	uint32_t connect_retry_ms; /* 0: once */
	enum conf_app_reuse app_reuse;
	enum conf_send_proxy send_proxy;
	unsigned proxy_tlvs; /* SEND_TLV_*; 0 unless version 2 */
};

/* What clients of some names get at a listener, instead of what it has itself. */
struct conf_route {
	struct conf_names names;    /* lower case, without a dot at the end; "*." is any label */
	struct conf_names app_text; /* `app` as it was written, see conf_listener */
	size_t app;                 /* index in conf.apps */
	enum conf_mode mode;        /* of its application; if that says none, of the listener */
	struct conf_names alpn;     /* only for clients that offer one of these; empty: for all */
	struct conf_cert *certs;    /* none: those of the listener */
	size_t certs_count;
};

struct conf_listener {
	union addr addr;
	char name[ADDR_TEXT_MAX]; /* for messages */
	bool both_families;       /* an IPv6 socket that also accepts IPv4 */
	bool tls;
	enum conf_mode mode;        /* of its application, if that says one */
	struct conf_names app_text; /* `app` as it was written: a name, or servers */
	size_t app;                 /* index in conf.apps */
	struct conf_names alpn;     /* in order of preference; empty: what the mode has by itself */
	enum conf_proxy proxy;
	struct conf_cidrs trust; /* who may send a PROXY prefix; empty: anyone */
	struct conf_cert *certs; /* its own or the common ones; none without tls */
	size_t certs_count;
	struct conf_route *routes; /* by name; none without tls */
	size_t routes_count;
	bool self_signed;         /* kedge makes the certificate; no file is given */
	bool strict_sni;          /* a name without a certificate, or none, is refused */
	bool splice;              /* bodies of known length do not pass through memory */
	uint32_t connections_max; /* of this listener; 0: no limit of its own */
	unsigned socket_mode;     /* of the file of a unix socket */
};

struct conf {
	char *file;      /* what -c named, for messages; NULL: flags only */
	bool from_stdin; /* it is no file */
	struct conf_listener *listeners;
	size_t listeners_count;
	struct conf_app *apps; /* those of `apps` first */
	size_t apps_count;
	unsigned workers; /* resolved: at least 1, at most KEDGE_WORKERS_MAX */
	enum policy record, edit, bypass, peername;
	char *app_cgroup; /* the application's, for peername; NULL: the root of the hierarchy */
	char *cgroup;     /* cgroup v2 directory for the sockops program; NULL: kedge's own */
	struct conf_guard guard;
	char *pin;     /* directory on a bpffs for maps; NULL: nothing is pinned ("off") */
	char *control; /* path of the control socket; NULL: none ("off") */
	enum conf_xff xff;
	struct conf_cidrs xff_trust; /* whose incoming forwarding fields are kept */
	bool forwarding_keep;        /* forwarding-fields: keep */
	bool x_forwarded_proto, x_forwarded_port, x_real_ip, forwarded;
	bool aliases_remove; /* forwarding-aliases: remove */
	bool h2c_remove;     /* h2c: remove */
	bool tls13_only;     /* tls-min: 1.3 */
	enum conf_tls_policy tls_policy;
	char *ticket_keys; /* file, see tls_ticket.h; NULL: one key at random */
	uint32_t prefix_timeout_ms, handshake_timeout_ms, connect_timeout_ms, head_timeout_ms;
	uint32_t idle_timeout_ms, linger_timeout_ms, drain_timeout_ms;
	uint32_t shutdown_delay_ms; /* from the signal to the drain */
	struct tcp_alive tcp_alive; /* of both legs */
	bool connect_early;         /* during the handshake */
	uint32_t app_idle_timeout_ms;
	uint32_t connections_max;                         /* in all workers */
	uint32_t address_connections_max, handshakes_max; /* 0: no limit */
	uint32_t head_bytes_max;
	uint32_t body_rate_min, response_rate_min; /* bytes/s; 0: no limit */
	uint32_t rate_grace_ms;
	uint32_t response_timeout_ms; /* 0: no limit but idle_timeout_ms */
	char *user; /* NAME or NAME:GROUP that kedge switches to; NULL: no switch */
	enum seccomp_mode seccomp;
	enum log_level log_level;
	unsigned log_json; /* log-format: 0 text, 1 json */
	char *access_log;  /* "stdout", "journal" or a path; NULL: none ("off") */
	enum access_format access_log_format;
	union addr metrics; /* where metrics are served; AF_UNSPEC: off */
};

/* Free what these own, not the struct, and leave it empty. */
void conf_names_clear(struct conf_names *names);
void conf_servers_clear(struct conf_servers *servers);
void conf_app_clear(struct conf_app *app);
void conf_certs_clear(struct conf_cert **certs, size_t *count);
void conf_route_clear(struct conf_route *r);
void conf_listener_clear_routes(struct conf_listener *l);
void conf_listener_clear(struct conf_listener *l);
void conf_listener_clear_certs(struct conf_listener *l);

/* Is every server of this application on a unix socket? And of all applications? */
bool conf_app_all_unix(const struct conf_app *app);
bool conf_all_unix(const struct conf *conf);

/* "application 127.0.0.1:3000", "application web (3 servers)", "4 applications" */
#define CONF_APPS_TEXT (CONFIG_SERVER_NAME_SIZE + 40)
void conf_apps_text(char buf[CONF_APPS_TEXT], const struct conf *conf);

/* NULL is fine. */
void config_free(struct conf *conf);

static inline void conf_freep(struct conf **conf)
{
	config_free(*conf);
}
