/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: probes what kernel TLS can do here. */
#pragma once

#include "daemon/probe.h"

/* Every version and suite both ways, rekey, splice. */
void probe_record(struct probe_report *r);
