/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: kedge run: the daemon. */
#pragma once

int cmd_run(int argc, char **argv);
