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
	bool raw;           /* the kernel reads no more records: see ktls_raw() */
	uint8_t answer[5];  /* a control record that must go out before anything is read */
	uint8_t answer_len, answer_type;
	enum tls_suite suite;
	struct control control;
	struct pace pace;
	uint64_t looked_us;           /* when a slow read was looked into last */
	uint64_t wire, plain;         /* bytes of TCP up to then, and of records since */
	struct keys_traffic *traffic; /* NULL: KeyUpdates are not followed */
};
