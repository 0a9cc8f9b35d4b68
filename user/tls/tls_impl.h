/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: what the files behind tls.h share. */
#pragma once

#include "tls/keys.h"
#include "tls/tls.h"
#include "tls/tls_cert.h"
#include "tls/wire.h"

struct tls_ctx {
	const struct tls_shared *shared;
	struct tls_certs *certs;
	enum conf_mode mode;
	bool exact; /* the kernel may take connections over: read nothing beyond the handshake */
};

struct tls_conn {
	struct tls_ctx *ctx;
	SSL *ssl;
	struct wire wire;
	struct keys_watch watch;
};
