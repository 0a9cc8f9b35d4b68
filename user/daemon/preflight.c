/* SPDX-License-Identifier: BSD-2-Clause */
/* Mistakes that only files show. See preflight.h. */
#include "daemon/preflight.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/access_sink.h"
#include "base/log.h"
#include "tls/certs_check.h"

/* False also if nothing is known: whoever needs the path says why. */
static bool is_there(const char *path, struct stat *st)
{
	return stat(path, st) == 0;
}

static int check_control(const char *path)
{
	struct stat st;

	if (is_there(path, &st) && !S_ISSOCK(st.st_mode)) {
		log_error("control socket %s: there is a %s, which kedge does not replace (set "
			  "--control PATH or off)",
			  path, S_ISDIR(st.st_mode) ? "directory" : "file that is no socket");
		return -EINVAL;
	}
	return 0;
}

static int check_access_log(const char *path)
{
	struct stat st;

	if (!strcmp(path, ACCESS_TO_STDOUT) || !strcmp(path, ACCESS_TO_JOURNAL))
		return 0;
	if (is_there(path, &st) && S_ISDIR(st.st_mode)) {
		log_error("access log %s: there is a directory: name a file in it", path);
		return -EINVAL;
	}
	return 0;
}

static int check_listener(const struct conf *conf, const struct conf_listener *l)
{
	const char *path = addr_is_path(&l->addr) ? l->addr.un.sun_path : NULL;
	struct stat st;

	if (addr_port(&l->addr) && addr_equal(&l->addr, &conf->metrics)) {
		log_error("listener %s: the same address as metrics", l->name);
		return -EINVAL;
	}
	if (!path)
		return 0;
	if (conf->control && !strcmp(path, conf->control)) {
		log_error("listener %s: the same path as the control socket", l->name);
		return -EINVAL;
	}
	if (is_there(path, &st) && !S_ISSOCK(st.st_mode)) {
		log_error("listener %s: there is a %s, which kedge does not replace", l->name,
			  S_ISDIR(st.st_mode) ? "directory" : "file that is no socket");
		return -EINVAL;
	}
	return 0;
}

int preflight_places(const struct conf *conf)
{
	int control = conf->control ? check_control(conf->control) : 0;
	int err = conf->access_log ? check_access_log(conf->access_log) : 0;

	for (size_t i = 0; i < conf->listeners_count; i++) {
		int of_one = check_listener(conf, &conf->listeners[i]);

		err = err ? err : of_one;
	}
	return control ? control : err;
}

bool preflight_is_mistake(int err)
{
	return err && err != -ENOENT && err != -EAGAIN && err != -ENOMEM;
}

int preflight_certs(const struct conf *conf)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return log_err(errno, "certificates: cannot be checked: no process"), -EAGAIN;
	if (!child) {
		/* Those that are loaded are warned of later. */
		if (log_level() > LOG_LEVEL_ERROR)
			log_set_level(LOG_LEVEL_ERROR);
		_exit(-certs_check(conf, false));
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return log_err(errno, "certificates: cannot be checked"), -EAGAIN;
	if (WIFEXITED(status))
		return -WEXITSTATUS(status);
	log_error("certificates: cannot be checked: the process that reads them was ended by "
		  "signal %d",
		  WTERMSIG(status));
	return -EAGAIN;
}
