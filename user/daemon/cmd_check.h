/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: kedge check: what is wrong with a configuration. */
#pragma once

int cmd_check(int argc, char **argv);
