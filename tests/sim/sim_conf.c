/* SPDX-License-Identifier: BSD-2-Clause */
/* Configurations: listeners of all kinds, short and long times, tight and loose limits. */
#include "sim_conf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_world.h"
#include "world.h"

#define LISTENERS_MAX 4
#define KINDS         8
#define KINDS_HTTP    5 /* the first ones */

static uint32_t one_of(const uint32_t *from, uint32_t n)
{
	return from[dice(n)];
}

#define ONE_OF(...)                                              \
	({                                                       \
		static const uint32_t from_[] = {__VA_ARGS__};   \
		one_of(from_, sizeof(from_) / sizeof(from_[0])); \
	})

static void set_times(struct conf *c)
{
	c->prefix_timeout_ms = ONE_OF(5000, 500, 3000);
	c->handshake_timeout_ms = ONE_OF(10000, 1000, 4000);
	c->connect_timeout_ms = ONE_OF(5000, 300, 2000);
	c->head_timeout_ms = ONE_OF(10000, 1000, 3000);
	c->idle_timeout_ms = ONE_OF(60000, 2000, 15000);
	c->app_idle_timeout_ms = sim_mood.shared ? ONE_OF(4000, 10000, 500, 20, 1500)
						 : ONE_OF(4000, 500, 100, 20, 1500);
	c->linger_timeout_ms = ONE_OF(5000, 300, 2000);
	c->drain_timeout_ms = ONE_OF(30000, 1000, 5000);
	c->rate_grace_ms = ONE_OF(10000, 1000, 3000);
	c->response_timeout_ms = ONE_OF(0, 3000, 20000);
	c->body_rate_min = ONE_OF(0, 500, 5000);
	c->response_rate_min = ONE_OF(0, 500, 20000);
}

static void set_limits(struct conf *c)
{
	c->connections_max = sim_mood.kept ? 1000 : ONE_OF(1000, 1000, 5);
	c->address_connections_max = sim_mood.kept ? 0 : ONE_OF(0, 2, 3);
	c->handshakes_max = sim_mood.kept ? 0 : ONE_OF(0, 0, 2);
	c->head_bytes_max =
		ONE_OF(KEDGE_HEAD_BYTES_DEFAULT, KEDGE_HEAD_BYTES_LEAST, KEDGE_HEAD_BYTES_MAX);
	c->connect_early = dice_rare(2);
	c->workers = 1;
}

static void set_edit(struct conf *c)
{
	c->xff = (enum conf_xff)(dice_rare(3) ? dice(4) : XFF_APPEND);
	c->forwarding_keep = dice_rare(4);
	c->x_forwarded_proto = dice_rare(2);
	c->x_forwarded_port = dice_rare(3);
	c->x_real_ip = dice_rare(3);
	c->forwarded = dice_rare(3);
	c->aliases_remove = dice_rare(3);
	c->h2c_remove = dice_rare(3);
}

static void set_cert(struct conf_listener *l)
{
	l->tls = true;
	l->certs = calloc(1, sizeof(*l->certs));
	l->certs_count = 1;
	l->certs->cert = strdup(tls_world_cert());
	l->certs->key = strdup(tls_world_key());
}

/* Clients of 192.0.2.0/25 may send a prefix. */
static void set_trust(struct conf_listener *l)
{
	const char *why;

	l->trust.set = calloc(1, sizeof(*l->trust.set));
	l->trust.count = 1;
	if (cidr_parse(l->trust.set, dice_rare(2) ? "192.0.2.0/24" : "192.0.2.0/29", &why) < 0)
		world_fail("%s", why);
}

/* A listener that goes and comes again is of the same kind: clients know it. */
static unsigned kind_of[LISTENERS_MAX];

static void set_listener(struct conf_listener *l, unsigned i)
{
	static const struct {
		bool tls;
		enum conf_mode mode;
		enum conf_proxy proxy;
	} kinds[KINDS] = {
		/* those of mode tcp last */
		{false, MODE_HTTP, PROXY_PREFIX_OFF},      {true, MODE_HTTP, PROXY_PREFIX_OFF},
		{false, MODE_HTTP, PROXY_PREFIX_OPTIONAL}, {false, MODE_HTTP, PROXY_PREFIX_REQUIRE},
		{true, MODE_HTTP, PROXY_PREFIX_REQUIRE},   {false, MODE_TCP, PROXY_PREFIX_OFF},
		{true, MODE_TCP, PROXY_PREFIX_OFF},        {false, MODE_TCP, PROXY_PREFIX_REQUIRE},
	};
	unsigned kind = kind_of[i];

	l->addr.in = (struct sockaddr_in){.sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(0xc0000250),
					  .sin_port = htons((uint16_t)(8000 + i))};
	snprintf(l->name, sizeof(l->name), "192.0.2.80:%u", 8000 + i);
	l->mode = kinds[kind].mode;
	l->proxy = kinds[kind].proxy;
	if (kinds[kind].tls)
		set_cert(l);
	if (l->proxy != PROXY_PREFIX_OFF && dice_rare(3))
		set_trust(l);
	if (!sim_mood.kept && dice_rare(6))
		l->connections_max = 3;
}

/* The same kind of listener, as a reload would keep it. */
static void copy_listener(struct conf_listener *l, const struct conf_listener *from)
{
	*l = *from;
	l->certs = NULL;
	l->trust.set = NULL;
	if (from->tls)
		set_cert(l);
	if (!from->trust.count)
		return;
	l->trust.set = calloc(from->trust.count, sizeof(*l->trust.set));
	memcpy(l->trust.set, from->trust.set, from->trust.count * sizeof(*l->trust.set));
}

#define SERVERS_MAX 4

/* The same application through all reloads; some of its servers come and go. */
static void set_app(struct conf *c)
{
	struct conf_app *app = calloc(1, sizeof(*app));
	unsigned n = 1 + dice(sim_mood.shared && dice(2) ? 1 : SERVERS_MAX);

	app->servers.set = calloc(n, sizeof(*app->servers.set));
	app->servers.count = n;
	for (unsigned i = 0; i < n; i++) {
		struct conf_server *s = &app->servers.set[i];

		s->addr.in = (struct sockaddr_in){.sin_family = AF_INET,
						  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
						  .sin_port = htons((uint16_t)(3000 + i))};
		addr_format(s->name, &s->addr);
		s->backup = i && i + 1 == n && dice_rare(2);
	}
	strcpy(app->name, "web");
	app->named = true;
	app->server_connections_max = sim_mood.shared ? ONE_OF(0, 0, 0, 1, 3, 2)
				      : sim_mood.kept ? 0
						      : ONE_OF(0, 0, 0, 1, 3);
	sim_mood.limited |= app->server_connections_max;
	app->app_reuse = dice_rare(sim_mood.kept ? 12 : 4) ? APP_REUSE_OFF : APP_REUSE_CLIENT;
	if (sim_mood.shared && !dice_rare(8))
		app->app_reuse = APP_REUSE_SHARED;
	app->queue_max = ONE_OF(100, 2, 0);
	app->queue_timeout_ms = ONE_OF(5000, 300);
	app->connect_retry_ms = ONE_OF(0, 0, 200, 2000);
	if (app->app_reuse != APP_REUSE_SHARED && dice_rare(4)) {
		app->send_proxy = dice(2) ? SEND_PROXY_V1 : SEND_PROXY_V2;
		app->proxy_tlvs = app->send_proxy == SEND_PROXY_V2 ? dice(64) : 0;
	}
	c->apps = app;
	c->apps_count = 1;
}

/* In mode tcp, nothing is shared. */
static unsigned any_kind(void)
{
	return dice(sim_mood.shared ? KINDS_HTTP : KINDS);
}

struct conf *sim_conf_make(const struct conf *before)
{
	struct conf *c = calloc(1, sizeof(*c));
	unsigned n = 1 + dice(LISTENERS_MAX);

	for (unsigned i = 0; !before && i < LISTENERS_MAX; i++)
		kind_of[i] = any_kind();
	set_times(c);
	set_limits(c);
	set_edit(c);
	c->record = POLICY_PREFER;
	set_app(c);
	c->listeners = calloc(n, sizeof(*c->listeners));
	c->listeners_count = n;
	for (unsigned i = 0; i < n; i++) {
		if (before && i < before->listeners_count)
			copy_listener(&c->listeners[i], &before->listeners[i]);
		else
			set_listener(&c->listeners[i], i);
	}
	return c;
}
