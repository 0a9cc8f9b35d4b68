/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what a response's head says about its body and its connection (RFC 9112, sections 4, 6
 * and 9.3). Pure: lines in, facts out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "HTTP/1.1 200": the part of a status line that is read. */
#define RESPONSE_STATUS_LEN 12

/* All zero is a new head. */
struct response_head {
	uint64_t length;       /* Content-Length, if has_length */
	uint16_t keep_alive_s; /* Keep-Alive: timeout, the shortest; 0: not said, or not readable */
	bool has_length, chunked;
	bool coded;         /* Transfer-Encoding was there, chunked or not */
	bool close, keep;   /* Connection lists these */
	bool folds_badly;   /* the line before must not continue on this one */
	bool of_connection; /* the line before was a Connection line */
	bool doubtful;      /* another reader may find other fields, or another end */
};

/*
 * The status of line[0..len), the first bytes of a status line: 1 while there are fewer than
 * RESPONSE_STATUS_LEN. 0 if no status line begins like this.
 */
unsigned response_head_status(const char *line, size_t len);

/*
 * Reads one field line, without its CRLF. `is_cut`: the line was longer, and this is its beginning.
 * False if the head then does not say reliably where the body ends.
 */
bool response_head_field(struct response_head *h, const char *line, size_t len, bool is_cut);

/*
 * Of a whole head: is it in doubt whether everybody finds the same end, whether another response
 * may follow, or whether the application has read the request as kedge did? See response_clean().
 */
bool response_head_in_doubt(const struct response_head *h, unsigned status);
