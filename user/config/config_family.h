/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: addresses on a host without IPv6 (ipv6.disable=1). "*:PORT" and ":PORT" become all
 * addresses of IPv4, with a line in the log. Any other IPv6 address cannot work there: a warning.
 */
#pragma once

#include "config/config.h"
#include "config/config_mistakes.h"

void config_listener_family(struct conf_listener *l, const struct place *at);
void config_metrics_family(struct conf *conf);
void config_server_family(const struct conf_server *s, const struct place *at);
