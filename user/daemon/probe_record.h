/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: probes what kernel TLS can do here. */
#pragma once

#include "daemon/probe.h"

/* The name of the row of this version and suite: "tls1.3 aes-128-gcm". */
const char *probe_record_name(enum tls_version version, enum tls_suite suite);

/* Every version and suite both ways, rekey, splice. */
void probe_record(struct probe_report *r);
