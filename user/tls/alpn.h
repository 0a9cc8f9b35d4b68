/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: lists of protocols (ALPN, RFC 7301), and the one that server and client share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

/* In wire form (RFC 7301 section 3.1), the most preferred first. */
struct alpn_list {
	uint8_t *wire; /* owned */
	size_t len;    /* 0: ALPN is not answered */
};

/* Of these names; if there are none, those that the mode has by itself. 0 or -ENOMEM. */
int alpn_list_make(struct alpn_list *out, const struct conf_names *names, enum conf_mode mode);
void alpn_list_clear(struct alpn_list *list);

/*
 * The first of ours that the client offers. `theirs` is in wire form and not empty. False: none.
 * *out is in ours.
 */
bool alpn_select(const struct alpn_list *ours, const uint8_t *theirs, size_t theirs_len,
		 const uint8_t **out, uint8_t *out_len);
