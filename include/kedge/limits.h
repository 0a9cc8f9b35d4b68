/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: every bound that the BPF programs and the daemon share, each with its reason. Bounds
 * of the daemon alone are in user/.
 */
#pragma once

/* The kernel keeps 15 characters of a map's or program's name: all ours begin with kdg_. */

/* Workers. Each has a cache-line-aligned row of kdg_stats that only its thread writes. */
#define KEDGE_WORKERS_MAX 64

/* A request line; nginx and Apache answer 414 above 8 KiB. */
#define KEDGE_LINE_BYTES_MAX      8192
/*
 * A head (request line, fields, blank line): the default of head-bytes-max, its least and its
 * largest value. Node accepts 16 KiB; nginx and Apache accept more if configured to.
 */
#define KEDGE_HEAD_BYTES_DEFAULT  32768
#define KEDGE_HEAD_BYTES_LEAST    KEDGE_LINE_BYTES_MAX
#define KEDGE_HEAD_BYTES_MAX      65536
/* Fields in one head; Apache and Go stop at about 100. */
#define KEDGE_FIELDS_MAX          128
/* Method token; the longest registered one has 17 letters. */
#define KEDGE_METHOD_BYTES_MAX    24
/* A chunk extension. Nobody uses them, but every server must skip them. */
#define KEDGE_CHUNK_EXT_BYTES_MAX 256
/* Values of incoming X-Forwarded-For kept for one head: some 30 IPv4 hops. Above: 431. */
#define KEDGE_XFF_BYTES_MAX       512

/*
 * Bytes that the daemon gives to one send() on an app leg that BPF edits. Small, so that a send is
 * never partial: otherwise the editor would be ahead of the wire. SO_SNDBUF is large for the same
 * reason.
 */
#define KEDGE_SEND_BYTES_MAX 16384
/* The same for bytes that are all of one body: they do not grow, and the program reads none. */
#define KEDGE_BODY_BYTES_MAX (48 * 1024)

/* "A / HTTP/1.0" CR LF CR LF: the shortest request that is passed on. */
#define KEDGE_REQUEST_BYTES_MIN 16
/* Heads that may end in one send. The first may have begun in an earlier send. */
#define KEDGE_SEND_HEADS_MAX    (KEDGE_SEND_BYTES_MAX / KEDGE_REQUEST_BYTES_MIN + 1)

/*
 * Requests with outstanding responses are a ring of bits in struct kedge_note. The daemon sends no
 * more while more than KEDGE_PIPELINE_MAX responses are outstanding, so the ring cannot lap.
 */
#define KEDGE_PIPELINE_MAX 64
#define KEDGE_NOTE_RING    2048

#ifdef KEDGE_SHRUNK /* fuzzers: a file with smaller limits */
#include KEDGE_SHRUNK
#endif

_Static_assert(KEDGE_PIPELINE_MAX + KEDGE_SEND_HEADS_MAX <= KEDGE_NOTE_RING, "it cannot lap");
