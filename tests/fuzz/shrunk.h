/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzzers only: smaller limits, so that boundaries are met often, and several at once. The builds
 * with them are in build/fuzz-shrunk. include/kedge/limits.h includes this behind its own values.
 */
#pragma once

#undef KEDGE_LINE_BYTES_MAX
#define KEDGE_LINE_BYTES_MAX 160
#undef KEDGE_HEAD_BYTES_DEFAULT
#define KEDGE_HEAD_BYTES_DEFAULT 640
#undef KEDGE_HEAD_BYTES_MAX
#define KEDGE_HEAD_BYTES_MAX 2048
#undef KEDGE_FIELDS_MAX
#define KEDGE_FIELDS_MAX 48
#undef KEDGE_METHOD_BYTES_MAX
#define KEDGE_METHOD_BYTES_MAX 8
#undef KEDGE_CHUNK_EXT_BYTES_MAX
#define KEDGE_CHUNK_EXT_BYTES_MAX 16
#undef KEDGE_XFF_BYTES_MAX
#define KEDGE_XFF_BYTES_MAX 64

/* The ring has not one bit to spare: 3 + 960 / 16 + 1 = 64. */
#undef KEDGE_SEND_BYTES_MAX
#define KEDGE_SEND_BYTES_MAX 960
#undef KEDGE_PIPELINE_MAX
#define KEDGE_PIPELINE_MAX 3
#undef KEDGE_NOTE_RING
#define KEDGE_NOTE_RING 64

/* Those of user/. A call of the editor has room for hardly more than one head. */
#define HTTP1_EDIT_PIECES    41
#define HTTP1_EDIT_COPY      360
/* Room for a line that frames: "Transfer-Encoding: chunked". */
#define RESPONSE_LINE_KEPT   32
#define RESPONSE_INTERIM_MAX 2
