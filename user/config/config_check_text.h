/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: which texts a check by HTTP can ask for. Pure. */
#pragma once

/*
 * What is wrong with a text that is to be the target, or the Host, of the request of a check; NULL:
 * nothing. The text is visible ASCII.
 */
const char *config_check_path_fault(const char *text);
/* "HOST", "HOST:PORT"; a host is a name, an IPv4 address or an IPv6 address in brackets. */
const char *config_check_host_fault(const char *text);
