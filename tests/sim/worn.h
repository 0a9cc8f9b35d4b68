/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: the limit of a key in the simulation, instead of that of record_tls.h. */
#pragma once

#define SIM_KEY_RECORDS 500
