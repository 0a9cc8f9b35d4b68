/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: what cannot be undone is done in a child. A failure in here fails the test. */
#pragma once

/* What it returned in a child of this process. */
int in_child(int (*what)(void));

/* The same without a capability: as user and group 65534 if we are root. 99: that failed. */
int as_nobody(int (*what)(void));
