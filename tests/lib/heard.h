/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: what this thread logs, instead of standard error. */
#pragma once

/* Every line since heard_begin(), without "kedge: ", each with a newline. */
extern char heard[16384];

/* From now on, with nothing heard yet. */
void heard_begin(void);
/* Logging goes to standard error again. */
void heard_end(void);
