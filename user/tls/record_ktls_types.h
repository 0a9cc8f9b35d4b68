/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: a leg whose records the kernel carries, for the record_ktls files alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tls/control_record.h"
#include "tls/keys.h"
#include "tls/ktls.h"
#include "tls/pace.h"
#include "tls/record.h"

struct record_ktls {
	struct record r;
	int failed;         /* -errno that every read gives from now on, 0 while alive */
	bool ended;         /* the client's stream is over */
	bool alerted, shut; /* how far close_write got */
	bool raw;           /* no more records are read: see ktls_raw() */
	uint8_t answer[5];  /* a control record; nothing is read before it is sent */
	uint8_t answer_len, answer_type;
	enum tls_suite suite;
	struct control control;
	struct pace pace;
	uint64_t looked_us;           /* time of the last check for a flood */
	uint64_t wire, plain;         /* bytes of TCP up to then, and of data since */
	struct keys_traffic *traffic; /* NULL: KeyUpdates are not followed */
};
