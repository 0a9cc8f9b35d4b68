/* SPDX-License-Identifier: BSD-2-Clause */
/* The request of a check. See check_request.h. */
#include "app/check_request.h"

#include <stdio.h>
#include <string.h>

#include "http/proxy_write.h"

/* A unix socket has no name that a server would know. */
static const char *host_of(const struct conf_app *app, const struct conf_server *server)
{
	if (app->check_host)
		return app->check_host;
	return server->addr.family == AF_UNIX ? "localhost" : server->name;
}

/* The connection is kedge's own: no client is behind it. Returns the header's length. */
static size_t put_header(uint8_t buf[PROXY_V1_BYTES_MAX], const struct conf_app *app)
{
	const struct proxy_facts facts = {.local = true,
					  .crc32c = app->proxy_tlvs & SEND_TLV_CRC32C};
	ssize_t n = 0;

	if (app->send_proxy == SEND_PROXY_V1)
		n = proxy_write_v1(buf, PROXY_V1_BYTES_MAX, &facts);
	else if (app->send_proxy == SEND_PROXY_V2)
		n = proxy_write_v2(buf, PROXY_V1_BYTES_MAX, &facts);
	return n > 0 ? (size_t)n : 0;
}

/* The request behind `blanks` blanks; as asprintf(3). */
static int write_request(char **text, size_t blanks, const struct conf_app *app,
			 const struct conf_server *server)
{
	if (app->check == CHECK_TCP)
		return asprintf(text, "%*s", (int)blanks, "");
	return asprintf(text,
			"%*sGET %s HTTP/1.1\r\n"
			"Host: %s\r\n"
			"User-Agent: kedge/" KEDGE_VERSION " check\r\n"
			"Connection: close\r\n"
			"\r\n",
			(int)blanks, "", app->check_path, host_of(app, server));
}

char *check_request(size_t *len, const struct conf_app *app, const struct conf_server *server)
{
	uint8_t header[PROXY_V1_BYTES_MAX];
	const size_t header_len = put_header(header, app);
	char *text;
	int n = write_request(&text, header_len, app, server);

	if (n < 0)
		return NULL;
	memcpy(text, header, header_len); /* over the blanks */
	*len = (size_t)n;
	return text;
}
