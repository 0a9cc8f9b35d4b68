/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: standard input, output and error, which a parent may have closed. */
#pragma once

/*
 * Opens /dev/null for each of the descriptors 0 to 2 that is closed. Otherwise the next socket gets
 * that number, and what is written to standard error goes to a client. To be called before any
 * other descriptor is opened. 0 or -errno.
 */
int std_streams_open(void);
