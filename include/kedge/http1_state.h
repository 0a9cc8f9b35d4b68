/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * both sides: the state of the HTTP/1.1 boundary automaton, and its configuration. Types only; the
 * automaton is http1.h. Both structs are part of the values of the pinned map kdg_flow.
 */
#pragma once

#include <linux/types.h>

#include "limits.h"

/* What happens to X-Forwarded-For lines of the client. */
enum http1_mode {
	HTTP1_XFF_APPEND,  /* one line: the client's values, then ours */
	HTTP1_XFF_REPLACE, /* one line: ours */
	HTTP1_XFF_IF_NONE, /* one line: the client's values, or ours if there are none */
	HTTP1_XFF_NEVER,   /* lines go on unchanged, ours is not added */
};

/* Bits of http1_conf.flags. */
#define HTTP1_DROP_INCOMING 0x001 /* the source is not trusted: its values are ignored */
#define HTTP1_SET_PROTO     0x002 /* the text has X-Forwarded-Proto: cut lines of that name */
#define HTTP1_SET_PORT      0x004 /* the same for X-Forwarded-Port */
#define HTTP1_CUT_ALIASES   0x008 /* cut lines that a server may take for ours; else refuse them */
/* cut "Upgrade: h2c", HTTP2-Settings, and both names from Connection; else refuse them */
#define HTTP1_CUT_H2C       0x010
#define HTTP1_STRIP         0x020 /* cut all forwarding fields but X-Forwarded-For */
#define HTTP1_SET_REAL      0x040 /* the text has X-Real-IP: cut lines of that name */
#define HTTP1_SET_FORWARDED 0x080 /* the text has Forwarded: cut lines of that name */
/*
 * The source is trusted: its lines stay, and ours of the same name is left out. Except Forwarded,
 * which is a list: ours is added as the last one.
 */
#define HTTP1_TRUSTED       0x100

/* "X-Forwarded-For: " */
#define HTTP1_PREFIX_LEN 17
/* A line of each kind at its longest is 251 bytes. */
#define HTTP1_TEXT_MAX   256
/* Lines of the text that are left out if a trusted source has sent one of the same name. */
#define HTTP1_GAPS       3

/*
 * Constant for a flow; prepared by http1_conf_set() (user/http/xff.h). `text` is all that goes into
 * a head without incoming values: "X-Forwarded-For: ADDRESS\r\nForwarded: for=ADDRESS\r\n" ..., or
 * without its first line for HTTP1_XFF_NEVER, or empty. Not terminated.
 */
struct http1_conf {
	__u16 flags;   /* HTTP1_DROP_INCOMING ... */
	__u8 mode;     /* enum http1_mode */
	__u8 text_len; /* < HTTP1_TEXT_MAX */
	__u8 ours_len; /* length of ADDRESS, at text[HTTP1_PREFIX_LEN] */
	__u8 xff_len;  /* of the first line; 0 for HTTP1_XFF_NEVER */
	/*
	 * The places of X-Forwarded-Proto, X-Forwarded-Port and X-Real-IP in the text, in this
	 * order: line[i] up to line[i + 1]. Equal: there is no such line.
	 */
	__u8 line[HTTP1_GAPS + 1];
	__u8 pad[2];
	__u32 head_bytes_max; /* of a head, or of trailers; 0 would refuse all */
	__u8 text[HTTP1_TEXT_MAX];
};

/*
 * The states are in the order of a request, so that they can be compared by range: see
 * http1_standing().
 */
enum http1_state {
	HTTP1_START = 0, /* at a boundary */
	HTTP1_START_LF,  /* after the CR of an empty line before the request */
	HTTP1_START_REQ, /* after that line: no second one */
	HTTP1_METHOD,
	HTTP1_TARGET,     /* its first byte */
	HTTP1_SCHEME,     /* "http://", "https://": sub counts */
	HTTP1_AUTHORITY,  /* of an absolute-form target */
	HTTP1_PATH,       /* the rest of a target */
	HTTP1_TARGET_END, /* after "*": a space is due */
	HTTP1_VERSION,    /* "HTTP/1.x": sub counts */
	HTTP1_LINE_CR,    /* after the version */
	HTTP1_LINE_LF,
	HTTP1_FIELD,     /* at the start of a line of the head or the trailers */
	HTTP1_NAME,      /* inside a field name */
	HTTP1_VALUE,     /* a value that is not read */
	HTTP1_XFF,       /* a value that goes to the list */
	HTTP1_HOST,      /* sub: enum http1_host */
	HTTP1_LENGTH,    /* Content-Length; sub: 0 before, 1 in, 2 after the digits */
	HTTP1_CODING,    /* Transfer-Encoding; sub: bytes of "chunked" seen */
	HTTP1_OPTIONS,   /* Connection, perhaps held; sub: 1 a comma is due */
	HTTP1_PROTOCOLS, /* Upgrade */
	HTTP1_H2C,       /* Upgrade, held; sub: see http1_at_h2c() */
	HTTP1_VALUE_LF,  /* after the CR of a field line */
	HTTP1_END_LF,    /* after the CR of the blank line */
	HTTP1_BODY,      /* counted by Content-Length: left */
	HTTP1_SIZE,      /* of a chunk; len counts digits */
	HTTP1_EXTENSION, /* len counts */
	HTTP1_SIZE_LF,
	HTTP1_CHUNK, /* data: left */
	HTTP1_CHUNK_CR,
	HTTP1_CHUNK_LF,
	HTTP1_WAITING, /* an upgrade was asked for: no byte before http1_resume() */
	HTTP1_TUNNEL,  /* 101 was answered: bytes pass unread */
	HTTP1_REFUSED, /* see reason */
};

/* http1.hold */
enum http1_hold {
	HTTP1_LOOSE,     /* no run is held */
	HTTP1_HELD,      /* bytes are held that may turn out to be ordinary: http1_owed() */
	HTTP1_BEING_CUT, /* the held run will be taken out, whatever follows */
};

/* Bytes of a name or list member that are kept; also the undecided part of a held run. */
#define HTTP1_TOKEN_MAX     32
/*
 * "X-Cluster-Client-IP": the longest name of a line that is cut. Names with the prefix X-Forwarded-
 * may be longer; they are known by that prefix.
 */
#define HTTP1_CUT_NAME_MAX  19
/* Authority of an absolute-form target; longer ones are refused. */
#define HTTP1_AUTHORITY_MAX 256
/* "Connection: " and all options of a head, as they are put back; more are refused. */
#define HTTP1_OPTIONS_MAX   240

/*
 * All zero is a new flow. Everything except the buffers at the end is in the first 72 bytes. The
 * automaton owns every field. Drivers may read requests, reason and hold; for the rest they call
 * the functions of http1.h.
 */
struct http1 {
	__u8 state;     /* enum http1_state */
	__u8 reason;    /* enum kedge_reason, once HTTP1_REFUSED */
	__u8 hold;      /* enum http1_hold */
	__u8 sub;       /* place within the state */
	__u16 flags;    /* HTTP1_F_* in http1.h: facts about the present request */
	__u16 fields;   /* lines of this head or these trailers */
	__u32 head;     /* bytes of this head or these trailers, every byte counted */
	__u16 len;      /* bytes of the present token, as far as they matter */
	__u16 list_len; /* bytes in list */
	__u16 list_fit; /* of these, up to the last that is not white space */
	__u16 authority_len;
	__u32 requests;     /* heads completed since the flow began; wraps */
	__u64 left;         /* Content-Length, then bytes of body or chunk to come */
	__u16 options_len;  /* bytes of `options` that stay */
	__u16 options_line; /* of these, from earlier lines */
	__u16 option_len;   /* of the option being read, which follows them */
	__u16 pad;
	union {
		__u8 token[HTTP1_TOKEN_MAX]; /* as it came */
		__u64 word[HTTP1_TOKEN_MAX / 8];
	};
	__u8 list[KEDGE_XFF_BYTES_MAX];      /* incoming X-Forwarded-For values, joined by ", " */
	__u8 authority[HTTP1_AUTHORITY_MAX]; /* lower case */
	/*
	 * "Connection: ", options joined by ", ", at the end perhaps Upgrade, and CRLF. With room
	 * to read a word at any place.
	 */
	__u8 options[256 + 32];
};

_Static_assert(KEDGE_HEAD_BYTES_MAX <= 1 << 16,
	       "len counts the bytes of a name; head ends it in time");
_Static_assert(sizeof(struct http1_conf) == 272, "pinned layout");
#ifndef KEDGE_SHRUNK
_Static_assert(sizeof(struct http1) == 72 + 768 + 288, "pinned layout");
#endif
