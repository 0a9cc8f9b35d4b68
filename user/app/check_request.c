/* SPDX-License-Identifier: BSD-2-Clause */
/* The request of a check. See check_request.h. */
#include "app/check_request.h"

#include <stdio.h>

/* A unix socket has no name that a server would know. */
static const char *host_of(const struct conf_app *app, const struct conf_server *server)
{
	if (app->check_host)
		return app->check_host;
	return server->addr.family == AF_UNIX ? "localhost" : server->name;
}

char *check_request(size_t *len, const struct conf_app *app, const struct conf_server *server)
{
	char *text;
	int n = asprintf(&text,
			 "GET %s HTTP/1.1\r\n"
			 "Host: %s\r\n"
			 "User-Agent: kedge/" KEDGE_VERSION " check\r\n"
			 "Connection: close\r\n"
			 "\r\n",
			 app->check_path, host_of(app, server));

	if (n < 0)
		return NULL;
	*len = (size_t)n;
	return text;
}
