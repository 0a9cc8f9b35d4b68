/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: both ends of the control socket. A client sends one line (a command); the daemon
 * answers with one JSON object and closes.
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
 * daemon is replaced. The descriptor (non-blocking) or -errno; -EADDRINUSE: another kedge answers
 * there; -ENOTSOCK: the path names another file.
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

/* The client's end: a new reference, or NULL after a logged line. */
json_t *control_ask(const char *path, const char *command);

/*
 * The same without the line: on NULL, `why` has it. Waits for so long for an answer, or until a
 * signal comes.
 */
#define CONTROL_WHY 512
json_t *control_try(const char *path, const char *command, unsigned ms, char why[CONTROL_WHY]);

/* As long as control_ask() waits: a reload reads files. */
#define CONTROL_ANSWER_MS 30000
