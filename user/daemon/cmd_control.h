/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: kedge status, kedge reload: asks a running kedge. */
#pragma once

int cmd_status(int argc, char **argv);
int cmd_reload(int argc, char **argv);
