/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens the listening sockets of a configuration. See sockets.h. */
#include "listen/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "listen/bind.h"

static void closep(struct sockets **s)
{
	sockets_close(*s);
}

static int open_one(struct sockets *s, const struct conf_listener *conf, size_t listener,
		    struct activation *passed)
{
	static const char *const proxy[] = {"off", "optional", "require"};
	int *fds = &s->fd[listener * s->workers];
	int found = activation_find(passed, fds, s->workers, conf);
	char bound[ADDR_TEXT_MAX];
	int err;

	if (found < 0)
		return found;
	err = found ? 0 : bind_shared(fds, s->workers, conf, bound);
	if (!err)
		log_info("listener %s: listening on %s (tls %s, proxy-protocol %s%s)%s", conf->name,
			 found ? conf->name : bound, conf->tls ? "on" : "off", proxy[conf->proxy],
			 conf->mode == MODE_TCP ? ", mode tcp" : "",
			 found ? ", passed by the service manager" : "");
	return err;
}

int sockets_open(struct sockets **out, const struct conf *conf, const int *from,
		 struct activation *passed)
{
	size_t count = conf->listeners_count * conf->workers;
	_cleanup_(closep)
	struct sockets *s = malloc(sizeof(*s) + count * sizeof(s->fd[0]));
	int err = 0;

	if (!s)
		return log_err(ENOMEM, "listeners");
	s->listeners = conf->listeners_count;
	s->workers = conf->workers;
	for (size_t i = 0; i < count; i++)
		s->fd[i] = -1;
	for (size_t i = 0; !err && i < s->listeners; i++)
		if (!from || from[i] < 0)
			err = open_one(s, &conf->listeners[i], i, passed);
	if (err)
		return err;
	*out = take_ptr(s);
	return 0;
}

int sockets_take(struct sockets *s, size_t listener, size_t worker)
{
	return take_fd(s->fd[listener * s->workers + worker]);
}

void sockets_close(struct sockets *s)
{
	for (size_t i = 0; s && i < s->listeners * s->workers; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	free(s);
}
