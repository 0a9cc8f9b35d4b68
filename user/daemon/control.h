/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the daemon's end of the control socket. A client sends one line (a command); the
 * daemon answers with one JSON object and closes. control_ask.h is the client's end.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

/* Where it is, unless the configuration says otherwise. */
#define CONTROL_PATH "/run/kedge/kedge.sock"

/* Largest command line, newline included: it may name an application and a server. */
#define CONTROL_LINE_MAX 1024

/*
 * Listens on a unix socket at `path`, mode 0600; its directory is made. A socket left by a dead
 * daemon is replaced. The descriptor (non-blocking) or -errno; -EADDRINUSE: another process
 * listens there; -ENOTSOCK: the path names another file.
 */
int control_listen(const char *path);

/*
 * Makes another user the owner of the socket, and of its directory if that holds nothing else. So
 * kedge can remove the socket after it has become that user. 0 or -errno.
 */
int control_give(const char *path, uid_t uid, gid_t gid);

/*
 * Accepts a client, and others that come meanwhile, and answers each: `answer` gets the command and
 * returns a new reference (NULL: unknown command). A silent client does not hold up the others; a
 * client whose line is not complete within a second is dropped. 0, or -errno if a client could not
 * be accepted (no descriptor, no memory). It still waits then: call again later, not at once.
 */
int control_serve(int fd, json_t *(*answer)(const char *command, void *arg), void *arg);

/*
 * The client's end, see control_ask.h: connects, within so many milliseconds. The descriptor or
 * -errno; 0 ms: -EAGAIN if it would take time.
 */
int control_dial(const char *path, unsigned wait_ms);
