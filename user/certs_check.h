/* user only: whether the certificates and keys that a configuration names can be used. */
#pragma once

#include "config.h"

/* Reads every pair once. 0, or -errno of the first that is at fault, after a line for each. */
int certs_check(const struct conf *conf);
